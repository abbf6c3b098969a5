//! Whether a document is one of permissions, in the words of Python's `jsonschema`.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::ROOT;
use crate::python;

/// What can be said about a group, in the order of the schema.
const KEYS: [&str; 6] = [
    "allowed_plans",
    "forbidden_plans",
    "allowed_devices",
    "forbidden_devices",
    "allowed_functions",
    "forbidden_functions",
];
/// Line width of the schema and of what was found.
const WIDTH: usize = 72;

/// The schema; the texts show the part that does not fit.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let list = json!({"type": "array", "items": {"type": ["string", "null"]}});
    let keys: Map<_, _> = KEYS.map(|key| (key.to_owned(), list.clone())).into_iter().collect();
    let group = json!({"type": "object", "additionalProperties": false, "properties": keys});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["user_groups"],
        "properties": {"user_groups": {"type": "object", "additionalProperties": group}},
    })
});

/// One thing that does not fit.
struct Misfit<'a> {
    path: Vec<String>,
    keyword: &'static str,
    message: String,
    schema_path: Vec<&'a str>,
    schema: &'a Value,
    instance: &'a Value,
}

/// Whether the document can be used as permissions.
///
/// # Errors
/// The text of the package.
pub fn check(document: &Value) -> Result<(), String> {
    let Value::Object(root) = document else {
        let kind = python::type_of(document);
        return Err(format!("User group permissions: Invalid type '{kind}', must be 'dict'"));
    };
    let misfits = misfits(document, root, &SCHEMA);
    // The one that is nearest to the root; of several there, the last by its place, and of those the first.
    let mut worst: Option<&Misfit<'_>> = None;
    for misfit in &misfits {
        let key = |misfit: &Misfit<'_>| (usize::MAX - misfit.path.len(), misfit.path.clone());
        if worst.is_none_or(|worst| key(worst) < key(misfit)) {
            worst = Some(misfit);
        }
    }
    if let Some(misfit) = worst {
        return Err(text(misfit));
    }
    let groups = root.get("user_groups").and_then(Value::as_object);
    match groups.is_some_and(|groups| groups.contains_key(ROOT)) {
        true => Ok(()),
        // Upstream raises a KeyError, whose text is the repr of its message.
        false => Err("\"User group permissions: Missing required user group: 'root'\"".to_owned()),
    }
}

fn misfits<'a>(
    document: &'a Value,
    root: &'a Map<String, Value>,
    schema: &'a Value,
) -> Vec<Misfit<'a>> {
    let mut found = Vec::new();
    found.extend(additional(document, root, &["user_groups"], schema, &[], &[]));
    if !root.contains_key("user_groups") {
        found.push(Misfit {
            path: Vec::new(),
            keyword: "required",
            message: "'user_groups' is a required property".to_owned(),
            schema_path: Vec::new(),
            schema,
            instance: document,
        });
    }
    let Some(groups) = root.get("user_groups") else { return found };
    let schema_path = ["properties", "user_groups"];
    let schema = &schema["properties"]["user_groups"];
    let Value::Object(groups) = groups else {
        found.push(wrong_type(groups, &["user_groups"], schema, &schema_path));
        return found;
    };
    let schema_path = ["properties", "user_groups", "additionalProperties"];
    let schema = &schema["additionalProperties"];
    for (name, group) in groups {
        let path = ["user_groups", name.as_str()];
        let Value::Object(lists) = group else {
            found.push(wrong_type(group, &path, schema, &schema_path));
            continue;
        };
        found.extend(additional(group, lists, &KEYS, schema, &path, &schema_path));
        for key in KEYS {
            let Some(list) = lists.get(key) else { continue };
            let path = [path[0], path[1], key];
            let schema_path = [schema_path[0], schema_path[1], schema_path[2], "properties", key];
            let schema = &schema["properties"][key];
            let Value::Array(list) = list else {
                found.push(wrong_type(list, &path, schema, &schema_path));
                continue;
            };
            let schema_path =
                [schema_path[0], schema_path[1], schema_path[2], "properties", key, "items"];
            for (index, item) in list.iter().enumerate() {
                if !item.is_string() && !item.is_null() {
                    let mut misfit = wrong_type(item, &path, &schema["items"], &schema_path);
                    misfit.path.push(index.to_string());
                    found.push(misfit);
                }
            }
        }
    }
    found
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|step| (*step).to_owned()).collect()
}

fn wrong_type<'a>(
    instance: &'a Value,
    path: &[&str],
    schema: &'a Value,
    schema_path: &[&'a str],
) -> Misfit<'a> {
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(python::repr).collect::<Vec<_>>().join(", "),
        one => python::repr(one),
    };
    Misfit {
        path: owned(path),
        keyword: "type",
        message: format!("{} is not of type {types}", python::repr(instance)),
        schema_path: schema_path.to_vec(),
        schema,
        instance,
    }
}

fn additional<'a>(
    instance: &'a Value,
    map: &Map<String, Value>,
    known: &[&str],
    schema: &'a Value,
    path: &[&str],
    schema_path: &[&'a str],
) -> Option<Misfit<'a>> {
    let mut extra: Vec<_> = map.keys().filter(|key| !known.contains(&key.as_str())).collect();
    extra.sort();
    let verb = match extra.len() {
        0 => return None,
        1 => "was",
        _ => "were",
    };
    let extra: Vec<_> = extra.into_iter().map(|key| python::repr_str(key)).collect();
    let names = extra.join(", ");
    Some(Misfit {
        path: owned(path),
        keyword: "additionalProperties",
        message: format!("Additional properties are not allowed ({names} {verb} unexpected)"),
        schema_path: schema_path.to_vec(),
        schema,
        instance,
    })
}

fn text(misfit: &Misfit<'_>) -> String {
    let index = |steps: &[String]| -> String {
        steps
            .iter()
            .map(|step| match step.parse::<usize>() {
                Ok(place) => format!("[{place}]"),
                Err(_) => format!("[{}]", python::repr_str(step)),
            })
            .collect()
    };
    let shown = |value: &Value| {
        let text = python::pformat_wide(value, WIDTH);
        text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
    };
    format!(
        "{}\n\nFailed validating '{}' in schema{}:\n{}\n\nOn instance{}:\n{}",
        misfit.message,
        misfit.keyword,
        index(&owned(&misfit.schema_path)),
        shown(misfit.schema),
        index(&misfit.path),
        shown(misfit.instance)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_needs_the_root_group_and_nothing_unknown() {
        assert_eq!(check(&json!({"user_groups": {"root": {}}})), Ok(()));
        let error = check(&json!({"user_groups": {"primary": {}}})).unwrap_err();
        assert_eq!(error, "\"User group permissions: Missing required user group: 'root'\"");
        let error = check(&json!({})).unwrap_err();
        assert!(error.starts_with(
            "'user_groups' is a required property\n\nFailed validating 'required' in schema:\n"
        ));
        let error = check(&json!({"user_groups": {"root": {"allowed_plans": [5]}}})).unwrap_err();
        assert!(error.starts_with("5 is not of type 'string', 'null'\n"), "{error}");
        assert!(error.ends_with("On instance['user_groups']['root']['allowed_plans'][0]:\n    5"));
    }
}
