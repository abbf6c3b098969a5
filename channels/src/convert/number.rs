//! Numbers as Python reads them from text, because that is what clients of the Python services send.

/// An integer in any base that its prefix names (`12`, `-0x1f`, `0b11`, `0o17`, `1_000`).
pub(super) fn integer(text: &str) -> Option<i64> {
    let text = without_separators(text.trim())?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let (base, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        // Python refuses it because it was octal once; nobody can know what is meant.
        Some(_) if digits.starts_with('0') && !digits.trim_matches('0').is_empty() => return None,
        _ => (10, digits),
    };
    if !digits.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{digits}"), base).ok()
}

/// A real number, `nan` and `inf` included.
pub(super) fn real(text: &str) -> Option<f64> {
    without_separators(text.trim())?.parse().ok()
}

/// Python allows one `_` between digits.
fn without_separators(text: &str) -> Option<String> {
    let lonely = |part: &str| part.is_empty();
    if text.contains('_') && text.split('_').any(lonely) {
        return None;
    }
    Some(text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_in_the_base_of_their_prefix() {
        for (text, value) in [
            ("12", 12),
            (" -7 ", -7),
            ("+3", 3),
            ("0", 0),
            ("00", 0),
            ("0x1F", 31),
            ("-0xff", -255),
            ("0b101", 5),
            ("0o17", 15),
            ("1_000", 1000),
        ] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
    }

    #[test]
    fn what_python_does_not_take_for_an_integer_is_none() {
        for text in
            ["", "-", "0x", "1.0", "1e3", "010", "1__0", "_1", "1_", "--1", "0x-1", "Open", "é"]
        {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn real_numbers_are_read_with_exponent_and_special_values() {
        assert_eq!(real("1.5e3"), Some(1500.0));
        assert_eq!(real(" 1_000.5 "), Some(1000.5));
        assert_eq!(real("-inf"), Some(f64::NEG_INFINITY));
        assert!(real("nan").is_some_and(f64::is_nan));
        assert_eq!(real("0x10"), None);
        assert_eq!(real("fast"), None);
    }
}
