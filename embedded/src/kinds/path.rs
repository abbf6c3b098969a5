//! The little JSONPath of printer columns and selectable fields: `.a.b`, `['a.b']`, `[0]`, `[?(@.k=="v")]`.

use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    /// The first element whose field has that text.
    Where(String, String),
}

/// A parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPath(Vec<Step>);

impl FieldPath {
    /// Reads a path; `None` if it uses anything but the forms above.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('[') {
                let (inner, tail) = after.split_at(closing(after)?);
                steps.push(bracket(inner)?);
                rest = &tail[1..];
            } else {
                let after = rest.strip_prefix('.').unwrap_or(rest);
                let (field, tail) = field(after);
                if field.is_empty() {
                    return None;
                }
                steps.push(Step::Field(field));
                rest = tail;
            }
        }
        (!steps.is_empty()).then_some(Self(steps))
    }

    /// A path of plain field names, such as `spec.holderIdentity`.
    pub(crate) fn dotted(fields: &str) -> Self {
        Self(fields.split('.').map(|field| Step::Field(field.to_owned())).collect())
    }

    /// The value at the path.
    pub(crate) fn find<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(object, |value, step| match step {
            Step::Field(name) => value.get(name),
            Step::Index(index) => value.get(index),
            Step::Where(key, wanted) => {
                value.as_array()?.iter().find(|item| item[key].as_str() == Some(wanted))
            }
        })
    }

    /// The value at the path as text; empty when there is none.
    pub(crate) fn text(&self, object: &Value) -> String {
        match self.find(object) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

/// Position of the bracket that closes, outside of quotes.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ']') => return Some(at),
            _ => {}
        }
        None
    })
}

/// A field name up to the next `.` or `[`; `\.` stands for a dot.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            '.' | '[' => return (name, &text[at..]),
            _ => name.push(c),
        }
    }
    (name, "")
}

fn bracket(inner: &str) -> Option<Step> {
    let unquote = |text: &str| -> Option<String> {
        let text = text.trim();
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        Some(text.strip_prefix(quote)?.strip_suffix(quote)?.to_owned())
    };
    if let Some(filter) = inner.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        let (left, right) = filter.split_once("==")?;
        let key = left.trim().strip_prefix("@.")?;
        return Some(Step::Where(key.to_owned(), unquote(right)?));
    }
    match unquote(inner) {
        Some(name) => Some(Step::Field(name)),
        None => inner.trim().parse().ok().map(Step::Index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_that_columns_use_finds_its_value() {
        let object = json!({
            "metadata": {"labels": {"a.b/c": "x"}},
            "status": {"conditions": [{"type": "A", "status": "True"}, {"type": "]", "status": "No"}]},
            "spec": {"n": 3},
        });
        let text = |path| FieldPath::parse(path).unwrap().text(&object);
        assert_eq!(text(".spec.n"), "3");
        assert_eq!(text("$.spec.n"), "3");
        assert_eq!(text(".metadata.labels.a\\.b/c"), "x");
        assert_eq!(text(".metadata.labels['a.b/c']"), "x");
        assert_eq!(text(".status.conditions[?(@.type==\"A\")].status"), "True");
        assert_eq!(text(".status.conditions[?(@.type == ']')].status"), "No");
        assert_eq!(text(".status.conditions[0].type"), "A");
        assert_eq!(text(".status.conditions[7].type"), "");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for path in ["", ".", ".a[", ".a[*]", ".a[?(@.b>1)]", ".a..b"] {
            assert_eq!(FieldPath::parse(path), None, "{path}");
        }
    }
}
