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
        let lost = entry.fields.overridden(&contested, Some(live));
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
    let mut declared = writer.fields.clone();
    declared.retain_present(&merged);
    match entries.iter_mut().find(|entry| entry.same_writer(writer)) {
        Some(own) if unchanged && own.fields == declared => {}
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

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use proptest::prelude::*;

    static KIND: LazyLock<Kind> = LazyLock::new(|| {
        let definition = crds::all().into_iter().find(|crd| crd.spec.names.kind == "Device");
        crate::kinds::custom::kind(&definition.unwrap()).unwrap()
    });

    fn object(kwargs: &Value, pvs: &Value) -> Value {
        json!({"apiVersion": "beamline.dev/v1alpha1", "kind": "Device", "metadata": {"name": "d"},
               "spec": {"kwargs": kwargs, "pvs": pvs}})
    }

    fn intents() -> impl Strategy<Value = Value> {
        let value =
            prop_oneof![any::<bool>().prop_map(|b| json!(b)), (0..3).prop_map(|n| json!(n))];
        let nested =
            prop::collection::btree_map("[a-c]", value.clone(), 0..3).prop_map(|map| json!(map));
        let kwargs = prop::collection::btree_map("[a-d]", prop_oneof![value, nested], 0..4);
        let pvs = prop::collection::btree_map("[a-d]", "[A-C]", 0..4);
        (kwargs, pvs).prop_map(|(kwargs, pvs)| object(&json!(kwargs), &json!(pvs)))
    }

    fn writer(kind: &Kind, name: &str, intent: &Value) -> Entry {
        Entry::apply(name, kind, "", declared(kind, intent))
    }

    fn stored(applied: Applied) -> Value {
        let mut object = applied.object;
        object["metadata"]["managedFields"] = applied.managed_fields;
        object
    }

    /// Whether everything that `intent` says is so in `object`.
    fn holds(object: &Value, intent: &Value) -> bool {
        match (object, intent) {
            (Value::Object(found), Value::Object(wanted)) => {
                wanted.iter().all(|(key, value)| found.get(key).is_some_and(|f| holds(f, value)))
            }
            (found, wanted) => found == wanted,
        }
    }

    proptest! {
        #[test]
        fn a_forced_apply_holds_and_repeating_it_changes_nothing(
            first in intents(), other in intents(), second in intents(),
        ) {
            let empty = object(&json!({}), &json!({}));
            let mut live = empty;
            for (name, intent) in [("one", &first), ("two", &other), ("one", &second)] {
                let applied = apply(&KIND, &live, intent, &writer(&KIND, name, intent), true);
                live = stored(applied.unwrap());
            }
            prop_assert!(holds(&live, &second), "{live} lacks {second}");
            let again = apply(&KIND, &live, &second, &writer(&KIND, "one", &second), false);
            prop_assert_eq!(stored(again.unwrap()), live);
        }

        #[test]
        fn what_only_one_writer_wanted_goes_when_it_stops(first in intents(), second in intents()) {
            let base = json!({"apiVersion": "beamline.dev/v1alpha1", "kind": "Device", "metadata": {"name": "d"}});
            let mut live = base;
            for intent in [&first, &second] {
                let applied = apply(&KIND, &live, intent, &writer(&KIND, "one", intent), false);
                live = stored(applied.unwrap());
            }
            let mut left = live.clone();
            left["metadata"].as_object_mut().unwrap().remove("managedFields");
            prop_assert!(holds(&second, &left), "{left} has more than {second}");
        }

        #[test]
        fn a_field_set_reads_back_as_written(intent in intents()) {
            let set = declared(&KIND, &intent);
            prop_assert_eq!(FieldSet::from_json(&set.to_json()), set);
        }

        #[test]
        fn without_force_no_field_of_another_writer_changes(first in intents(), second in intents()) {
            let live = stored(
                apply(&KIND, &json!({}), &first, &writer(&KIND, "one", &first), false).unwrap(),
            );
            if let Ok(applied) = apply(&KIND, &live, &second, &writer(&KIND, "two", &second), false) {
                prop_assert!(holds(&applied.object, &first));
            }
        }
    }
}
