//! From the syntax of Python's `re` to that of `fancy-regex`, where they differ.

/// Letters that Python knows behind a backslash, outside of a class.
const ESCAPES: &str = "AbBdDsSwWZafnrtvxuU0123456789";

/// What was read last.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    /// Something that can be repeated.
    Atom,
    /// Nothing, or a place in the text: it cannot.
    Place,
    /// A repetition: it cannot be repeated again.
    Repetition,
}

/// The pattern in the syntax of `fancy-regex`; `None` for what Python refuses and `fancy-regex` would take.
pub(super) fn translate(pattern: &str) -> Option<String> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut last = Last::Place;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let repeats = matches!(c, '*' | '+' | '?') || (c == '{' && repetition(after).is_some());
        if repeats {
            if last != Last::Atom {
                return None;
            }
            rest = match repetition(after).filter(|_| c == '{') {
                Some((text, after)) => {
                    out.push_str(&text);
                    after
                }
                None => {
                    out.push(c);
                    after
                }
            };
            if let Some(after) = rest.strip_prefix(['?', '+']) {
                out.push_str(&rest[..1]);
                rest = after;
            }
            last = Last::Repetition;
            continue;
        }
        last = match (c, after.chars().next()) {
            ('^' | '$' | '|' | '(', _) | ('\\', Some('b' | 'B' | 'A' | 'Z')) => Last::Place,
            _ => Last::Atom,
        };
        rest = match c {
            '\\' => escape(after, &mut out)?,
            '[' => class(after, &mut out)?,
            '{' => {
                out.push_str("\\{");
                after
            }
            '(' => group(after, rest.len() == pattern.len(), &mut out)?,
            c => {
                out.push(c);
                after
            }
        };
    }
    Some(out)
}

/// The beginning of a group. Flags for the whole pattern stand first, or it is no pattern.
fn group<'a>(rest: &'a str, first: bool, out: &mut String) -> Option<&'a str> {
    let Some(after) = rest.strip_prefix('?') else {
        out.push('(');
        return Some(rest);
    };
    // A group by the name that only Rust gives it.
    if after.starts_with('<') && !after.starts_with("<=") && !after.starts_with("<!") {
        return None;
    }
    let end = after.find(|c: char| !matches!(c, 'a' | 'i' | 'm' | 's' | 'u' | 'x')).unwrap_or(0);
    let (flags, behind) = after.split_at(end);
    let kept: String = flags.chars().filter(|c| !matches!(c, 'a' | 'u')).collect();
    match behind.chars().next() {
        Some(')') if !flags.is_empty() && !first => None,
        Some(')') if !flags.is_empty() && kept.is_empty() => Some(&behind[1..]),
        Some(')' | ':') if !flags.is_empty() => {
            out.push_str("(?");
            out.push_str(&kept);
            Some(behind)
        }
        _ => {
            out.push_str("(?");
            Some(after)
        }
    }
}

fn escape<'a>(rest: &'a str, out: &mut String) -> Option<&'a str> {
    let c = rest.chars().next()?;
    let after = &rest[c.len_utf8()..];
    match c {
        'Z' => out.push_str("\\z"),
        c if c.is_ascii_alphanumeric() && !ESCAPES.contains(c) => return None,
        c if c.is_ascii_alphanumeric() || c.is_ascii_punctuation() => {
            // `\<` and `\>` are the ends of words elsewhere; for Python they are themselves.
            if !matches!(c, '<' | '>') {
                out.push('\\');
            }
            out.push(c);
        }
        c => out.push(c),
    }
    Some(after)
}

/// A class: brackets and doubled operators in it are themselves.
fn class<'a>(rest: &'a str, out: &mut String) -> Option<&'a str> {
    out.push('[');
    let mut rest = rest;
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    if let Some(after) = rest.strip_prefix(']') {
        out.push_str("\\]");
        rest = after;
    }
    loop {
        let c = rest.chars().next()?;
        let after = &rest[c.len_utf8()..];
        match c {
            ']' => {
                out.push(']');
                return Some(after);
            }
            '[' => out.push_str("\\["),
            '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => {
                let next = after.chars().next()?;
                out.push('\\');
                out.push(next);
                rest = &after[next.len_utf8()..];
                continue;
            }
            c => out.push(c),
        }
        rest = after;
    }
}

/// `{2,3}` repeats, `{,3}` too; any other brace is itself. Takes what is behind the brace.
fn repetition(rest: &str) -> Option<(String, &str)> {
    let (inside, after) = rest.split_once('}')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match inside.split_once(',') {
        Some((low, high)) if digits(low) && digits(high) => {
            let low = if low.is_empty() { "0" } else { low };
            Some((format!("{{{low},{high}}}"), after))
        }
        None if !inside.is_empty() && digits(inside) => Some((format!("{{{inside}}}"), after)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_written_as_the_other_side_reads_it() {
        for (python, ours) in [
            ("^det[0-9]+$", "^det[0-9]+$"),
            ("a\\Z", "a\\z"),
            ("[[a&&b]", "[\\[a\\&\\&b]"),
            ("[]a]", "[\\]a]"),
            ("a{2}b{,3}c{x}", "a{2}b{0,3}c\\{x}"),
            ("\\<", "<"),
            ("(?<=a)b(?!c)", "(?<=a)b(?!c)"),
            ("(?a)x(?:y)+?", "x(?:y)+?"),
            ("(?i)det", "(?i)det"),
        ] {
            assert_eq!(translate(python).as_deref(), Some(ours), "{python}");
        }
        for refused in [
            "\\p{L}",
            "\\z",
            "\\K",
            "(?<name>a)",
            "[a",
            "a\\",
            "^*",
            "a**",
            "$+",
            "(+)",
            "a{2}{3}",
            "a(?i)b",
        ] {
            assert_eq!(translate(refused), None, "{refused}");
        }
    }
}
