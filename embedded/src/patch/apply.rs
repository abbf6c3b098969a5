//! Server-side apply: a writer declares the fields it wants, and owns them until it stops declaring them.

use serde_json::{Value, json};

use super::fields::{FieldSet, elements, is_granular_list};
use super::managers::{self, Entry};
use crate::kinds::Kind;
use crate::schema::node::Node;

/// Fields that somebody else owns and that the applied intent would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflicts {
    /// Who owns them, as messages name the writer, and their paths.
    pub(crate) owners: Vec<(String, Vec<String>)>,
}

impl Conflicts {
    /// The message of the `Conflict` error.
    pub(crate) fn message(&self) -> String {
        let total: usize = self.owners.iter().map(|(_, paths)| paths.len()).sum();
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let parts: Vec<String> = self
            .owners
            .iter()
            .map(|(owner, paths)| match paths.as_slice() {
                [path] => format!("conflict with {owner}: {path}"),
                paths => format!("conflicts with {owner}:\n- {}", paths.join("\n- ")),
            })
            .collect();
        format!("Apply failed with {total} conflict{}: {}", plural(total), parts.join("\n"))
    }

    /// Each path with its message, for the causes of the error.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let one = |owner: &String, path: &String| (path.clone(), format!("conflict with {owner}"));
        self.owners
            .iter()
            .flat_map(|(owner, paths)| paths.iter().map(move |path| one(owner, path)))
            .collect()
    }
}

/// What an apply makes of an object.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) object: Value,
    pub(crate) managed_fields: Value,
}

/// The fields that `intent` declares.
pub(crate) fn declared(kind: &Kind, intent: &Value) -> FieldSet {
    FieldSet::of(Some(&kind.schema), intent).without_server_fields()
}

/// Applies `intent` to `live`.
pub(crate) fn apply(
    kind: &Kind,
    live: &Value,
    intent: &Value,
    writer: &Entry,
    force: bool,
) -> Result<Applied, Conflicts> {
    let node = Some(&kind.schema);
    let mut merged = merge(node, live, intent);
    let changed = FieldSet::changed(node, live, &merged).without_server_fields();
    let contested = writer.fields.intersection(&changed);
    let mut entries = managers::read(live);
    let mut owners = Vec::new();
    for entry in entries.iter_mut().filter(|entry| !entry.same_writer(writer)) {
        let lost = entry.fields.intersection(&contested);
        if lost.is_empty() {
            continue;
        }
        if force {
            entry.fields.subtract(&lost);
        } else {
            owners.push((entry.describe(), lost.paths()));
        }
    }
    if !owners.is_empty() {
        return Err(Conflicts { owners });
    }
    let mut kept = writer.fields.clone();
    for entry in entries.iter().filter(|entry| !entry.same_writer(writer)) {
        kept.unite(&entry.fields);
    }
    let previous = entries.iter().find(|entry| entry.same_writer(writer)).cloned();
    if let Some(previous) = &previous {
        let mut dropped = previous.fields.clone();
        dropped.subtract(&kept);
        dropped.remove_from(&mut merged, &kept);
    }
    let unchanged = changed.is_empty() && merged == *live;
    match entries.iter_mut().find(|entry| entry.same_writer(writer)) {
        Some(own) if unchanged && own.fields == writer.fields => {}
        Some(own) => *own = writer.clone(),
        None => entries.push(writer.clone()),
    }
    for entry in &mut entries {
        entry.fields.retain_present(&merged);
    }
    Ok(Applied { object: merged, managed_fields: managers::write(&entries) })
}

/// `live` with everything that `intent` says.
fn merge(node: Option<&Node>, live: &Value, intent: &Value) -> Value {
    match (live, intent) {
        (Value::Object(before), Value::Object(wanted))
            if !node.is_some_and(|node| node.atomic_map) =>
        {
            let mut merged = before.clone();
            for (name, value) in wanted {
                let child = node.and_then(|node| node.member(name));
                let value = match before.get(name) {
                    Some(live) => merge(child, live, value),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(before), Value::Array(wanted)) if is_granular_list(node) => {
            let child = node.and_then(|node| node.items.as_deref());
            let mut merged = elements(node, before)
                .into_iter()
                .map(|(key, item)| (key, item.clone()))
                .collect::<Vec<_>>();
            for (key, item) in elements(node, wanted) {
                match merged.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, live)) => *live = merge(child, live, item),
                    None => merged.push((key, item.clone())),
                }
            }
            merged.into_iter().map(|(_, item)| item).collect()
        }
        _ => intent.clone(),
    }
}

/// The part of an intent that counts for the part of the object that is written.
pub(crate) fn only_part(kind: &Kind, intent: &Value, status: bool) -> Value {
    let mut part = intent.clone();
    let Some(map) = part.as_object_mut() else { return part };
    if status {
        map.retain(|name, _| {
            matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status")
        });
        let identity = ["name", "namespace", "uid", "resourceVersion"];
        if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|name, _| identity.contains(&name.as_str()));
        } else {
            map.insert("metadata".to_owned(), json!({}));
        }
    } else if kind.status {
        map.shift_remove("status");
    }
    part
}
