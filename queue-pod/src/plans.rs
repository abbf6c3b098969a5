//! What a worker can run, and whether a submitted plan may be queued (contract queue-server §2.10).

pub mod allowed;
pub mod annotation;
pub mod arguments;
pub mod binding;
pub mod description;
pub mod expression;
pub mod json_schema;
pub mod model;
pub mod permissions;
pub mod ranges;
pub mod reduced;
pub mod types;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use self::allowed::{Allowed, Group};
use self::description::Plan;
pub use self::permissions::Permissions;
use crate::item::Item;
use crate::python;

/// The plans and devices that the last opened environment had, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// Plan descriptions (contract queue-server §6.4).
    pub plans: Map<String, Value>,
    /// Device descriptions (contract queue-server §6.3).
    pub devices: Map<String, Value>,
}

impl Catalogue {
    /// The catalogue that a worker reports; anything but objects counts as empty.
    pub fn new(plans: Value, devices: Value) -> Self {
        let object = |value| match value {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Self { plans: object(plans), devices: object(devices) }
    }
}

/// Whether the plan `item` may be queued by a group: a plan that it may run, whose arguments fit.
///
/// # Errors
/// `Plan validation failed: …` with the reason and the item.
pub fn validate(item: &Item, group: &Group) -> Result<(), String> {
    check(item, group).map_err(|reason| {
        let shown = python::pformat(&Value::Object(item.0.clone()));
        format!("Plan validation failed: {reason}\nPlan: {shown}")
    })
}

fn check(item: &Item, group: &Group) -> Result<(), String> {
    let name = item.0.get("name").ok_or("'name'")?;
    if name.is_array() || name.is_object() {
        let kind = if name.is_array() { "list" } else { "dict" };
        return Err(format!("unhashable type: '{kind}'"));
    }
    let plan = name.as_str().and_then(|name| group.plan(name)).ok_or_else(|| {
        format!("Plan '{}' is not in the list of allowed plans.", python::str(name))
    })?;
    let args = positional(item.0.get("args"))?;
    let nothing = Map::new();
    let kwargs = match item.0.get("kwargs") {
        None => &nothing,
        Some(Value::Object(kwargs)) => kwargs,
        Some(other) => return Err(not_iterable("**", "a mapping", other)),
    };
    arguments::check(plan, &args, kwargs)?;
    match item.0.get("meta") {
        None | Some(Value::Object(_)) => Ok(()),
        Some(Value::Array(list)) if list.iter().all(Value::is_object) => Ok(()),
        Some(_) => {
            Err("Plan parameter 'meta' must be a dictionary or a list of dictionaries".to_owned())
        }
    }
}

/// The defaults with which the worker calls the plan `item`, where a decorator of the plan says them: those of parameters for
/// which the item has no value. None of a plan that cannot be called so.
pub fn defaults_by_name(item: &Item, description: &Value) -> Vec<Value> {
    let plan = Plan::read(description);
    let nothing = Map::new();
    let kwargs = item.0.get("kwargs").and_then(Value::as_object).unwrap_or(&nothing);
    let (Ok(parameters), Ok(args)) = (plan.parameters(), positional(item.0.get("args"))) else {
        return Vec::new();
    };
    let Ok(bound) = binding::bind(parameters, &args, kwargs) else { return Vec::new() };
    let is_given = |name: &str| bound.iter().any(|(parameter, _)| parameter.name == name);
    let unsaid = parameters.iter().filter(|one| one.default_by_name && !is_given(&one.name));
    unsaid.filter_map(|one| one.default.clone()).collect()
}

/// The positional arguments: as for Python, whatever can be iterated over.
fn positional(args: Option<&Value>) -> Result<Cow<'_, [Value]>, String> {
    match args {
        None => Ok(Cow::Borrowed(&[])),
        Some(Value::Array(args)) => Ok(Cow::Borrowed(args)),
        Some(Value::String(text)) => {
            Ok(text.chars().map(|c| Value::String(c.to_string())).collect())
        }
        Some(Value::Object(map)) => Ok(map.keys().cloned().map(Value::String).collect()),
        Some(other) => Err(not_iterable("*", "an iterable", other)),
    }
}

fn not_iterable(stars: &str, wanted: &str, value: &Value) -> String {
    let kind = python::type_of(value);
    let kind = kind.trim_start_matches("<class '").trim_end_matches("'>");
    format!("inspect.Signature.bind() argument after {stars} must be {wanted}, not {kind}")
}

/// The metadata of a run: one object, of a list of objects the first wins key by key.
pub fn merged_meta(meta: Option<&Value>) -> Map<String, Value> {
    match meta {
        Some(Value::Object(map)) => map.clone(),
        Some(Value::Array(list)) => {
            let objects = list.iter().rev().filter_map(Value::as_object);
            objects.flat_map(|map| map.iter().map(|(k, v)| (k.clone(), v.clone()))).collect()
        }
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn group() -> Group {
        let parameter = |name: &str, kind: u8, default: Option<&str>| {
            let mut parameter = json!({"name": name, "kind": {"value": kind}});
            if let Some(default) = default {
                parameter["default"] = json!(default);
            }
            parameter
        };
        let count = json!({"name": "count", "parameters": [
            parameter("detectors", 1, None),
            parameter("num", 1, Some("1")),
            parameter("md", 3, Some("None")),
        ]});
        let catalogue = Catalogue::new(json!({"count": count}), json!({}));
        Allowed::new(&catalogue, &Permissions::default()).group("primary").unwrap().clone()
    }

    fn item(value: Value) -> Item {
        let Value::Object(map) = value else { unreachable!("an object literal") };
        Item(map)
    }

    #[test]
    fn reasons_are_those_of_the_contract() {
        for (plan, reason) in [
            (json!({"name": "nope"}), "Plan 'nope' is not in the list of allowed plans."),
            (json!({}), "'name'"),
            (json!({"name": "count"}), "missing a required argument: 'detectors'"),
            (
                json!({"name": "count", "args": [[]], "kwargs": {"zz": 1}}),
                "got an unexpected keyword argument 'zz'",
            ),
            (json!({"name": "count", "args": [[], 1, 2]}), "too many positional arguments"),
            (
                json!({"name": "count", "args": [[], 1], "kwargs": {"num": 2}}),
                "multiple values for argument 'num'",
            ),
            (
                json!({"name": "count", "args": [[]], "meta": 5}),
                "Plan parameter 'meta' must be a dictionary or a list of dictionaries",
            ),
        ] {
            let error = validate(&item(plan.clone()), &group()).unwrap_err();
            let head = format!("Plan validation failed: {reason}\nPlan: {{");
            assert!(error.starts_with(&head), "{plan}: {error}");
        }
        let good = json!({"name": "count", "args": [["det"]], "kwargs": {"num": 3, "md": {}}, "meta": [{}]});
        assert_eq!(validate(&item(good), &group()), Ok(()));
    }

    #[test]
    fn of_several_metadata_the_first_wins() {
        let merged = merged_meta(Some(&json!([{"a": 1}, {"a": 2, "b": 3}])));
        assert_eq!(Value::Object(merged), json!({"a": 1, "b": 3}));
    }

    #[test]
    fn without_permissions_root_and_primary_may_do_everything() {
        let allowed = Allowed::new(&Catalogue::default(), &Permissions::default());
        assert!(allowed.group("root").is_some() && allowed.group("primary").is_some());
        assert!(allowed.group("zzz").is_none());
    }
}
