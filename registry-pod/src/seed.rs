//! Seeding: the devices with which an empty registry begins (contract §1.11, §1.12).
//!
//! # Guarantees
//! * Only a registry without devices is seeded, and only once: the ConfigMap `registry-seed` says
//!   that it was. A registry that was cleared stays empty.
//! * All or nothing. The profile is read and every device of it judged by the API before the first
//!   is stored, and what a crash left half is completed before the registry is ready.
//!   If its profile is named no more, it is taken back.
//! * Replicas that start together do the same work under the same names: no device is there twice.

mod profile;

pub(crate) use profile::Profile;
pub use profile::Strategy;

use std::collections::{BTreeMap, BTreeSet};

use crds::names::object_name;
use crds::{Device, DeviceSpec};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};

use crate::registry::Registry;
use crate::store::write::{CREATED_BY, SEEDED};
use crate::store::{FIELD_MANAGER, StoreError, bounded_call};

/// Says how far the seeding is.
const MARK: &str = "registry-seed";
const STATE: &str = "state";
/// The first device may be stored.
const SEEDING: &str = "seeding";
/// All devices are stored, or none is wanted.
const SEEDED_STATE: &str = "seeded";
/// Requests in progress at the same time.
const PARALLEL: usize = 16;

/// The registry cannot be seeded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    /// The profile is missing or wrong.
    #[error("{0}")]
    Profile(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn post(dry_run: bool) -> PostParams {
    PostParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) }
}

/// Seeds the registry if it is empty and was never seeded. Returns when that is done, here or by
/// another replica.
pub(crate) async fn at_start(registry: &Registry) -> Result<(), SeedError> {
    let mut state = state(registry).await?;
    if !Profile::is_wanted(&registry.settings)? {
        if state.as_deref() == Some(SEEDING) {
            tracing::warn!(
                "seeding was cut off and its profile is gone: taking back what is there"
            );
            take_back(registry).await?;
        }
        return Ok(());
    }
    if state.is_none() {
        let one = bounded_call(registry.devices.list(&ListParams::default().limit(1))).await?;
        // Another replica may have begun meanwhile: what is there is its work then.
        state = self::state(registry).await?;
        if state.is_none() && !one.items.is_empty() {
            tracing::info!("not seeding: the registry has devices");
            return Ok(());
        }
    }
    if state.as_deref() == Some(SEEDED_STATE) {
        tracing::info!("not seeding: the registry was seeded before");
        return Ok(());
    }
    let Some(profile) = Profile::read(&registry.settings)? else { return Ok(()) };
    if state.is_none() {
        judge(registry, &profile).await?;
        mark(registry, SEEDING).await?;
    }
    bring_about(registry, &profile).await?;
    mark(registry, SEEDED_STATE).await?;
    tracing::info!(devices = profile.devices.len(), source = profile.source, "registry seeded");
    Ok(())
}

/// As if the seeding had not begun.
async fn take_back(registry: &Registry) -> Result<(), StoreError> {
    let nothing = Profile { source: "no", devices: Vec::new() };
    bring_about(registry, &nothing).await?;
    match bounded_call(registry.config_maps.delete(MARK, &DeleteParams::default())).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Notes that nothing is to be seeded any more.
pub(crate) async fn never_again(registry: &Registry) -> Result<(), StoreError> {
    mark(registry, SEEDED_STATE).await
}

/// Makes the seeded devices what the profile says.
pub(crate) async fn bring_about(registry: &Registry, profile: &Profile) -> Result<(), StoreError> {
    let label = format!("{CREATED_BY}={SEEDED}");
    let seeded = bounded_call(registry.devices.list(&ListParams::default().labels(&label))).await?;
    let present: BTreeMap<String, Device> =
        seeded.items.into_iter().map(|device| (device.name_any(), device)).collect();
    let wanted: BTreeSet<String> =
        profile.devices.iter().map(|spec| object_name(&spec.name)).collect();
    let (wanted_now, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
        present.into_iter().partition(|(object, _)| wanted.contains(object));
    stream::iter(gone.into_values())
        .map(|device| async move { registry.delete_device(&device).await })
        .buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await?;
    let puts: Vec<(DeviceSpec, Option<Device>)> = profile
        .devices
        .iter()
        .map(|spec| (spec.clone(), wanted_now.get(&object_name(&spec.name)).cloned()))
        .collect();
    stream::iter(puts)
        .map(|(spec, present)| async move { put(registry, spec, present).await })
        .buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await?;
    registry.wait_until(|index| wanted.iter().all(|object| index.object(object).is_some())).await
}

async fn put(
    registry: &Registry,
    spec: DeviceSpec,
    present: Option<Device>,
) -> Result<(), StoreError> {
    let stored = match present {
        Some(device) if device.spec == spec => return Ok(()),
        Some(device) => {
            let name = device.name_any();
            let wanted = Device { spec, ..device };
            bounded_call(registry.devices.replace(&name, &post(false), &wanted)).await
        }
        None => bounded_call(registry.devices.create(&post(false), &seeded(spec))).await,
    };
    match stored {
        // Another replica was faster, or somebody else has a device of that name: it is theirs.
        Err(error) if error.is_conflict() => Ok(()),
        other => other.map(drop),
    }
}

/// A device of the profile as it is stored.
fn seeded(spec: DeviceSpec) -> Device {
    let mut device = Device::new(&object_name(&spec.name), spec);
    device.labels_mut().insert(CREATED_BY.to_owned(), SEEDED.to_owned());
    device
}

/// Asks the API whether it would take every device.
async fn judge(registry: &Registry, profile: &Profile) -> Result<(), SeedError> {
    let judged: Vec<_> = stream::iter(profile.devices.clone())
        .map(|spec| async move {
            let device = seeded(spec);
            let judged = bounded_call(registry.devices.create(&post(true), &device)).await;
            (device.spec.name, judged)
        })
        .buffered(PARALLEL)
        .collect()
        .await;
    let mut problems = Vec::new();
    for (name, judged) in judged {
        match judged {
            Err(error) if error.is_conflict() => {}
            Err(error) => match error.invalid() {
                Some(reason) => problems.push((name, reason)),
                None => return Err(error.into()),
            },
            Ok(_) => {}
        }
    }
    profile.refuse(&problems)
}

async fn state(registry: &Registry) -> Result<Option<String>, StoreError> {
    let mark = bounded_call(registry.config_maps.get_opt(MARK)).await?;
    Ok(mark.and_then(|mark| mark.data?.remove(STATE)))
}

async fn mark(registry: &Registry, state: &str) -> Result<(), StoreError> {
    let mark = ConfigMap {
        metadata: ObjectMeta { name: Some(MARK.to_owned()), ..ObjectMeta::default() },
        data: Some([(STATE.to_owned(), state.to_owned())].into()),
        ..ConfigMap::default()
    };
    match bounded_call(registry.config_maps.create(&post(false), &mark)).await {
        // What is done stays done.
        Err(error) if error.is_conflict() && state == SEEDING => Ok(()),
        Err(error) if error.is_conflict() => {
            bounded_call(registry.config_maps.replace(MARK, &post(false), &mark)).await.map(drop)
        }
        other => other.map(drop),
    }
}
