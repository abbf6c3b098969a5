//! The registry as a whole: reset, clear, export (contract §1.9).
//!
//! In place of the Python service's profile stand the manifests. `reset` takes back what was done
//! over this API: devices created here go, devices switched on or off here follow their manifest
//! again, and devices seeded from a profile are what it says now. `clear` deletes every device.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use crds::managed;
use futures::{StreamExt, TryStreamExt, stream};
use service::ApiError;
use service::validation::{Fields, Model, Query, kinds};

use super::Shared;
use super::crud::DeviceChanged;
use super::errors::{DEVICE_PERSISTENCE, check_writable};
use crate::export;
use crate::history::{ALL_DEVICES, NewRow, Operation, details};
use crate::index::Entry;
use crate::locks;
use crate::registry::Registry;
use crate::seed::{self, Profile};
use crate::store::locks::change;
use crate::store::write::was_created_here;

/// Deletions in progress at the same time.
const PARALLEL: usize = 16;

fn all(registry: &Registry) -> Vec<Arc<Entry>> {
    registry.look(|index| index.devices().values().cloned().collect())
}

/// Starts a new epoch without locks and deletes `unwanted`.
async fn start_over(registry: &Registry, unwanted: Vec<Arc<Entry>>) -> Result<(), ApiError> {
    registry.journal.reset().await?;
    change(registry, |table| Ok::<_, ApiError>((Some(locks::without_locks(table)), ()))).await?;
    stream::iter(unwanted)
        .map(|entry| async move { registry.delete_device(&entry.object).await })
        .buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await?;
    Ok(())
}

/// Back to what the manifests say.
#[utoipa::path(post, path = "/api/v1/registry/reset", tag = "Registry Admin",
    responses((status = 200, body = DeviceChanged)))]
pub(crate) async fn reset_registry(
    State(registry): Shared,
) -> Result<Json<DeviceChanged>, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    let profile = Profile::read(&registry.settings)
        .map_err(|error| ApiError::internal("the profile cannot be loaded").caused_by(error))?;
    let devices = all(&registry);
    let _changing: Vec<_> =
        devices.iter().map(|entry| registry.changing(&entry.shown.metadata.name)).collect();
    let (unwanted, kept): (Vec<_>, Vec<_>) =
        devices.iter().cloned().partition(|entry| was_created_here(&entry.object));
    start_over(&registry, unwanted).await?;
    for entry in &kept {
        registry.follow_manifest(&entry.object).await?;
    }
    if let Some(profile) = profile {
        seed::bring_about(&registry, &profile).await?;
    }
    let kept = all(&registry);
    let found = details::seed();
    let rows = kept.iter().map(|entry| NewRow::of(&entry.shown, Operation::Seed, Some(&found)));
    registry.journal.append_news(rows.collect()).await?;
    let count = kept.len();
    let message = format!("Registry reset and re-seeded with {count} devices from profile");
    Ok(DeviceChanged::new(ALL_DEVICES, "reset", message))
}

/// Deletes every device.
#[utoipa::path(post, path = "/api/v1/registry/clear", tag = "Registry Admin",
    responses((status = 200, body = DeviceChanged)))]
pub(crate) async fn clear_registry(
    State(registry): Shared,
) -> Result<Json<DeviceChanged>, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    let devices = all(&registry);
    let from_git = devices.iter().find_map(|entry| managed::by_git(&entry.object.metadata));
    if let Some(owner) = from_git.filter(|_| !registry.settings.runtime_edits) {
        let detail = format!("Devices are synced from git by {owner}; remove them there");
        return Err(ApiError::conflict(detail));
    }
    let _changing: Vec<_> =
        devices.iter().map(|entry| registry.changing(&entry.shown.metadata.name)).collect();
    seed::never_again(&registry).await?;
    start_over(&registry, devices.clone()).await?;
    let message = "Registry cleared. 0 devices. Use CRUD or EE sync to populate.".to_owned();
    Ok(DeviceChanged::new(ALL_DEVICES, "clear", message))
}

pub(crate) struct Format(String);

impl Model for Format {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        fields.default("format", kinds::string, "happi".to_owned()).map(Self)
    }
}

/// The registry as a happi database, a BITS device list, or manifests.
#[utoipa::path(get, path = "/api/v1/registry/export", tag = "Registry Admin",
    params(("format" = Option<String>, Query)), responses((status = 200), (status = 400)))]
pub(crate) async fn export_registry(
    State(registry): Shared,
    Query(Format(format)): Query<Format>,
) -> Result<Response, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    let yaml = match format.as_str() {
        "happi" => return Ok(Json(registry.look(export::as_happi)).into_response()),
        "bits" => registry.look(export::as_bits),
        "manifests" => registry.look(export::as_manifests),
        other => {
            return Err(ApiError::bad_request(format!(
                "Unsupported export format: '{other}'. Supported: happi, bits, manifests"
            )));
        }
    };
    let yaml = yaml.map_err(|error| {
        ApiError::internal("cannot write the registry as YAML").caused_by(error.to_string())
    })?;
    Ok(([(header::CONTENT_TYPE, "application/x-yaml")], yaml).into_response())
}
