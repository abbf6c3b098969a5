//! Variables of the environment within texts: `$NAME` and `${NAME}`, as in a shell. One that is not set stays as it stands.

/// The text with the values of its variables.
pub(super) fn expanded(text: &str, variable: &impl Fn(&str) -> Option<String>) -> String {
    let mut all = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        all.push_str(before);
        let (name, length) = named(&from[1..]);
        match variable(name).filter(|_| !name.is_empty()) {
            Some(value) => {
                all.push_str(&value);
                rest = &from[1 + length..];
            }
            None => {
                all.push('$');
                rest = &from[1..];
            }
        }
    }
    all + rest
}

/// The name behind a `$`, and how much of the text it is.
fn named(text: &str) -> (&str, usize) {
    if let Some((name, _)) = text.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        return (name, name.len() + 2);
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    (&text[..end], end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_filled_in_and_the_rest_stays() {
        let variable = |name: &str| (name == "BL").then(|| "bl01".to_owned());
        for (text, wanted) in [
            ("/opt/$BL/startup", "/opt/bl01/startup"),
            ("/opt/${BL}x", "/opt/bl01x"),
            ("$OTHER and ${OTHER}", "$OTHER and ${OTHER}"),
            ("5 $ ${BL", "5 $ ${BL"),
            ("$BL$BL", "bl01bl01"),
            ("", ""),
        ] {
            assert_eq!(expanded(text, &variable), wanted, "{text}");
        }
    }
}
