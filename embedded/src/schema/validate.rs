//! Structural validation, with the messages of a real API server.

use std::collections::HashSet;

use serde_json::Value;

use super::Problem;
use super::node::{ListType, Node, Type};
use super::place::Place;

/// What in `value` does not fit the schema. What is as it was in `old` is not held against it: an object that was stored
/// under an older schema can still be edited and deleted.
pub(crate) fn check(node: &Node, value: &Value, old: Option<&Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(&Place::whole(node, value, old), &mut problems);
    problems
}

fn walk(place: &Place<'_>, problems: &mut Vec<Problem>) {
    if place.is_unchanged() {
        return;
    }
    let Place { node, value, .. } = *place;
    if value.is_null() {
        if !node.nullable && node.type_ != Type::Any {
            problems.push(wrong_type(place));
        }
        return;
    }
    if !has_type(node.type_, value) {
        problems.push(wrong_type(place));
        return;
    }
    check_value(place, problems);
    match value {
        Value::Object(map) => {
            let missing = node.required.iter().filter(|name| !map.contains_key(*name));
            problems.extend(missing.map(|name| Problem::required(&place.path_of(name), "")));
        }
        Value::Array(items) => check_list(place, items, problems),
        _ => {}
    }
    place.inside(|_| true, |inner| walk(inner, problems));
    check_alternatives(place, problems);
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

fn wrong_type(place: &Place<'_>) -> Problem {
    let path = place.path();
    let (wanted, found) = (place.node.type_.word(), type_word(place.value));
    let message =
        format!("Invalid value: {found:?}: {path} in body must be of type {wanted}: {found:?}");
    let field = if path.is_empty() { "<nil>".to_owned() } else { path };
    Problem { field, reason: "FieldValueTypeInvalid", message }
}

fn check_value(place: &Place<'_>, problems: &mut Vec<Problem>) {
    let Place { node, value, .. } = *place;
    let mut bad = |detail: String| {
        let path = place.path();
        let message = format!("{path} in body {detail}");
        problems.push(Problem::invalid(&path, &value.to_string(), &message));
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
    check_most(place, problems);
    if let Some(allowed) = &node.allowed
        && !allowed.contains(value)
    {
        let words: Vec<String> = allowed.iter().map(Value::to_string).collect();
        problems.push(Problem {
            field: place.path(),
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: {value}: supported values: {}", words.join(", ")),
        });
    }
}

fn check_most(place: &Place<'_>, problems: &mut Vec<Problem>) {
    let bounds = &place.node.bounds;
    let mut push = |reason: &'static str, message: String| {
        problems.push(Problem { field: place.path(), reason, message });
    };
    match place.value {
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
fn check_list(place: &Place<'_>, items: &[Value], problems: &mut Vec<Problem>) {
    let node = place.node;
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
                                let field = format!("{}[{index}].{key}", place.path());
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
                field: format!("{}[{index}]", place.path()),
                reason: "FieldValueDuplicate",
                message: format!("Duplicate value: {identity}"),
            });
        }
    }
}

fn check_alternatives(place: &Place<'_>, problems: &mut Vec<Problem>) {
    let node = place.node;
    let fits = |node: &Node| {
        let mut found = Vec::new();
        walk(&place.under(node), &mut found);
        found.is_empty()
    };
    for part in &node.all_of {
        walk(&place.under(part), problems);
    }
    let mut bad = |detail: &str| {
        let (path, shown) = (place.path(), format!("{:?}", type_word(place.value)));
        problems.push(Problem::invalid(&path, &shown, &format!("{path} in body {detail}")));
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
