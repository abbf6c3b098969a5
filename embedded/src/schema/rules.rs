//! CEL rules (`x-kubernetes-validations`), compiled once and evaluated where they stand.

use kube_cel::CompiledSchema;
use serde_json::{Map, Value};

use super::Problem;
use super::node::{ListType, Node};

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

/// The element that `item` was before: only elements with keys have an identity.
fn correlated<'a>(list_type: &ListType, item: &Value, old: &'a Value) -> Option<&'a Value> {
    let ListType::Map(keys) = list_type else { return None };
    old.as_array()?.iter().find(|old| keys.iter().all(|key| old.get(key) == item.get(key)))
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
