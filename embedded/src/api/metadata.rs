//! Rules of `metadata`: names, labels, annotations, finalizers, owners, and the members that only the server sets.

use std::sync::LazyLock;

use rand::Rng;
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::kinds::{Kind, NameRule};
use crate::schema::Problem;

const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
/// Most bytes of all annotations of an object together.
const MAX_ANNOTATIONS: usize = 256 << 10;
/// Random characters that `generateName` adds.
const SUFFIX_LENGTH: usize = 5;
/// Without vowels and look-alikes, as Kubernetes does.
const SUFFIX_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Longest prefix of a generated name.
const MAX_PREFIX: usize = 63 - SUFFIX_LENGTH;

static SUBDOMAIN_RE: LazyLock<Regex> = LazyLock::new(|| whole(SUBDOMAIN));
static LABEL_RE: LazyLock<Regex> = LazyLock::new(|| whole(LABEL));
static QUALIFIED_RE: LazyLock<Regex> = LazyLock::new(|| whole(QUALIFIED));
static LABEL_VALUE_RE: LazyLock<Regex> = LazyLock::new(|| whole(LABEL_VALUE));

#[allow(
    clippy::expect_used,
    reason = "only the constants above come here, and unit tests use all of them"
)]
fn whole(pattern: &str) -> Regex {
    Regex::new(&format!("^{pattern}$")).expect("a constant pattern")
}

/// The members of an object, which must be one.
pub(crate) fn members(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = json!({});
    }
    #[allow(clippy::expect_used, reason = "it was made an object on the line above")]
    object.as_object_mut().expect("an object")
}

/// `metadata` as a map, made one if it is missing.
pub(crate) fn of(object: &mut Value) -> &mut Map<String, Value> {
    members(members(object).entry("metadata").or_insert_with(|| json!({})))
}

/// A name that starts with `prefix` and that nobody has yet, most likely.
pub(crate) fn generate_name(prefix: &str) -> String {
    let mut name: String = prefix.chars().take(MAX_PREFIX).collect();
    let mut rng = rand::rng();
    name.extend(
        (0..SUFFIX_LENGTH)
            .map(|_| char::from(SUFFIX_ALPHABET[rng.random_range(0..SUFFIX_ALPHABET.len())])),
    );
    name
}

/// What is wrong with the metadata of an object about to be stored.
pub(crate) fn check(kind: &Kind, object: &Value) -> Vec<Problem> {
    let metadata = &object["metadata"];
    let mut problems = Vec::new();
    check_name(kind, metadata["name"].as_str().unwrap_or_default(), &mut problems);
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        check_key("metadata.labels", key, &mut problems);
        let text = value.as_str().unwrap_or_default();
        if text.len() > 63 {
            problems.push(Problem::invalid(
                "metadata.labels",
                &format!("{text:?}"),
                "must be no more than 63 bytes",
            ));
        }
        if !LABEL_VALUE_RE.is_match(text) {
            problems.push(Problem::invalid("metadata.labels", &format!("{text:?}"), &format!(
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{LABEL_VALUE}')"
            )));
        }
    }
    let mut size = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        check_key("metadata.annotations", &key.to_lowercase(), &mut problems);
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > MAX_ANNOTATIONS {
        problems.push(Problem {
            field: "metadata.annotations".to_owned(),
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {MAX_ANNOTATIONS} bytes"),
        });
    }
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten() {
        check_key("metadata.finalizers", finalizer.as_str().unwrap_or_default(), &mut problems);
    }
    check_owners(metadata, &mut problems);
    problems
}

fn check_name(kind: &Kind, name: &str, problems: &mut Vec<Problem>) {
    if name.is_empty() {
        problems.push(Problem::required("metadata.name", "name or generateName is required"));
        return;
    }
    let (pattern, most, detail) = match kind.name_rule {
        NameRule::Subdomain => (
            &*SUBDOMAIN_RE,
            253,
            format!(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
            ),
        ),
        NameRule::Label => (
            &*LABEL_RE,
            63,
            format!(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
            ),
        ),
    };
    let shown = format!("{name:?}");
    if name.len() > most {
        let detail = format!("must be no more than {most} bytes");
        problems.push(Problem::invalid("metadata.name", &shown, &detail));
    }
    if !pattern.is_match(name) {
        problems.push(Problem::invalid("metadata.name", &shown, &detail));
    }
}

/// A label key, annotation key or finalizer: `name` or `prefix/name`.
fn check_key(field: &str, key: &str, problems: &mut Vec<Problem>) {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let prefix_fits = prefix.is_none_or(|p| p.len() <= 253 && SUBDOMAIN_RE.is_match(p));
    if name.len() > 63 || !QUALIFIED_RE.is_match(name) || !prefix_fits {
        problems.push(Problem::invalid(field, &format!("{key:?}"), &format!(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{QUALIFIED}')"
        )));
    }
}

fn check_owners(metadata: &Value, problems: &mut Vec<Problem>) {
    let mut controllers = 0;
    for (index, owner) in metadata["ownerReferences"].as_array().into_iter().flatten().enumerate() {
        for key in ["apiVersion", "kind", "name", "uid"] {
            if owner[key].as_str().is_none_or(str::is_empty) {
                let field = format!("metadata.ownerReferences[{index}].{key}");
                problems.push(Problem::invalid(&field, "\"\"", "must not be empty"));
            }
        }
        controllers += usize::from(owner["controller"] == true);
    }
    if controllers > 1 {
        problems.push(Problem::invalid(
            "metadata.ownerReferences",
            "\"object\"",
            "Only one reference can have Controller set to true",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "so that literals need no borrow")]
    fn problems(metadata: Value) -> Vec<String> {
        let kinds = crate::kinds::builtin::kinds().unwrap();
        check(&kinds[1], &json!({"metadata": metadata})).into_iter().map(|p| p.field).collect()
    }

    #[test]
    fn good_metadata_passes_and_each_bad_member_is_named() {
        assert!(problems(json!({"name": "a.b-c", "labels": {"x/y": "Z_1", "e": ""}})).is_empty());
        assert_eq!(problems(json!({"name": "A_b"})), ["metadata.name"]);
        assert_eq!(problems(json!({})), ["metadata.name"]);
        assert_eq!(problems(json!({"name": "a", "labels": {"-": "x"}})), ["metadata.labels"]);
        assert_eq!(problems(json!({"name": "a", "labels": {"k": "x y"}})), ["metadata.labels"]);
        assert_eq!(problems(json!({"name": "a", "finalizers": ["a b"]})), ["metadata.finalizers"]);
    }

    #[test]
    fn generated_names_keep_their_prefix_and_are_valid() {
        let name = generate_name("dev-");
        assert_eq!(name.len(), "dev-".len() + SUFFIX_LENGTH);
        assert!(problems(json!({"name": name})).is_empty());
        assert_eq!(generate_name(&"x".repeat(200)).len(), 63);
    }
}
