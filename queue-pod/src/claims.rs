//! The devices that an item uses, as far as its arguments name them (contract queue-server §5.6).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::item::Item;
use crate::machine::Claim;

/// What a plan takes: every string anywhere in its arguments, a part of a device as the device. Whether such a name is a device at all,
/// the registry knows. `None` when nothing is named.
pub(crate) fn claim(item: &Item) -> Option<Claim> {
    let mut names = BTreeSet::new();
    for key in ["args", "kwargs"] {
        if let Some(value) = item.0.get(key) {
            collect(value, &mut names);
        }
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
        claim(&Item(item)).map(|claim| claim.names).unwrap_or_default()
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
    fn a_plan_that_names_nothing_takes_nothing() {
        assert!(names(&json!([1, 2.5, null, true]), &json!({})).is_empty());
    }
}
