//! Events have two forms, core and `events.k8s.io`; they are stored in the first and shown in either.

use serde_json::{Map, Value, json};

/// Names of the same field: core, `events.k8s.io`.
const RENAMED: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// An `events.k8s.io` event as a core event.
pub(crate) fn to_core(object: Value) -> Value {
    rename(object, "v1", |name| RENAMED.iter().find(|(_, new)| *new == name).map(|(core, _)| *core))
}

/// A core event as an `events.k8s.io` event.
pub(crate) fn from_core(object: Value) -> Value {
    rename(object, "events.k8s.io/v1", |name| {
        RENAMED.iter().find(|(core, _)| *core == name).map(|(_, new)| *new)
    })
}

fn rename(object: Value, version: &str, other: impl Fn(&str) -> Option<&'static str>) -> Value {
    let Value::Object(map) = object else { return object };
    let mut renamed: Map<String, Value> = map
        .into_iter()
        .map(|(name, value)| (other(&name).map_or(name, str::to_owned), value))
        .collect();
    renamed.insert("apiVersion".to_owned(), json!(version));
    Value::Object(renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_forms_convert_into_each_other() {
        let new = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
            "regarding": {"name": "d"}, "note": "hello", "reportingController": "c",
            "deprecatedCount": 2, "type": "Normal",
        });
        let core = to_core(new.clone());
        assert_eq!(core["involvedObject"]["name"], "d");
        assert_eq!(core["message"], "hello");
        assert_eq!(core["note"], Value::Null);
        assert_eq!(from_core(core), new);
    }
}
