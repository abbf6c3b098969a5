//! `metadata.managedFields`: who wrote which field last.

use serde_json::{Map, Value, json};

use super::fields::FieldSet;
use crate::kinds::Kind;

/// Most writers that are kept apart; older ones share one entry, as Kubernetes does.
const MAX_UPDATERS: usize = 10;
const ANCIENT: &str = "ancient-changes";

/// One writer and its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) manager: String,
    /// Server-side apply, or any other write.
    pub(crate) apply: bool,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
    pub(crate) time: String,
    pub(crate) fields: FieldSet,
}

impl Entry {
    /// A writer that changes fields without declaring an intent.
    pub(crate) fn update(manager: &str, kind: &Kind, subresource: &str) -> Self {
        Self {
            manager: manager.to_owned(),
            apply: false,
            api_version: kind.api_version(),
            subresource: subresource.to_owned(),
            time: crate::api::create::now(),
            fields: FieldSet::default(),
        }
    }

    /// A writer that declares what it wants.
    pub(crate) fn apply(manager: &str, kind: &Kind, subresource: &str, fields: FieldSet) -> Self {
        Self { apply: true, fields, ..Self::update(manager, kind, subresource) }
    }

    /// Whether both are the same writer doing the same kind of write.
    pub(crate) fn same_writer(&self, other: &Self) -> bool {
        (&self.manager, self.apply, &self.subresource)
            == (&other.manager, other.apply, &other.subresource)
    }

    /// How messages name the writer.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if !self.apply {
            text.push_str(&format!(" using {} at {}", self.api_version, self.time));
        }
        text
    }

    fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("manager".to_owned(), json!(self.manager));
        map.insert("operation".to_owned(), json!(if self.apply { "Apply" } else { "Update" }));
        map.insert("apiVersion".to_owned(), json!(self.api_version));
        map.insert("time".to_owned(), json!(self.time));
        map.insert("fieldsType".to_owned(), json!("FieldsV1"));
        map.insert("fieldsV1".to_owned(), self.fields.to_json());
        if !self.subresource.is_empty() {
            map.insert("subresource".to_owned(), json!(self.subresource));
        }
        Value::Object(map)
    }

    fn from_json(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Self {
            manager: text("manager"),
            apply: value["operation"] == "Apply",
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: text("time"),
            fields: FieldSet::from_json(&value["fieldsV1"]),
        }
    }
}

/// The writers of an object.
pub(crate) fn read(object: &Value) -> Vec<Entry> {
    let list = object["metadata"]["managedFields"].as_array();
    list.into_iter().flatten().map(Entry::from_json).collect()
}

/// The list as it is stored: without entries that own nothing.
pub(crate) fn write(entries: &[Entry]) -> Value {
    entries.iter().filter(|entry| !entry.fields.is_empty()).map(Entry::to_json).collect()
}

/// Records in `new` that `writer` made it out of `old`. Changes nothing when nothing changed.
pub(crate) fn record(kind: &Kind, old: Option<&Value>, new: &mut Value, writer: &Entry) {
    let node = Some(&kind.schema);
    let changed = match old {
        None => FieldSet::of(node, new),
        Some(old) => FieldSet::changed(node, old, new),
    };
    let changed = changed.without_server_fields();
    let mut entries = read(new);
    let before = entries.clone();
    for entry in &mut entries {
        if !entry.same_writer(writer) {
            let lost = entry.fields.overridden(&changed, old);
            entry.fields.subtract(&lost);
        }
        entry.fields.retain_present(new);
    }
    if !changed.is_empty() {
        match entries.iter_mut().find(|entry| entry.same_writer(writer)) {
            Some(own) => {
                own.fields.unite(&changed);
                own.time.clone_from(&writer.time);
                own.api_version.clone_from(&writer.api_version);
            }
            None => entries.push(Entry { fields: changed, ..writer.clone() }),
        }
    }
    entries.retain(|entry| !entry.fields.is_empty());
    fold_oldest(&mut entries);
    if entries != before {
        crate::api::metadata::of(new).insert("managedFields".to_owned(), write(&entries));
    }
}

fn fold_oldest(entries: &mut Vec<Entry>) {
    while entries.iter().filter(|entry| !entry.apply).count() > MAX_UPDATERS {
        let mut updaters: Vec<usize> = (0..entries.len())
            .filter(|&at| !entries[at].apply && entries[at].manager != ANCIENT)
            .collect();
        updaters.sort_by(|&a, &b| entries[a].time.cmp(&entries[b].time));
        let Some(&oldest) = updaters.first() else { return };
        let mut folded = entries.remove(oldest);
        ANCIENT.clone_into(&mut folded.manager);
        match entries.iter_mut().find(|entry| entry.same_writer(&folded)) {
            Some(ancient) => ancient.fields.unite(&folded.fields),
            None => {
                let Some(&second) = updaters.get(1) else { return };
                let at = if second > oldest { second - 1 } else { second };
                let next = entries.remove(at);
                folded.fields.unite(&next.fields);
                entries.push(folded);
            }
        }
    }
}
