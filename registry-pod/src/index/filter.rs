//! Which devices a list asks for (contract §1.4).

use std::cell::OnceCell;

use crds::device::DeviceLabel;
use globset::{GlobBuilder, GlobMatcher};

use crate::device::DeviceMetadata;

/// A shell pattern over a whole name, as Python's `fnmatch`: `*` crosses every character.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    pattern: String,
    /// Made for the first name: to make it takes longer than to answer from memory. None matches nothing.
    matcher: OnceCell<Option<GlobMatcher>>,
}

impl Glob {
    /// A pattern that cannot be read matches nothing.
    pub(crate) fn new(pattern: &str) -> Self {
        Self { pattern: pattern.to_owned(), matcher: OnceCell::new() }
    }

    /// Whether `name` fits the whole pattern.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let matcher = self.matcher.get_or_init(|| matcher(&self.pattern));
        matcher.as_ref().is_some_and(|glob| glob.is_match(name))
    }
}

fn matcher(pattern: &str) -> Option<GlobMatcher> {
    // `{`, `}` and `\` are ordinary characters in fnmatch, and PV names are full of braces.
    let mut literal = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '{' | '}' | '\\' => literal.extend(['\\', c]),
            c => literal.push(c),
        }
    }
    let mut glob = GlobBuilder::new(&literal);
    glob.literal_separator(false).backslash_escape(true);
    glob.build().ok().map(|glob| glob.compile_matcher())
}

/// Conditions on a device; all that are given must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceFilter {
    pub(crate) label: Option<DeviceLabel>,
    pub(crate) pattern: Option<Glob>,
    pub(crate) ophyd_class: Option<String>,
    pub(crate) readable: Option<bool>,
    pub(crate) movable: Option<bool>,
    pub(crate) flyable: Option<bool>,
}

impl DeviceFilter {
    /// Whether the device fits.
    pub(crate) fn matches(&self, device: &DeviceMetadata) -> bool {
        self.label.is_none_or(|label| device.device_label == label)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&device.name))
            && self.ophyd_class.as_ref().is_none_or(|class| device.ophyd_class == *class)
            && self.readable.is_none_or(|wanted| device.is_readable == wanted)
            && self.movable.is_none_or(|wanted| device.is_movable == wanted)
            && self.flyable.is_none_or(|wanted| device.is_flyable == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn patterns_are_those_of_fnmatch() {
        for (pattern, name, fits) in [
            ("mini:*", "mini:dot:det", true),
            ("*det", "mini/dot/det", true),
            ("m?tor", "motor", true),
            ("m[ox]tor", "motor", true),
            ("m[!o]tor", "motor", false),
            ("XF{Mtr}*", "XF{Mtr}.VAL", true),
            ("{a,b}", "a", false),
            ("MINI:*", "mini:dot", false),
            ("", "a", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), fits, "{pattern} over {name}");
        }
    }
}
