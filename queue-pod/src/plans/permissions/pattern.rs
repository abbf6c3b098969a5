//! One pattern: a name, or regular expressions level by level (contract queue-server §2.8).

use fancy_regex::Regex;
use serde_json::{Map, Value};

use super::syntax;
use crate::python;

/// Which devices a pattern is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceType {
    /// All.
    Any,
    /// Those that can be read.
    Readable,
    /// Those that can be flown.
    Flyable,
    /// Those that can be read and not moved.
    Detector,
    /// Those that can be read and moved.
    Motor,
}

const DEVICE_TYPES: [(&str, DeviceType); 5] = [
    ("", DeviceType::Any),
    ("__READABLE__", DeviceType::Readable),
    ("__FLYABLE__", DeviceType::Flyable),
    ("__DETECTOR__", DeviceType::Detector),
    ("__MOTOR__", DeviceType::Motor),
];

impl DeviceType {
    /// Whether a device, by its description, is of the type.
    pub fn fits(self, device: &Map<String, Value>) -> bool {
        let is = |key| device.get(key).and_then(Value::as_bool).unwrap_or(false);
        match self {
            Self::Any => true,
            Self::Readable => is("is_readable"),
            Self::Flyable => is("is_flyable"),
            Self::Detector => is("is_readable") && !is("is_movable"),
            Self::Motor => is("is_readable") && is("is_movable"),
        }
    }
}

/// What one level of a pattern asks for.
#[derive(Clone, Debug)]
pub struct Level {
    regex: Regex,
    /// Whether what matches here is meant, or only what lies below it.
    pub included: bool,
    /// Whether it is matched against the rest of the name with its dots.
    pub full: bool,
    /// How many levels deep, if it is bounded.
    pub depth: Option<usize>,
}

impl Level {
    /// Whether the expression occurs in the name. One that takes too long does not.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name).unwrap_or(false)
    }
}

/// A pattern, read.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// A name, part by part.
    Name(Vec<String>),
    /// Expressions, level by level.
    Levels(DeviceType, Vec<Level>),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// The texts of contract queue-server §2.8.
    pub fn read(pattern: &Value) -> Result<Self, String> {
        let Value::String(text) = pattern else {
            let (shown, kind) = (python::repr(pattern), python::type_of(pattern));
            return Err(format!(
                "Name pattern {shown} has incorrect type {kind}. Expected type: 'str'"
            ));
        };
        let text = text.replace(' ', "");
        if text.is_empty() {
            return Err("Name pattern '' is an empty string".to_owned());
        }
        match text.split_once(':') {
            Some((device_type, levels)) => levels_of(&text, device_type, levels),
            None => name_of(&text).map(Self::Name),
        }
    }
}

/// The parts of a name.
pub fn name_of(text: &str) -> Result<Vec<String>, String> {
    // As for Python, a line break may end it.
    let name = text.strip_suffix('\n').unwrap_or(text);
    let first = |c: char| c == '_' || c.is_ascii_alphabetic();
    let inner = |c: char| c == '_' || c == '.' || c.is_ascii_alphanumeric();
    if !name.starts_with(first) || name.ends_with('.') || !name.chars().all(inner) {
        return Err(format!(
            "Name pattern {} contains invalid characters. The pattern could be a valid regular \
             expression, but it is not labeled with ':' (e.g. ':^det$')",
            python::repr_str(text)
        ));
    }
    let parts: Vec<_> = text.split('.').map(str::to_owned).collect();
    if parts.iter().any(String::is_empty) {
        return Err(format!(
            "Plan, device or subdevice name in the description {} is an empty string",
            python::repr_str(text)
        ));
    }
    Ok(parts)
}

fn levels_of(pattern: &str, device_type: &str, levels: &str) -> Result<Pattern, String> {
    let shown = python::repr_str(pattern);
    let mut parts: Vec<&str> = levels.split(':').collect();
    let full = parts.iter().position(|part| part.starts_with('?'));
    let mut depth = None;
    if let Some(full) = full {
        let text = python::repr_str(parts[full]);
        if full + 2 < parts.len() {
            return Err(format!("Full name regular expression {text} must be the last: {shown}"));
        }
        if full + 2 == parts.len() {
            let last = parts[full + 1];
            let Some(digits) = last.strip_prefix("depth=") else {
                return Err(format!(
                    "Full name regular expression {text} can be only followed by \
                     the depth specification: {shown}"
                ));
            };
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                let last = python::repr_str(last);
                return Err(format!("Depth specification {last} has incorrect format: {shown}"));
            }
            // A depth beyond any number is as good as none.
            let levels = digits.parse().unwrap_or(usize::MAX / 2);
            if levels < 1 {
                return Err(format!(
                    "Depth ({levels}) must be positive integer greater or equal to 1: {shown}"
                ));
            }
            depth = Some(levels);
            parts.pop();
        }
    }
    let Some((_, device_type)) = DEVICE_TYPES.iter().find(|(name, _)| *name == device_type) else {
        let supported: Vec<_> = DEVICE_TYPES.iter().map(|(name, _)| format!("'{name}'")).collect();
        return Err(format!(
            "Device type {} is not supported. Supported types: ({})",
            python::repr_str(device_type),
            supported.join(", ")
        ));
    };
    let last = parts.len() - 1;
    let mut levels = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let text = part.strip_prefix(['+', '-', '?']).unwrap_or(part);
        if text.is_empty() {
            return Err(format!("Name pattern {shown} contains empty components"));
        }
        let regex = syntax::translate(text).and_then(|text| Regex::new(&text).ok());
        let regex = regex.ok_or_else(|| {
            let text = python::repr_str(text);
            format!("Name pattern {shown} contains invalid regular expression {text}")
        })?;
        levels.push(Level {
            regex,
            included: index == last || !part.starts_with('-'),
            full: full == Some(index),
            depth: depth.filter(|_| full == Some(index)),
        });
    }
    Ok(Pattern::Levels(*device_type, levels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_pattern_is_refused_in_the_words_of_the_package() {
        for (pattern, text) in [
            (json!(5), "Name pattern 5 has incorrect type <class 'int'>. Expected type: 'str'"),
            (json!(" "), "Name pattern '' is an empty string"),
            (json!(":?a:?b:c"), "Full name regular expression '?a' must be the last: ':?a:?b:c'"),
            (
                json!(":?a:b"),
                "Full name regular expression '?a' can be only followed by the depth specification: ':?a:b'",
            ),
            (
                json!(":?a:depth=a"),
                "Depth specification 'depth=a' has incorrect format: ':?a:depth=a'",
            ),
            (
                json!(":?a:depth=0"),
                "Depth (0) must be positive integer greater or equal to 1: ':?a:depth=0'",
            ),
            (
                json!("__X__:a"),
                "Device type '__X__' is not supported. Supported types: \
                 ('', '__READABLE__', '__FLYABLE__', '__DETECTOR__', '__MOTOR__')",
            ),
            (json!(":a::b"), "Name pattern ':a::b' contains empty components"),
            (json!(":a["), "Name pattern ':a[' contains invalid regular expression 'a['"),
            (
                json!("^det$"),
                "Name pattern '^det$' contains invalid characters. The pattern could be a valid \
                 regular expression, but it is not labeled with ':' (e.g. ':^det$')",
            ),
            (
                json!("a..b"),
                "Plan, device or subdevice name in the description 'a..b' is an empty string",
            ),
        ] {
            assert_eq!(Pattern::read(&pattern).unwrap_err(), text);
        }
    }
}
