//! Creating, changing and deleting devices (contract §1.5).
//!
//! Each change is stored, recorded in the history and visible to readers before it is answered.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use crds::managed;
use jiff::Timestamp;
use serde::Serialize;
use service::ApiError;
use service::validation::Body;
use utoipa::ToSchema;

use super::Shared;
use super::errors::{DEVICE_PERSISTENCE, check_class, check_writable, device_not_found};
use crate::device::create::NewDevice;
use crate::device::update::DeviceUpdate;
use crate::history::{NewRow, Operation, details};
use crate::index::Entry;
use crate::locks;
use crate::registry::Registry;
use crate::store::{FIELD_MANAGER, StoreError};

/// How often an update is tried against other writers of the same object.
pub(super) const ATTEMPTS: usize = 5;

/// A device was changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceCRUDResponse)]
pub(crate) struct DeviceChanged {
    success: bool,
    device_name: String,
    operation: &'static str,
    message: String,
}

impl DeviceChanged {
    pub(super) fn new(device: &str, operation: &'static str, message: String) -> Json<Self> {
        Json(Self { success: true, device_name: device.to_owned(), operation, message })
    }
}

fn find(registry: &Registry, name: &str) -> Result<Arc<Entry>, ApiError> {
    registry.look(|index| index.device(name).cloned()).ok_or_else(|| device_not_found(name))
}

/// 409 while a plan holds the device.
fn check_unlocked(registry: &Registry, name: &str, change: &str) -> Result<(), ApiError> {
    let table = registry.look(|index| index.locks().cloned());
    let is_locked =
        table.is_some_and(|table| locks::effective(&table.spec, name, Timestamp::now()).is_some());
    if !is_locked {
        return Ok(());
    }
    Err(ApiError::conflict(format!(
        "Device '{name}' is locked and cannot be {change}; unlock it (or wait for the plan to \
         finish) first"
    )))
}

/// 409 for what git would put back.
fn check_not_from_git(registry: &Registry, entry: &Entry) -> Result<(), ApiError> {
    if registry.settings.runtime_edits {
        return Ok(());
    }
    let Some(owner) = managed::by_git(&entry.object.metadata) else { return Ok(()) };
    let name = &entry.shown.metadata.name;
    Err(ApiError::conflict(format!(
        "Device '{name}' is synced from git by {owner}; change it there"
    )))
}

/// Creates a device.
#[utoipa::path(post, path = "/api/v1/devices", tag = "Device Management",
    request_body = super::interface::DeviceCreateRequest,
    responses((status = 201, body = DeviceChanged)))]
pub(crate) async fn create_device(
    State(registry): Shared,
    Body(device): Body<NewDevice>,
) -> Result<(StatusCode, Json<DeviceChanged>), ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    let spec = device.into_spec()?;
    check_class(&registry, &spec.device_class)?;
    let name = spec.name.clone();
    let exists = || ApiError::conflict(format!("Device already exists: {name}"));
    if registry.look(|index| index.device(&name).is_some()) {
        return Err(exists());
    }
    let _changing = registry.changing(&name);
    let entry = match registry.create_device(spec).await {
        Err(error) if error.is_conflict() => return Err(exists().caused_by(error)),
        created => created?,
    };
    let row = NewRow::of(&entry.shown, Operation::Add, Some(&details::add(&entry.shown)))
        .by(Some(FIELD_MANAGER));
    registry.journal.append_news(vec![row]).await?;
    let message = format!("Device '{name}' created successfully");
    Ok((StatusCode::CREATED, DeviceChanged::new(&name, "create", message)))
}

/// Changes the given fields of a device.
#[utoipa::path(put, path = "/api/v1/devices/{device_name}", tag = "Device Management",
    params(("device_name" = String, Path)),
    request_body = super::interface::DeviceUpdateRequest,
    responses((status = 200, body = DeviceChanged)))]
