//! One stored object: its JSON as it goes over the wire, and the few facts that the store itself looks at.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value};

/// What the store and its readers need to know about an object without parsing it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// UIDs of `metadata.ownerReferences`.
    pub(crate) owners: Vec<String>,
    pub(crate) finalizers: Vec<String>,
    /// Whether `metadata.deletionTimestamp` is set.
    pub(crate) deleting: bool,
    /// Values of the kind's selectable fields, in the kind's order.
    pub(crate) fields: Vec<String>,
}

impl Meta {
    fn of(object: &Value, fields: Vec<String>) -> Self {
        let meta = &object["metadata"];
        let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
        let strings = |value: &Value| -> Vec<String> {
            value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect()
        };
        Self {
            namespace: text("namespace"),
            name: text("name"),
            uid: text("uid"),
            labels: meta["labels"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
                .collect(),
            owners: meta["ownerReferences"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|owner| owner["uid"].as_str().map(str::to_owned))
                .collect(),
            finalizers: strings(&meta["finalizers"]),
            deleting: !meta["deletionTimestamp"].is_null(),
            fields,
        }
    }
}

/// An object that is ready to be written, but for the resourceVersion that only the writer knows.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) meta: Meta,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Draft {
    /// Serialises `object` around the place where its resourceVersion goes.
    pub(crate) fn new(object: &Value, fields: Vec<String>) -> Result<Self, serde_json::Error> {
        let empty = Map::new();
        let map = object.as_object().unwrap_or(&empty);
        let metadata = map.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
        let mut head = Vec::with_capacity(128);
        head.extend_from_slice(b"{\"apiVersion\":");
        serde_json::to_writer(&mut head, map.get("apiVersion").unwrap_or(&Value::Null))?;
        head.extend_from_slice(b",\"kind\":");
        serde_json::to_writer(&mut head, map.get("kind").unwrap_or(&Value::Null))?;
        head.extend_from_slice(b",\"metadata\":{\"resourceVersion\":\"");
        let mut tail = Vec::with_capacity(1024);
        tail.push(b'"');
        write_members(&mut tail, metadata, &["resourceVersion"])?;
        tail.push(b'}');
        write_members(&mut tail, map, &["apiVersion", "kind", "metadata"])?;
        tail.push(b'}');
        Ok(Self { meta: Meta::of(object, fields), head, tail })
    }

    /// Fills in the resourceVersion.
    pub(crate) fn finish(self, version: u64) -> Stored {
        let digits = version.to_string();
        let mut json = self.head;
        json.reserve_exact(digits.len() + self.tail.len());
        json.extend_from_slice(digits.as_bytes());
        json.extend_from_slice(&self.tail);
        Stored { version, json: Bytes::from(json), meta: self.meta }
    }
}

fn write_members(
    out: &mut Vec<u8>,
    map: &Map<String, Value>,
    without: &[&str],
) -> Result<(), serde_json::Error> {
    for (key, value) in map.iter().filter(|(key, _)| !without.contains(&key.as_str())) {
        out.push(b',');
        serde_json::to_writer(&mut *out, key)?;
        out.push(b':');
        serde_json::to_writer(&mut *out, value)?;
    }
    Ok(())
}

/// One version of an object, immutable and shared.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) version: u64,
    /// The whole object as JSON, resourceVersion included.
    pub(crate) json: Bytes,
    pub(crate) meta: Meta,
}

impl Stored {
    /// The object as a JSON tree.
    pub(crate) fn value(&self) -> Value {
        // Written by `Draft`, so it parses; a null would be refused by every validation that follows.
        serde_json::from_slice(&self.json).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_resource_version_is_the_only_thing_the_writer_adds() {
        let object = json!({
            "kind": "Device", "apiVersion": "beamline.dev/v1alpha1",
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7",
                         "labels": {"x": "y"}, "finalizers": ["f"]},
            "spec": {"name": "A \"quoted\""},
        });
        let stored = Draft::new(&object, vec![]).unwrap().finish(42);
        let mut expected = object;
        expected["metadata"]["resourceVersion"] = json!("42");
        assert_eq!(stored.value(), expected);
        assert_eq!(stored.meta.labels["x"], "y");
        assert_eq!(stored.meta.finalizers, ["f"]);
        assert!(!stored.meta.deleting);
    }
}
