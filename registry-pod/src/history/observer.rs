//! Notices changes that came past this service, and gives them their row in the history.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{NewRow, Operation, details};
use crate::index::Shown;
use crate::registry::Registry;
use crate::store::write::was_seeded;

/// Wait before trying again when the history cannot be written.
const RETRY: Duration = Duration::from_secs(1);

/// Compares devices with the history until `shutdown`. `first_start` says that the history was
/// created just now, so that what is there was not added but found.
pub(crate) async fn run(registry: Arc<Registry>, first_start: bool, shutdown: CancellationToken) {
    let mut known = HashMap::new();
    let mut found = if first_start { Operation::Seed } else { Operation::Add };
    let everything: Vec<String> = registry
        .look(|index| index.devices().keys().cloned().collect::<Vec<_>>())
        .into_iter()
        .chain(registry.journal.look(|log| log.recorded_devices().cloned().collect::<Vec<_>>()))
        .collect();
    registry.may_lack_rows(everything);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = registry.has_unrecorded.notified() => {}
        }
        let names = registry.take_unrecorded();
        let rows: Vec<NewRow> = names
            .iter()
            .filter_map(|name| missing_row(&registry, name, &mut known, found))
            .collect();
        found = Operation::Add;
        if rows.is_empty() {
            continue;
        }
        // The error itself was logged by the writer.
        if registry.journal.append_news(rows).await.is_err() {
            tokio::time::sleep(RETRY).await;
            registry.may_lack_rows(names);
        }
    }
}

/// The row that the history lacks about a device, if it lacks one.
fn missing_row(
    registry: &Registry,
    name: &str,
    known: &mut HashMap<String, Arc<Shown>>,
    found: Operation,
) -> Option<NewRow> {
    let entry = registry.look(|index| index.device(name).cloned());
    let shown = entry.as_ref().map(|entry| Arc::clone(&entry.shown));
    let recorded = registry.journal.look(|log| log.recorded(name).map(ToOwned::to_owned));
    let before = match &shown {
        Some(shown) => known.insert(name.to_owned(), Arc::clone(shown)),
        None => known.remove(name),
    };
    let row = match (&shown, recorded) {
        (None, None) => return None,
        (None, Some(_)) => {
            let details = before.as_deref().map(details::delete);
            NewRow::new(name, Operation::Delete, details.as_ref())
        }
        (Some(shown), Some(recorded)) if recorded == shown.digest => return None,
        (Some(shown), None) => {
            let is_seeded = entry.is_some_and(|entry| was_seeded(&entry.object));
            let found = if is_seeded { Operation::Seed } else { found };
            let details = match found {
                Operation::Seed => details::seed(),
                _ => details::add(shown),
            };
            NewRow::of(shown, found, Some(&details))
        }
        (Some(shown), Some(_)) => change(before.as_deref(), shown),
    };
    Some(row)
}

/// The row of a change, as precise as what was known before allows.
fn change(before: Option<&Shown>, after: &Shown) -> NewRow {
    let changed = before.map(|before| changed_fields(before, after)).unwrap_or_default();
    let active = after.spec.active;
    if changed == ["spec.active"] {
        let operation = if active { Operation::Enable } else { Operation::Disable };
        return NewRow::of(after, operation, Some(&details::active(active)));
    }
    NewRow::of(after, Operation::Update, details::update(&changed).as_ref())
}

fn changed_fields(before: &Shown, after: &Shown) -> Vec<String> {
    let members = |json: &RawValue| -> Map<String, Value> {
        serde_json::from_str(json.get()).unwrap_or_default()
    };
    let differing = |before: &RawValue, after: &RawValue, prefix: &str| {
        let before = members(before);
        let changed =
            members(after).into_iter().filter(|(name, value)| before.get(name) != Some(value));
        changed.map(|(name, _)| format!("{prefix}{name}")).collect::<Vec<_>>()
    };
    let mut changed = differing(&before.metadata_json, &after.metadata_json, "");
    changed.extend(differing(&before.spec_json, &after.spec_json, "spec."));
    changed
}
