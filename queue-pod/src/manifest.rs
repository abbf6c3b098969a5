//! Items as resources: `QueueItem` to wire item and back, without loss.

use crds::queue_item::{Approval, Approved, Batch, ItemResult, ItemState, ItemType, QueueItemSpec};
use crds::{FreeForm, QueueItem};
use kube::ResourceExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::approval::{self, APPROVAL, APPROVED, REQUIRED};
use crate::item::Item;
use crate::queue::{Entry, Object, Place};
use crate::rank;

/// Label of an item that is executed at once, past the queue. One that never started is not queued after a restart.
pub const IMMEDIATE_LABEL: &str = "beamline.dev/immediate";

/// A finished item.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The item as it was executed.
    pub item: Item,
    /// How it ended.
    pub result: ItemResult,
    /// Place in the history.
    pub number: i64,
    /// The resource that stores it.
    pub object: Object,
}

impl Record {
    /// The record on the wire: the item and its `result`.
    pub fn wire(&self) -> Value {
        Value::Object(self.item.clone().with("result", wire_result(&self.result)).0)
    }
}

/// A result on the wire.
pub fn wire_result(result: &ItemResult) -> Value {
    json!(result)
}

/// Name of the resource of the item with that uid.
pub fn object_name(uid: &str) -> String {
    format!("item-{uid}")
}

/// The resource to create for an item.
pub fn resource(item: &Item, place: &Place, batch: Option<Batch>, queue: &str) -> QueueItem {
    let spec = spec(item, place, batch, queue);
    QueueItem::new(&object_name(item.uid()), spec)
}

/// The spec that stores an item.
pub fn spec(item: &Item, place: &Place, batch: Option<Batch>, queue: &str) -> QueueItemSpec {
    let text = |key| item.0.get(key).and_then(Value::as_str).map(str::to_owned);
    let object = |key| item.0.get(key).and_then(Value::as_object).cloned();
    QueueItemSpec {
        queue: queue.to_owned(),
        item_type: match item.text("item_type") {
            "instruction" => ItemType::Instruction,
            "function" => ItemType::Function,
            _ => ItemType::Plan,
        },
        name: item.name().to_owned(),
        args: item.0.get("args").and_then(Value::as_array).cloned(),
        kwargs: object("kwargs"),
        meta: item.0.get("meta").cloned(),
        user: text("user"),
        user_group: text("user_group"),
        item_uid: text("item_uid"),
        priority: place.priority,
        rank: Some(place.rank.clone()),
        batch,
        properties: object("properties"),
        approval: match approval::is_required(item) {
            true => Approval::Required,
            false => Approval::NotRequired,
        },
        approved: item.0.get(APPROVED).and_then(|value| Approved::deserialize(value).ok()),
        last_result: object("result"),
        key_order: item.0.keys().cloned().collect(),
    }
}

/// The item that a spec stores; `uid` is used when the spec has none.
pub fn item(spec: &QueueItemSpec, uid: &str) -> Item {
    let map = |value: &Option<FreeForm>| value.clone().map(Value::Object);
    let text = |value: &Option<String>| value.clone().map(Value::String);
    let item_type = match spec.item_type {
        ItemType::Plan => "plan",
        ItemType::Instruction => "instruction",
        ItemType::Function => "function",
    };
    let parts = [
        ("name", Some(json!(spec.name))),
        ("item_type", Some(json!(item_type))),
        ("args", spec.args.clone().map(Value::Array)),
        ("kwargs", map(&spec.kwargs)),
        ("meta", spec.meta.clone()),
        ("properties", map(&spec.properties)),
        ("user", text(&spec.user)),
        ("user_group", text(&spec.user_group)),
        ("item_uid", Some(json!(spec.item_uid.as_deref().unwrap_or(uid)))),
        (APPROVAL, (spec.approval == Approval::Required).then(|| json!(REQUIRED))),
        (APPROVED, spec.approved.as_ref().map(|approved| json!(approved))),
        ("result", map(&spec.last_result)),
    ];
    let place = |key: &str| spec.key_order.iter().position(|k| k == key).unwrap_or(usize::MAX);
    let mut parts: Vec<_> = parts.into_iter().filter_map(|(key, v)| Some((key, v?))).collect();
    parts.sort_by_key(|(key, _)| place(key));
    Item(parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

/// The identity and version of a resource.
pub fn object(resource: &QueueItem) -> Object {
    Object {
        name: resource.name_any(),
        uid: resource.uid().unwrap_or_default(),
        version: resource.resource_version().unwrap_or_default(),
        generation: resource.metadata.generation,
    }
}

/// The entry that a resource stores, or `None` when it has no place yet: it was created by other means than this server.
pub fn entry(resource: &QueueItem) -> Option<Entry> {
    let spec = &resource.spec;
    let placed = spec.rank.clone().filter(|rank| rank::is_valid(rank))?;
    if spec.item_uid.is_none() || spec.user.is_none() || spec.user_group.is_none() {
        return None;
    }
    Some(unplaced(resource, &Place { priority: spec.priority, rank: placed }))
}

/// The entry of a resource at a given place.
pub fn unplaced(resource: &QueueItem, place: &Place) -> Entry {
    let object = object(resource);
    Entry {
        item: item(&resource.spec, &object.uid),
        created: created(resource),
        object,
        priority: place.priority,
        rank: place.rank.clone(),
        batch: resource.spec.batch.clone(),
    }
}

/// The history record that a finished resource stores.
pub fn record(resource: &QueueItem) -> Option<Record> {
    let status = resource.status.as_ref().filter(|status| status.state.is_final())?;
    if status.state == ItemState::Rejected {
        return None;
    }
    let object = object(resource);
    Some(Record {
        item: item(&resource.spec, &object.uid),
        result: status.result.clone().unwrap_or_default(),
        number: status.history_number.unwrap_or_default(),
        object,
    })
}

/// `metadata.creationTimestamp` in seconds.
pub fn created(resource: &QueueItem) -> i64 {
    resource.creation_timestamp().map_or(0, |time| time.0.as_second())
}

/// Whether the item was meant to be executed past the queue.
pub fn is_immediate(resource: &QueueItem) -> bool {
    resource.labels().contains_key(IMMEDIATE_LABEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_reads_back_as_it_was_written() {
        let text = r#"{"kwargs":{"num":2,"a":null},"name":"count","args":[["det1"]],"item_type":"plan","meta":[{"x":1}],"user":"u","user_group":"primary","item_uid":"83ab","result":{"exit_status":"failed","msg":"x"}}"#;
        let item_in = Item(serde_json::from_str(text).unwrap());
        let place = Place { priority: 0, rank: "i".to_owned() };
        let stored = spec(&item_in, &place, None, "main");
        let through_store: QueueItemSpec =
            serde_json::from_value(serde_json::to_value(&stored).unwrap()).unwrap();
        assert_eq!(serde_json::to_string(&item(&through_store, "")).unwrap(), text);
    }

    #[test]
    fn a_resource_without_a_uid_of_its_own_uses_that_of_the_object() {
        let mut applied =
            QueueItem::new("mine", serde_json::from_value(json!({"name": "count"})).unwrap());
        applied.metadata.uid = Some("u-1".to_owned());
        assert_eq!(entry(&applied), None);
        assert_eq!(
            unplaced(&applied, &Place { priority: 0, rank: "i".to_owned() }).item.uid(),
            "u-1"
        );
    }
}
