//! Text of a configuration with blanks such as `{username}`.

/// Text with blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Blank(&'static str),
}

/// A blank that nothing goes into.
#[derive(Debug, thiserror::Error)]
#[error("'{text}' may have {{{}}} and no other braces", known.join("}, {"))]
pub struct BadTemplate {
    text: String,
    known: Vec<&'static str>,
}

impl Template {
    /// Reads a text that has blanks of these names, if any.
    pub(super) fn new(text: &str, known: &[&'static str]) -> Result<Self, BadTemplate> {
        let bad = || BadTemplate { text: text.to_owned(), known: known.to_vec() };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(bad)?;
            let name = known.iter().find(|one| **one == name).ok_or_else(bad)?;
            parts.extend([Part::Text(before.to_owned()), Part::Blank(name)]);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        let stray = |part: &Part| matches!(part, Part::Text(text) if text.contains('}'));
        if parts.iter().any(stray) { Err(bad()) } else { Ok(Self(parts)) }
    }

    /// The text with what goes into its blanks. What goes in is not looked into for blanks.
    pub(super) fn fill<'a>(
        &'a self,
        value: impl Fn(&'static str) -> std::borrow::Cow<'a, str>,
    ) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.into(),
            Part::Blank(name) => value(name),
        });
        parts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_filled_once_and_unknown_ones_are_refused() {
        let template = Template::new("({attr}={login})", &["attr", "login"]).unwrap();
        let filled =
            template.fill(|name| if name == "attr" { "uid".into() } else { "{attr}".into() });
        assert_eq!(filled, "(uid={attr})");
        for bad in ["{other}", "{login", "login}"] {
            let error = Template::new(bad, &["attr", "login"]).unwrap_err().to_string();
            assert_eq!(error, format!("'{bad}' may have {{attr}}, {{login}} and no other braces"));
        }
    }
}
