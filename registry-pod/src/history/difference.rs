//! What differs between two states of a device, for the audit.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::index::Shown;

/// Longest value that a row keeps whole, in bytes of its JSON.
const WHOLE: usize = 512;
/// Characters of a longer one that it keeps.
const KEPT: usize = 128;

/// One member that differs. Those of the instantiation spec begin with `spec.`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) field: String,
    old: Value,
    new: Value,
}

/// The members that `after` has otherwise than `before`.
pub(super) fn differences(before: &Shown, after: &Shown) -> Vec<Difference> {
    let mut found = differing(&before.metadata_json, &after.metadata_json, "");
    found.extend(differing(&before.spec_json, &after.spec_json, "spec."));
    found
}

fn differing(before: &RawValue, after: &RawValue, prefix: &str) -> Vec<Difference> {
    let members = |json: &RawValue| -> Map<String, Value> {
        serde_json::from_str(json.get()).unwrap_or_default()
    };
    let mut before = members(before);
    let pairs = members(after).into_iter().map(|(name, new)| {
        let old = before.remove(&name).unwrap_or_default();
        Difference { field: format!("{prefix}{name}"), old, new }
    });
    pairs.filter(|pair| pair.old != pair.new).collect()
}

/// As a row keeps them: `{"documentation": {"old": null, "new": "ring"}}`. A long value is a text
/// with its beginning, and `"cut": true` says so.
pub(super) fn as_json(differences: Vec<Difference>) -> Map<String, Value> {
    let one = |Difference { field, old, new }| {
        let ((old, old_cut), (new, new_cut)) = (bounded(old), bounded(new));
        let mut change = json!({ "old": old, "new": new });
        if old_cut || new_cut {
            change["cut"] = json!(true);
        }
        (field, change)
    };
    differences.into_iter().map(one).collect()
}

/// The value, or its beginning, and whether that is all there is of it.
fn bounded(value: Value) -> (Value, bool) {
    let text = value.to_string();
    if text.len() <= WHOLE {
        return (value, false);
    }
    (Value::String(text.chars().take(KEPT).chain(['…']).collect()), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).unwrap()
    }

    #[test]
    fn only_what_differs_is_told_with_both_values() {
        let before = raw(&json!({ "a": 1, "b": [1], "c": null }));
        let after = raw(&json!({ "a": 1, "b": [2], "c": "x" }));
        assert_eq!(
            Value::Object(as_json(differing(&before, &after, "spec."))),
            json!({ "spec.b": { "old": [1], "new": [2] }, "spec.c": { "old": null, "new": "x" } })
        );
    }

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        let long = raw(&json!({ "pvs": "ä".repeat(1000) }));
        let told = as_json(differing(&raw(&json!({ "pvs": "" })), &long, ""));
        assert_eq!((&told["pvs"]["old"], &told["pvs"]["cut"]), (&json!(""), &json!(true)));
        assert!(told["pvs"]["new"].to_string().len() < WHOLE);
    }
}
