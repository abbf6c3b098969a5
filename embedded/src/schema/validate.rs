//! Structural validation, with the messages of a real API server.

use std::collections::HashSet;

use serde_json::Value;

use super::Problem;
use super::node::{ListType, Node, Type, correlated};

/// What in `value` does not fit the schema. What is as it was in `old` is not held against it: an object that was stored
/// under an older schema can still be edited and deleted.
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
    if old == Some(value) {
        return;
    }
    if value.is_null() {
        if !node.nullable && node.type_ != Type::Any {
            problems.push(wrong_type(path, node.type_, "null"));
        }
        return;
    }
    if !has_type(node.type_, value) {
        problems.push(wrong_type(path, node.type_, type_word(value)));
        return;
    }
    check_value(node, value, path, problems);
    match value {
        Value::Object(map) => {
            for name in &node.required {
                if !map.contains_key(name) {
                    problems.push(Problem::required(&joined(path, name), ""));
                }
            }
            for (name, member) in map {
                if let Some(child) = node.member(name) {
                    let length = path.len();
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
            check_list(node, items, path, problems);
            if let Some(child) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    let length = path.len();
                    path.push_str(&format!("[{index}]"));
                    let old = old.and_then(|old| correlated(&node.list_type, item, old));
                    walk(child, item, old, path, problems);
                    path.truncate(length);
                }
            }
        }
        _ => {}
    }
    check_alternatives(node, value, path, problems);
}

fn has_type(type_: Type, value: &Value) -> bool {
    match type_ {
        Type::Any => true,
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Integer => is_integer(value),
        Type::Number => value.is_number(),
        Type::Boolean => value.is_boolean(),
        Type::IntOrString => is_integer(value) || value.is_string(),
    }
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
}

fn type_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn wrong_type(path: &str, wanted: Type, found: &str) -> Problem {
    let field = if path.is_empty() { "<nil>" } else { path };
    let wanted = wanted.word();
    Problem {
        field: field.to_owned(),
        reason: "FieldValueTypeInvalid",
        message: format!(
            "Invalid value: {found:?}: {path} in body must be of type {wanted}: {found:?}"
        ),
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn check_value(node: &Node, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let mut bad = |detail: String| {
        problems.push(Problem::invalid(
            path,
            &value.to_string(),
            &format!("{path} in body {detail}"),
        ));
    };
    let bounds = &node.bounds;
    if let Some(n) = value.as_f64() {
        if let Some(limit) = bounds.minimum
            && (n < limit || (bounds.exclusive_minimum && n <= limit))
        {
            let or_equal = if bounds.exclusive_minimum { "" } else { " or equal to" };
            bad(format!("should be greater than{or_equal} {limit}"));
        }
        if let Some(limit) = bounds.maximum
            && (n > limit || (bounds.exclusive_maximum && n >= limit))
        {
            let or_equal = if bounds.exclusive_maximum { "" } else { " or equal to" };
            bad(format!("should be less than{or_equal} {limit}"));
        }
        if let Some(step) = bounds.multiple_of
            && (n / step).fract() != 0.0
        {
            bad(format!("should be a multiple of {step}"));
        }
    }
    if let Some(text) = value.as_str() {
        if bounds.min_length.is_some_and(|least| text.chars().count() < least) {
            bad(format!("should be at least {} chars long", bounds.min_length.unwrap_or_default()));
        }
        if let Some(pattern) = &node.pattern
            && !pattern.is_match(text)
        {
            bad(format!("should match '{pattern}'"));
        }
    }
    if let Some(format) = node.format
        && !format.accepts(value)
    {
        bad(format!("must be of type {}: {value}", format.name()));
    }
    let size = value.as_object().map(serde_json::Map::len);
    if let (Some(size), Some(least)) = (size, bounds.min_properties)
        && size < least
    {
        bad(format!("should have at least {least} properties"));
    }
    if let (Some(items), Some(least)) = (value.as_array(), bounds.min_items)
        && items.len() < least
    {
        bad(format!("should have at least {least} items"));
    }
    check_most(node, value, path, problems);
    if let Some(allowed) = &node.allowed
        && !allowed.contains(value)
    {
        let words: Vec<String> = allowed.iter().map(Value::to_string).collect();
        problems.push(Problem {
            field: path.to_owned(),
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: {value}: supported values: {}", words.join(", ")),
        });
    }
}

fn check_most(node: &Node, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let bounds = &node.bounds;
    let mut push = |reason: &'static str, message: String| {
        problems.push(Problem { field: path.to_owned(), reason, message });
    };
    match value {
        Value::String(text) => {
            if let Some(most) = bounds.max_length
                && text.chars().count() > most
            {
                push("FieldValueTooLong", format!("Too long: may not be more than {most} bytes"));
            }
        }
        Value::Array(items) => {
            if let Some(most) = bounds.max_items
                && items.len() > most
            {
                let found = items.len();
                push(
                    "FieldValueTooMany",
                    format!("Too many: {found}: must have at most {most} items"),
                );
            }
        }
        Value::Object(map) => {
            if let Some(most) = bounds.max_properties
                && map.len() > most
            {
                let found = map.len();
                push(
                    "FieldValueTooMany",
                    format!("Too many: {found}: must have at most {most} items"),
                );
            }
        }
        _ => {}
    }
}

/// Sets have no value twice, keyed lists no key.
fn check_list(node: &Node, items: &[Value], path: &str, problems: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let identity = match &node.list_type {
            ListType::Set => item.to_string(),
            ListType::Map(keys) => {
                let mut map = serde_json::Map::new();
                for key in keys {
                    match item.get(key) {
                        Some(value) => {
                            map.insert(key.clone(), value.clone());
                        }
                        None if item.is_object() => {
                            let default =
                                node.items.as_ref().and_then(|n| n.member(key)?.default.as_ref());
                            if default.is_none() {
                                let field = format!("{path}[{index}].{key}");
                                let problem = Problem::required(&field, "");
                                if !node.items.as_ref().is_some_and(|n| n.required.contains(key)) {
                                    problems.push(problem);
                                }
                            }
                        }
                        None => {}
                    }
                }
                Value::Object(map).to_string()
            }
            ListType::Atomic if node.bounds.unique_items => item.to_string(),
            ListType::Atomic => return,
        };
        if !seen.insert(identity.clone()) {
            problems.push(Problem {
                field: format!("{path}[{index}]"),
                reason: "FieldValueDuplicate",
                message: format!("Duplicate value: {identity}"),
            });
        }
    }
}

