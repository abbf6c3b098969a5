//! Notices changes that came past this service, and gives them their row in the history.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tokio_util::sync::CancellationToken;

use super::difference::{self, differences};
use super::{NewRow, Operation, details, holders};
use crate::index::Shown;
use crate::mending::Unfinished;
use crate::registry::Registry;
use crate::store::write::was_seeded;

/// Wait before trying again when the history cannot be written.
const RETRY: Duration = Duration::from_secs(1);

/// Compares devices with the history until `shutdown`. `is_new` says that the history, or its epoch, was
/// begun just now, so that what is there was not added but found.
pub(crate) async fn run(registry: Arc<Registry>, is_new: bool, shutdown: CancellationToken) {
    let mut known = HashMap::new();
    let mut found = if is_new { Operation::Seed } else { Operation::Add };
    let locks = registry.look(|index| index.locks().cloned()).unwrap_or_default();
    let rows = registry.journal.look(|log| holders::missing(log, &locks.spec));
    if !rows.is_empty() {
        registry.mender.finish(Unfinished::Rows(rows));
    }
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
        // The error itself was logged by the writer.
        let recorded = rows.is_empty() || registry.journal.append_news(rows).await.is_ok();
        registry.compared();
        if !recorded {
            registry.may_lack_rows(names);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
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
    let (entry, author) = registry.look(|index| {
        let entry = index.device(name).cloned();
        let object = entry.as_ref().map(|entry| entry.object.name_any());
        let author = object.and_then(|object| index.author(&object).map(ToOwned::to_owned));
        (entry, author)
    });
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
    Some(row.by(author.as_deref()))
}

/// The row of a change, as precise as what was known before allows.
fn change(before: Option<&Shown>, after: &Shown) -> NewRow {
    let differing = before.map(|before| differences(before, after)).unwrap_or_default();
    let changed: Vec<String> = differing.iter().map(|one| one.field.clone()).collect();
    let active = after.spec.active;
    let row = if changed == ["spec.active"] {
        let operation = if active { Operation::Enable } else { Operation::Disable };
        NewRow::of(after, operation, Some(&details::active(active)))
    } else {
        NewRow::of(after, Operation::Update, details::update(&changed).as_ref())
    };
    NewRow { changes: difference::as_json(differing), ..row }
}
