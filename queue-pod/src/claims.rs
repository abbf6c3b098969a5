//! The devices that an item uses, as far as its arguments name them, or defaults of its plan (contract queue-server §5.6).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::item::Item;
use crate::machine::Claim;
use crate::plans::defaults_by_name;

/// What a plan takes, which may have a description: every string anywhere in its arguments and in the defaults that stand for absent
/// ones, a part of a device as the device. Whether such a name is a device at all,
/// the registry knows. `None` when nothing is named.
pub(crate) fn claim(item: &Item, description: Option<&Value>) -> Option<Claim> {
    let mut names = BTreeSet::new();
    for key in ["args", "kwargs"] {
        if let Some(value) = item.0.get(key) {
            collect(value, &mut names);
        }
    }
    if let Some(description) = description {
        defaults_by_name(item, description).iter().for_each(|value| collect(value, &mut names));
    }
    let (item_uid, plan) = (item.uid().to_owned(), item.name().to_owned());
    let names: Vec<_> = names.into_iter().collect();
    (!names.is_empty()).then_some(Claim { item_uid, plan, names })
}

fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let root = text.split('.').next().unwrap_or_default();
            if !root.is_empty() {
                names.insert(root.to_owned());
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, names)),
        Value::Object(map) => map.values().for_each(|value| collect(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(args: &Value, kwargs: &Value) -> Vec<String> {
        let item = json!({"item_uid": "u", "name": "scan", "args": args, "kwargs": kwargs});
        let Value::Object(item) = item else { unreachable!() };
        claim(&Item(item), None).map(|claim| claim.names).unwrap_or_default()
    }

    #[test]
    fn devices_are_found_wherever_they_stand_and_parts_count_as_the_whole() {
        let found = names(
            &json!([["det1", "cam.stats"], "m1", -1, 1, 3]),
            &json!({"md": {"also": ["m2", {"x": "m1"}]}, "num": 3}),
        );
        assert_eq!(found, ["cam", "det1", "m1", "m2"]);
    }

    #[test]
    fn devices_that_a_decorator_has_as_defaults_count_where_nothing_else_is_said() {
        let parameter = |name: &str, default: &str, by_name: bool| {
            json!({"name": name, "kind": {"value": 1}, "default": default,
                   "default_defined_in_decorator": by_name})
        };
        let description = json!({"parameters": [
            parameter("detectors", "['det1', 'cam.stats']", true),
            parameter("motor", "'m1'", true),
            parameter("label", "'m2'", false),
        ]});
        let names = |args: Value, kwargs: Value| {
            let item = json!({"item_uid": "u", "name": "p", "args": args, "kwargs": kwargs});
            let Value::Object(item) = item else { unreachable!() };
            claim(&Item(item), Some(&description)).map(|claim| claim.names)
        };
        let of = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(names(json!([]), json!({})), of(&["cam", "det1", "m1"]));
        assert_eq!(names(json!([["det2"]]), json!({})), of(&["det2", "m1"]));
        assert_eq!(names(json!([]), json!({"motor": "m3"})), of(&["cam", "det1", "m3"]));
        // It fails in the worker, and moves nothing.
        assert_eq!(names(json!([]), json!({"nobody": 1})), None);
    }

    #[test]
    fn a_plan_that_names_nothing_takes_nothing() {
        assert!(names(&json!([1, 2.5, null, true]), &json!({})).is_empty());
    }
}