fn check_alternatives(node: &Node, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let fits = |node: &Node| {
        let mut found = Vec::new();
        walk(node, value, None, &mut path.to_owned(), &mut found);
        found.is_empty()
    };
    for part in &node.all_of {
        walk(part, value, None, &mut path.to_owned(), problems);
    }
    let shown = || format!("{:?}", type_word(value));
    let mut bad = |detail: &str| {
        problems.push(Problem::invalid(path, &shown(), &format!("{path} in body {detail}")));
    };
    if !node.any_of.is_empty() && !node.any_of.iter().any(&fits) {
        bad("must validate at least one schema (anyOf)");
    }
    if !node.one_of.is_empty() {
        let count = node.one_of.iter().filter(|part| fits(part)).count();
        if count != 1 {
            bad(&format!(
                "must validate one and only one schema (oneOf). Found {}",
                match count {
                    0 => "none valid".to_owned(),
                    n => format!("{n} valid alternatives"),
                }
            ));
        }
    }
    if node.not.as_deref().is_some_and(fits) {
        bad("must not validate the schema (not)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[allow(clippy::needless_pass_by_value, reason = "so that literals need no borrow")]
    fn problems(schema: Value, value: Value, old: Option<Value>) -> Vec<(String, &'static str)> {
        let found = check(&Node::compile(&schema).unwrap(), &value, old.as_ref());
        found.into_iter().map(|problem| (problem.field, problem.reason)).collect()
    }

    #[test]
    fn what_was_invalid_before_and_did_not_change_is_tolerated() {
        let schema = json!({"type": "object", "required": ["r"], "properties": {
            "a": {"type": "string", "maxLength": 1}, "b": {"type": "string", "maxLength": 1},
            "r": {"type": "string"},
        }});
        let old = json!({"r": "", "a": "long", "b": "long"});
        let new = json!({"r": "x", "a": "long", "b": "longer"});
        let found = problems(schema.clone(), new, Some(old.clone()));
        assert_eq!(found, [("b".to_owned(), "FieldValueTooLong")]);
        let missing = json!({"a": "long", "b": "long"});
        assert_eq!(problems(schema, missing, Some(old)), [("r".to_owned(), "FieldValueRequired")]);
    }

    #[test]
    fn alternatives_bounds_and_nulls_are_checked() {
        let none: [(String, &str); 0] = [];
        let either = json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]});
        assert_eq!(problems(either.clone(), json!(1), None), none);
        assert_eq!(problems(either.clone(), json!("50%"), None), none);
        assert_eq!(problems(either, json!(true), None).len(), 1);
        let one_of = json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
                            "properties": {"a": {}, "b": {}}});
        assert_eq!(problems(one_of.clone(), json!({"a": 1}), None), none);
        assert_eq!(problems(one_of.clone(), json!({"a": 1, "b": 1}), None).len(), 1);
        assert_eq!(problems(one_of, json!({}), None).len(), 1);
        let number = json!({"type": "integer", "minimum": 1, "maximum": 3, "multipleOf": 2});
        assert_eq!(problems(number.clone(), json!(2), None), none);
        assert_eq!(problems(number.clone(), json!(0), None).len(), 1);
        assert_eq!(problems(number.clone(), json!(5), None).len(), 2);
        assert_eq!(problems(number, json!(1.5), None)[0].1, "FieldValueTypeInvalid");
        let nullable = json!({"type": "string", "nullable": true});
        assert_eq!(problems(nullable, Value::Null, None), none);
        assert_eq!(problems(json!({"type": "string"}), Value::Null, None).len(), 1);
    }
}
