//! CEL rules (`x-kubernetes-validations`), compiled once and evaluated where they stand.
//!
//! To evaluate a rule its values are converted for CEL, which costs more than all other checks of an object together. So
//! a rule that cannot find anything is not evaluated, and no member is converted that no rule looks at.

mod reads;

use std::borrow::Cow;
use std::collections::BTreeSet;

use kube_cel::{CompilationResult, CompiledSchema};
use serde_json::{Map, Value};

use super::Problem;
use super::node::Node;
use super::place::Place;

const RULES: &str = "x-kubernetes-validations";

/// The rules of one place.
#[derive(Debug)]
pub(super) struct Rules {
    compiled: CompiledSchema,
    /// Whether there are rules about the change from the old value, and whether there are others.
    about_changes: bool,
    about_states: bool,
    /// The members that the rules look at; `None` if that may be all.
    reads: Option<BTreeSet<String>>,
}

/// The rules of this place in the schema. Rules below are compiled at their own place.
pub(super) fn compile(schema: &Value) -> Result<Option<Box<Rules>>, String> {
    let Some(rules) = schema.get(RULES) else { return Ok(None) };
    let mut here = typed(schema).unwrap_or_default();
    here.insert(RULES.to_owned(), rules.clone());
    let compiled = kube_cel::compile_schema(&Value::Object(here));
    if let Some(error) = compiled.compilation_errors().first() {
        return Err(format!("rule does not compile: {error}"));
    }
    let rules = || compiled.validations.iter().flatten();
    let mut members = BTreeSet::new();
    let named = rules()
        .flat_map(|rule| std::iter::once(&rule.program).chain(&rule.message_program))
        .all(|program| reads::collect(&program.expression().expr, &mut members));
    let only_changes = |rule: &CompilationResult| {
        rule.is_transition_rule && rule.rule.optional_old_self != Some(true)
    };
    Ok(Some(Box::new(Rules {
        about_changes: rules().any(|rule| rule.is_transition_rule),
        about_states: rules().any(|rule| !only_changes(rule)),
        reads: named.then_some(members),
        compiled,
    })))
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

impl Rules {
    /// Whether a rule could object to what is here. What did not change is not held against an object, except by rules
    /// about the change; those need something that was there before.
    fn apply_to(&self, place: &Place<'_>) -> bool {
        match place.old {
            None => self.about_states,
            Some(_) => self.about_changes || !place.is_unchanged(),
        }
    }

    /// As much of a value as the rules look at.
    fn visible<'v>(&self, value: &'v Value) -> Cow<'v, Value> {
        match (&self.reads, value) {
            (Some(reads), Value::Object(map)) => {
                let read = |name: &String| Some((name.clone(), map.get(name)?.clone()));
                Cow::Owned(Value::Object(reads.iter().filter_map(read).collect()))
            }
            _ => Cow::Borrowed(value),
        }
    }
}

/// Evaluates the rules on `value`; `old` is the state before, for transition rules.
pub(crate) fn check(node: &Node, value: &Value, old: Option<&Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(&Place::whole(node, value, old), &mut problems);
    problems
}

fn walk(place: &Place<'_>, problems: &mut Vec<Problem>) {
    if !place.node.has_rules || place.value.is_null() {
        return;
    }
    if let Some(rules) = &place.node.rules
        && rules.apply_to(place)
    {
        evaluate(rules, place, problems);
    }
    place.inside(|node| node.has_rules, |inner| walk(inner, problems));
}

fn evaluate(rules: &Rules, place: &Place<'_>, problems: &mut Vec<Problem>) {
    let (value, old) = (rules.visible(place.value), place.old.map(|old| rules.visible(old)));
    let checked = kube_cel::validate_compiled(&rules.compiled, &value, old.as_deref());
    let Err(errors) = checked else { return };
    for error in errors.into_vec() {
        if place.is_unchanged() && !error.rule.contains("oldSelf") {
            continue;
        }
        let field = match (place.path().as_str(), error.field_path.as_str()) {
            ("", "") => "<nil>".to_owned(),
            (path, "") => path.to_owned(),
            ("", below) => below.to_owned(),
            (path, below) => format!("{path}.{below}"),
        };
        let problem = match error.reason.as_deref() {
            Some("FieldValueForbidden") => Problem::forbidden(&field, &error.message),
            Some("FieldValueRequired") => Problem::required(&field, &error.message),
            _ => {
                let shown = format!("{:?}", place.node.type_.word());
                Problem::invalid(&field, &shown, &error.message)
            }
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

    #[test]
    fn what_a_rule_does_not_look_at_makes_no_difference_to_it() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {}},
            "x-kubernetes-validations": [{"rule": "self.a >= oldSelf.a", "messageExpression": "'was ' + string(oldSelf.a)"}]});
        let (old, new) = (json!({"a": 2, "b": [1, 2]}), json!({"a": 1, "b": {}}));
        assert_eq!(fields(&schema, &new, Some(&old)), ["<nil>"]);
        assert!(fields(&schema, &json!({"a": 2, "b": null}), Some(&old)).is_empty());
        assert!(fields(&schema, &new, None).is_empty());
    }

    #[test]
    fn a_rule_about_the_old_value_that_does_without_one_is_evaluated_for_new_objects() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.a == 1 && oldSelf == oldSelf", "optionalOldSelf": true}]});
        assert_eq!(fields(&schema, &json!({"a": 2}), None), ["<nil>"]);
    }
}