pub(crate) async fn update_device(
    State(registry): Shared,
    Path(name): Path<String>,
    Body(update): Body<DeviceUpdate>,
) -> Result<Json<DeviceChanged>, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    let entry = find(&registry, &name)?;
    check_unlocked(&registry, &name, "updated")?;
    check_not_from_git(&registry, &entry)?;
    if let Some(class) = update.device_class() {
        check_class(&registry, class)?;
    }
    let _changing = registry.changing(&name);
    let before = Arc::clone(&entry.shown);
    let mut device = (*entry.object).clone();
    let (entry, changed) = 'stored: {
        for _ in 0..ATTEMPTS {
            let updated = update.apply(&device.spec, &entry.shown.metadata, &entry.shown.spec)?;
            let changed = updated.changed_fields;
            if changed.is_empty() {
                break 'stored (entry, changed);
            }
            match registry.replace_device(&device, updated.spec, updated.active).await {
                Ok(entry) => break 'stored (entry, changed),
                Err(error) if error.is_not_found() => return Err(device_not_found(&name)),
                Err(error) if error.is_conflict() => {
                    device = registry.fresh_device(&kube::ResourceExt::name_any(&device)).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        return Err(StoreError::Contended("the device").into());
    };
    let row = NewRow::of(&entry.shown, Operation::Update, details::update(&changed).as_ref())
        .with_changes(&before, &entry.shown)
        .by(Some(FIELD_MANAGER));
    registry.journal.append(vec![row]).await?;
    let message = format!("Device '{name}' updated successfully");
    Ok(DeviceChanged::new(&name, "update", message))
}

/// Deletes a device.
#[utoipa::path(delete, path = "/api/v1/devices/{device_name}", tag = "Device Management",
    params(("device_name" = String, Path)), responses((status = 200, body = DeviceChanged)))]
pub(crate) async fn delete_device(
    State(registry): Shared,
    Path(name): Path<String>,
) -> Result<Json<DeviceChanged>, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    let entry = find(&registry, &name)?;
    check_unlocked(&registry, &name, "deleted")?;
    check_not_from_git(&registry, &entry)?;
    let _changing = registry.changing(&name);
    registry.delete_device(&entry.object).await?;
    let row = NewRow::new(&name, Operation::Delete, Some(&details::delete(&entry.shown)))
        .by(Some(FIELD_MANAGER));
    registry.journal.append_news(vec![row]).await?;
    let message = format!("Device '{name}' deleted successfully");
    Ok(DeviceChanged::new(&name, "delete", message))
}

/// Allows the device to be used.
#[utoipa::path(patch, path = "/api/v1/devices/{device_name}/enable", tag = "Device Management",
    params(("device_name" = String, Path)), responses((status = 200, body = DeviceChanged)))]
pub(crate) async fn enable_device(
    State(registry): Shared,
    Path(name): Path<String>,
) -> Result<Json<DeviceChanged>, ApiError> {
    set_active(&registry, &name, true).await
}

/// Forbids the device to be used.
#[utoipa::path(patch, path = "/api/v1/devices/{device_name}/disable", tag = "Device Management",
    params(("device_name" = String, Path)), responses((status = 200, body = DeviceChanged)))]
pub(crate) async fn disable_device(
    State(registry): Shared,
    Path(name): Path<String>,
) -> Result<Json<DeviceChanged>, ApiError> {
    set_active(&registry, &name, false).await
}

async fn set_active(
    registry: &Registry,
    name: &str,
    active: bool,
) -> Result<Json<DeviceChanged>, ApiError> {
    check_writable(registry, DEVICE_PERSISTENCE)?;
    let (operation, word, row) = match active {
        true => ("enable", "enabled", Operation::Enable),
        false => ("disable", "disabled", Operation::Disable),
    };
    let entry = find(registry, name)?;
    if entry.shown.spec.active == active {
        let message = format!("Device '{name}' is already {word}");
        return Ok(DeviceChanged::new(name, operation, message));
    }
    let before = Arc::clone(&entry.shown);
    let _changing = registry.changing(name);
    let entry = match registry.set_active(&entry.object, active).await {
        Err(error) if error.is_not_found() => return Err(device_not_found(name)),
        stored => stored?,
    };
    let row = NewRow::of(&entry.shown, row, Some(&details::active(active)))
        .with_changes(&before, &entry.shown)
        .by(Some(FIELD_MANAGER));
    registry.journal.append(vec![row]).await?;
    Ok(DeviceChanged::new(name, operation, format!("Device '{name}' {word}")))
}
