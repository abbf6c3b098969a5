//! Emptying the registry: reset and clear (contract §1.9).
//!
//! In place of the Python service's profile stand the manifests. `reset` takes back what was done over this API:
//! devices created here go, devices switched on or off here follow their manifest again, and devices seeded from a
//! profile are what it says now. `clear` deletes every device. Both release all locks and begin a new epoch.
//!
//! # Guarantees
//! * All or nothing. What is to be done is noted in a ConfigMap before anything else is; what a crash leaves half is
//!   completed before the registry is ready again, what an API that went away leaves half as soon as it is back.
//! * Only what was there when it was asked for goes: devices by their uid, locks by their age.

mod note;

use std::collections::BTreeSet;

use crds::device::ACTIVE_ANNOTATION;
use crds::{Device, DeviceLocksSpec};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};

use crate::history::{NewRow, Operation, details};
use crate::index::Index;
use crate::locks;
use crate::registry::Registry;
use crate::seed::{self, Profile, SeedError};
use crate::store::locks::{ChangeError, Decided};
use crate::store::write::was_created_here;
use crate::store::{StoreError, bounded_call};
use note::Note;

/// Requests in progress at the same time.
const PARALLEL: usize = 16;

/// How much goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// What was done over this API.
    Reset,
    /// Every device.
    Clear,
}

/// Resets or clears the registry. Answers how many devices there are now.
///
/// # Errors
/// When the store fails: it is not done, or not yet. [`complete`] completes what was begun.
pub(crate) async fn perform(registry: &Registry, kind: Kind) -> Result<usize, SeedError> {
    // What another replica has begun comes first.
    complete(registry).await?;
    let devices = bounded_call(registry.devices.list(&ListParams::default())).await?.items;
    let (mut unwanted, mut switched) = (BTreeSet::new(), BTreeSet::new());
    for device in &devices {
        let goes = kind == Kind::Clear || was_created_here(device);
        if goes {
            unwanted.extend(device.uid());
        } else if device.annotations().contains_key(ACTIVE_ANNOTATION) {
            switched.extend(device.uid());
        }
    }
    let mut note = Note::new(kind, unwanted, switched);
    note.write(registry).await?;
    carry_out(registry, &note).await
}

/// Completes what was begun and not completed, if anything. Answers whether there was such a thing.
///
/// # Errors
/// When the store fails, or the profile of a reset is wrong by now.
pub(crate) async fn complete(registry: &Registry) -> Result<bool, SeedError> {
    let Some(note) = Note::read(registry).await? else {
        registry.upset(false);
        return Ok(false);
    };
    tracing::warn!(kind = ?note.kind, "completing what was begun");
    carry_out(registry, &note).await?;
    Ok(true)
}

/// Does what the note says. What is done already is not done again.
async fn carry_out(registry: &Registry, note: &Note) -> Result<usize, SeedError> {
    let profile = match note.kind {
        Kind::Reset => Profile::read(&registry.settings)?,
        Kind::Clear => None,
    };
    registry.upset(true);
    if note.kind == Kind::Clear {
        seed::never_again(registry).await?;
    }
    registry.journal.reset(note.begun).await?;
    release_locks(registry, note.begun).await?;
    let devices = bounded_call(registry.devices.list(&ListParams::default())).await?.items;
    let (unwanted, kept): (Vec<_>, Vec<_>) =
        devices.into_iter().partition(|device| is_among(device, &note.unwanted));
    stream::iter(unwanted)
        .map(|device| async move { registry.delete_device(&device).await })
        .buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await?;
    for device in kept.iter().filter(|device| is_among(device, &note.switched)) {
        registry.follow_manifest(device).await?;
    }
    if let Some(profile) = profile {
        seed::bring_about(registry, &profile).await?;
    }
    let found = details::seed();
    let (count, rows) = registry.look(|index| {
        let rows = index.devices().values();
        let rows = rows.map(|entry| NewRow::of(&entry.shown, Operation::Seed, Some(&found)));
        (index.devices().len(), rows.collect())
    });
    registry.journal.append_news(rows).await?;
    note.remove(registry).await?;
    registry.upset(false);
    Ok(count)
}

fn is_among(device: &Device, uids: &BTreeSet<String>) -> bool {
    device.uid().is_some_and(|uid| uids.contains(&uid))
}

/// Takes the locks away that were there at that time.
async fn release_locks(registry: &Registry, begun: Timestamp) -> Result<(), StoreError> {
    let release = move |table: &DeviceLocksSpec, _: &Index| {
        let next = Some(locks::since(table, begun));
        Ok::<_, StoreError>(Decided { next, rows: Vec::new(), answer: () })
    };
    match registry.lock_table.change(release).await {
        Ok(_) => Ok(()),
        Err(ChangeError::Refused(error) | ChangeError::Store(error)) => Err(error),
    }
}
