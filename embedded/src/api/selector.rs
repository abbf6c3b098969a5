//! Label and field selectors.

use std::collections::BTreeMap;

use super::Resource;
use crate::error::ApiError;
use crate::store::object::Meta;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Label {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

impl Label {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|found| values.contains(found)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|found| !values.contains(found)),
            Self::Exists(key) => labels.contains_key(key),
            Self::Missing(key) => !labels.contains_key(key),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
    /// Position among the kind's selectable fields.
    Own(usize),
}

/// Which objects of a resource a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Label>,
    /// Field, wanted text, and whether it must be equal.
    fields: Vec<(Field, String, bool)>,
}

impl Selector {
    /// Reads the two query parameters.
    pub(crate) fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, ApiError> {
        let labels =
            split(labels).into_iter().map(|term| label(&term)).collect::<Option<_>>().ok_or_else(
                || ApiError::BadRequest(format!("unable to parse requirement: {labels:?}")),
            )?;
        let fields = split(fields)
            .into_iter()
            .map(|term| field(resource, &term))
            .collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    /// Whether an object is selected.
    pub(crate) fn matches(&self, meta: &Meta) -> bool {
        self.labels.iter().all(|label| label.matches(&meta.labels))
            && self.fields.iter().all(|(field, wanted, equal)| {
                let found = match field {
                    Field::Name => Some(&meta.name),
                    Field::Namespace => Some(&meta.namespace),
                    Field::Own(index) => meta.fields.get(*index),
                };
                found.is_some_and(|found| (found == wanted) == *equal)
            })
    }
}

/// Splits at commas outside of parentheses; nothing for an empty text.
fn split(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                terms.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(term) = terms.last_mut() {
            term.push(c);
        }
    }
    if text.trim().is_empty() { vec![] } else { terms }
}

fn label(term: &str) -> Option<Label> {
    let term = term.trim();
    let key = |text: &str| {
        let text = text.trim();
        (!text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "()!=".contains(c)))
            .then(|| text.to_owned())
    };
    if let Some((name, values)) = term.split_once(" in ").or_else(|| term.split_once(" in(")) {
        return Some(Label::In(key(name)?, set(values)?));
    }
    if let Some((name, values)) = term.split_once(" notin ").or_else(|| term.split_once(" notin("))
    {
        return Some(Label::NotIn(key(name)?, set(values)?));
    }
    if let Some((name, value)) = term.split_once("!=") {
        return Some(Label::NotIn(key(name)?, vec![value.trim().to_owned()]));
    }
    if let Some((name, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Some(Label::In(key(name)?, vec![value.trim().to_owned()]));
    }
    match term.strip_prefix('!') {
        Some(name) => Some(Label::Missing(key(name)?)),
        None => Some(Label::Exists(key(term)?)),
    }
}

fn set(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    let inner = text.strip_prefix('(').unwrap_or(text).strip_suffix(')')?;
    Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
}

fn field(resource: &Resource, term: &str) -> Result<(Field, String, bool), ApiError> {
    let bad = || ApiError::BadRequest(format!("invalid field selector: {term:?}"));
    let (name, value, equal) = if let Some((name, value)) = term.split_once("!=") {
        (name, value, false)
    } else if let Some((name, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (name, value, true)
    } else {
        return Err(bad());
    };
    let field = match name.trim() {
        "metadata.name" => Field::Name,
        "metadata.namespace" if resource.kind.namespaced => Field::Namespace,
        other => {
            let other = match other.strip_prefix("regarding.") {
                Some(rest) if resource.is_other_form() => format!("involvedObject.{rest}"),
                _ => other.to_owned(),
            };
            let known = resource.stored.selectable.iter().position(|(path, _)| *path == other);
            Field::Own(known.ok_or_else(|| {
                ApiError::BadRequest(format!("field label not supported: {other}"))
            })?)
        }
    };
    Ok((field, value.trim().to_owned(), equal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        split(selector).iter().all(|term| label(term).unwrap().matches(&labels))
    }

    #[test]
    fn equality_and_sets_select_as_documented() {
        let labels = [("tier", "a"), ("x/env", "prod")];
        for yes in [
            "",
            "tier=a",
            "tier==a,x/env=prod",
            "tier!=b",
            "none!=b",
            "tier in (a, b)",
            "tier in (a,b),x/env notin (dev)",
            "none notin (x)",
            "tier",
            "!none",
        ] {
            assert!(selects(yes, &labels), "{yes}");
        }
        for no in ["tier=b", "tier!=a", "tier in (b)", "x/env notin (prod)", "none", "!tier"] {
            assert!(!selects(no, &labels), "{no}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["a b", "=x", "a in b c", "!"] {
            assert_eq!(label(bad), None, "{bad}");
        }
    }
}
