//! What reads bytes from outside, each as one function that takes any. `make fuzz` and the tests below call them.

use crate::index::Glob;

/// A pattern in the first line, over a name in the second.
///
/// # Panics
/// When a pattern without anything special fits another name than itself.
pub fn glob(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (pattern, name) = text.split_once('\n').unwrap_or((&text, ""));
    let fits = Glob::new(pattern).matches(name);
    if !pattern.contains(['*', '?', '[']) {
        assert_eq!(fits, pattern == name, "{pattern:?} over {name:?}");
    }
    assert!(Glob::new("*").matches(name), "everything fits *");
}

#[cfg(test)]
mod tests {
    use peers::replay;

    #[test]
    fn any_pattern_is_matched_or_matches_nothing() {
        replay("glob", super::glob);
    }
}
