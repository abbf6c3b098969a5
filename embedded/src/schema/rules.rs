//! CEL rules (`x-kubernetes-validations`), compiled once and evaluated where they stand.

use kube_cel::CompiledSchema;
use serde_json::{Map, Value};

use super::Problem;
use super::node::{Node, correlated};

const RULES: &str = "x-kubernetes-validations";

/// The rules of this place in the schema. Rules below are compiled at their own place.
pub(super) fn compile(schema: &Value) -> Result<Option<Box<CompiledSchema>>, String> {
    let Some(rules) = schema.get(RULES) else { return Ok(None) };
    let mut here = typed(schema).unwrap_or_default();
    here.insert(RULES.to_owned(), rules.clone());
    let compiled = kube_cel::compile_schema(&Value::Object(here));
    if let Some(error) = compiled.compilation_errors().first() {
        return Err(format!("rule does not compile: {error}"));
    }
    Ok(Some(Box::new(compiled)))
}

/// The part of a schema that changes how a value looks to CEL (timestamps, maps, int-or-string), without rules and
/// defaults; `None` if a value looks the same without any schema. Keeps evaluation cheap: what has no schema is not walked.
fn typed(schema: &Value) -> Option<Map<String, Value>> {
    let mut here = Map::new();
    let converted = matches!(schema["format"].as_str(), Some("date-time" | "duration" | "byte"))
        || schema["x-kubernetes-int-or-string"].as_bool() == Some(true);
    if converted {
        for key in ["type", "format", "x-kubernetes-int-or-string"] {
            here.extend(schema.get(key).map(|value| (key.to_owned(), value.clone())));
        }
    }
    let properties: Map<String, Value> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, property)| Some((name.clone(), Value::Object(typed(property)?))))
        .collect();
    if !properties.is_empty() {
        here.insert("properties".to_owned(), Value::Object(properties));
    }
    if let Some(items) = schema.get("items").and_then(typed) {
        here.insert("items".to_owned(), Value::Object(items));
    }
    match schema.get("additionalProperties") {
        Some(map @ Value::Object(_)) => {
            let values = typed(map).unwrap_or_default();
            here.insert("additionalProperties".to_owned(), Value::Object(values));
        }
        Some(Value::Bool(true)) => {
            here.insert("additionalProperties".to_owned(), Value::Bool(true));
        }
        _ => {}
    }
    if schema["x-kubernetes-preserve-unknown-fields"].as_bool() == Some(true) {
        here.insert("x-kubernetes-preserve-unknown-fields".to_owned(), Value::Bool(true));
    }
    (!here.is_empty()).then_some(here)
}

/// Evaluates the rules on `value`; `old` is the state before, for transition rules.
pub(crate) fn check(node: &Node, value: &Value, old: Option<&Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(node, value, old, &mut String::new(), &mut problems);
    problems
}

fn walk(
    node: &Node,
    value: &Value,
    old: Option<&Value>,
    path: &mut String,
    problems: &mut Vec<Problem>,
) {
    if !node.has_rules || value.is_null() {
        return;
    }
    if let Some(rules) = &node.rules {
        evaluate(rules, node, value, old, path, problems);
    }
    let length = path.len();
    match value {
        Value::Object(map) => {
            for (name, member) in map {
                if let Some(child) = node.member(name).filter(|child| child.has_rules) {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                    walk(child, member, old.and_then(|old| old.get(name)), path, problems);
                    path.truncate(length);
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    let old = old.and_then(|old| correlated(&node.list_type, item, old));
                    walk(child, item, old, path, problems);
                    path.truncate(length);
                }
            }
        }
        _ => {}
    }
}

fn evaluate(
    rules: &CompiledSchema,
    node: &Node,
    value: &Value,
    old: Option<&Value>,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    let Err(errors) = kube_cel::validate_compiled(rules, value, old) else { return };
    for error in errors.into_vec() {
        // What did not change is not held against the object, except by rules about the change.
        if old == Some(value) && !error.rule.contains("oldSelf") {
            continue;
        }
        let field = match (path, error.field_path.as_str()) {
            ("", "") => "<nil>".to_owned(),
            (path, "") => path.to_owned(),
            ("", below) => below.to_owned(),
            (path, below) => format!("{path}.{below}"),
        };
        let problem = match error.reason.as_deref() {
            Some("FieldValueForbidden") => Problem::forbidden(&field, &error.message),
            Some("FieldValueRequired") => Problem::required(&field, &error.message),
            _ => Problem::invalid(&field, &format!("{:?}", node.type_.word()), &error.message),
        };
        problems.push(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(schema: &Value, value: &Value, old: Option<&Value>) -> Vec<String> {
        let node = Node::compile(schema).unwrap();
        check(&node, value, old).into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn rules_hold_at_their_place_and_transitions_only_where_there_was_something() {
        let schema = json!({
            "type": "object",
            "x-kubernetes-validations": [{"rule": "self.a < 10 || has(self.list)"}],
            "properties": {
                "a": {"type": "integer"},
                "list": {
                    "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                    "items": {"type": "object", "properties": {
                        "k": {"type": "string"},
                        "v": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]},
                    }},
                },
            },
        });
        assert_eq!(fields(&schema, &json!({"a": 11}), None), ["<nil>"]);
        let old = json!({"a": 1, "list": [{"k": "x", "v": 5}, {"k": "y", "v": 1}]});
        assert!(fields(&schema, &old, None).is_empty());
        let new =
            json!({"a": 1, "list": [{"k": "new", "v": 0}, {"k": "y", "v": 2}, {"k": "x", "v": 4}]});
        assert_eq!(fields(&schema, &new, Some(&old)), ["list[2].v"]);
    }

    #[test]
    fn times_and_maps_look_to_rules_as_their_schema_says() {
        let schema = json!({"type": "object",
        "x-kubernetes-validations": [{"rule": "self.t < timestamp('2030-01-01T00:00:00Z') && self.m['a.b'] == 1"}],
        "properties": {
            "t": {"type": "string", "format": "date-time"},
            "m": {"type": "object", "additionalProperties": {"type": "integer"}},
        }});
        assert!(
            fields(&schema, &json!({"t": "2024-01-01T00:00:00Z", "m": {"a.b": 1}}), None)
                .is_empty()
        );
        assert_eq!(
            fields(&schema, &json!({"t": "2034-01-01T00:00:00Z", "m": {"a.b": 1}}), None).len(),
            1
        );
    }

    #[test]
    fn a_rule_that_does_not_compile_refuses_the_schema() {
        let schema = json!({"type": "object", "x-kubernetes-validations": [{"rule": "self ="}]});
        assert!(Node::compile(&schema).is_err());
    }
}
