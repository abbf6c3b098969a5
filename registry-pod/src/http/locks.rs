//! Device locks, and the availability that follows from them (contract §1.7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use crds::{DeviceLocks, DeviceLocksSpec};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use service::ApiError;
use service::validation::{Body, Fields, Model, Query, kinds};
use utoipa::ToSchema;

use super::Shared;
use super::errors::{DEVICE_PERSISTENCE, check_writable, device_not_found, pv_not_found};
use crate::history::{NewRow, Operation, details};
use crate::index::Index;
use crate::locks::{self, Claimant, DeviceLockConflict, Foreign, Lockable, Reason, Refused};
use crate::pv_health::PVHealthRecord;
use crate::registry::Registry;
use crate::store::FIELD_MANAGER;
use crate::store::locks::{ChangeError, Changed, Decided};

impl<E: Into<Self>> From<ChangeError<E>> for ApiError {
    fn from(error: ChangeError<E>) -> Self {
        match error {
            ChangeError::Refused(refusal) => refusal.into(),
            ChangeError::Store(error) => error.into(),
        }
    }
}

/// Devices are not locked; which ones stand in the way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceLockConflictResponse {
    #[schema(required = false)]
    success: bool,
    message: String,
    #[schema(required = false)]
    conflicting_devices: Vec<DeviceLockConflict>,
}

impl From<Refused> for ApiError {
    /// The gravest reason decides the status, the first device of the request the message.
    fn from(Refused(conflicts): Refused) -> Self {
        let status = match conflicts.iter().map(|conflict| conflict.reason).min() {
            Some(Reason::NotFound) => StatusCode::NOT_FOUND,
            Some(Reason::Disabled) => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::CONFLICT,
        };
        let message = conflicts.first().map(DeviceLockConflict::message).unwrap_or_default();
        Self::with_body(
            status,
            json!({ "success": false, "message": message, "conflicting_devices": conflicts }),
        )
    }
}

/// Devices to lock together.
#[derive(Debug, ToSchema)]
pub(crate) struct DeviceLockRequest {
    device_names: Vec<String>,
    item_id: String,
    plan_name: String,
    #[schema(required = false)]
    locked_by_service: String,
}

impl Model for DeviceLockRequest {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let device_names = fields.required("device_names", kinds::list(kinds::string));
        let item_id = fields.required("item_id", kinds::string);
        let plan_name = fields.required("plan_name", kinds::string);
        let default = "experiment_execution".to_owned();
        let service = fields.default("locked_by_service", kinds::string, default);
        Some(Self {
            device_names: device_names?,
            item_id: item_id?,
            plan_name: plan_name?,
            locked_by_service: service?,
        })
    }
}

/// Devices are locked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceLockResponse {
    success: bool,
    #[schema(required = false)]
    locked_devices: Vec<String>,
    #[schema(required = false)]
    locked_pvs: BTreeSet<String>,
    #[schema(required = false)]
    lock_id: String,
    registry_version: i64,
    lock_epoch: String,
    expires_at: Option<String>,
    #[schema(required = false)]
    lease_ttl_seconds: f64,
}

fn lockable(index: &Index, name: &str) -> Lockable {
    match index.device(name) {
        None => Lockable::Unknown,
        Some(entry) if entry.shown.spec.active => Lockable::Enabled,
        Some(_) => Lockable::Disabled,
    }
}

/// Locks all of the devices, or none.
#[utoipa::path(post, path = "/api/v1/devices/lock", tag = "Device Locking",
    request_body = DeviceLockRequest, responses(
        (status = 200, body = DeviceLockResponse),
        (status = 404, body = DeviceLockConflictResponse),
        (status = 409, body = DeviceLockConflictResponse),
        (status = 422, body = DeviceLockConflictResponse)))]
pub(crate) async fn lock_devices(
    State(registry): Shared,
    Body(request): Body<DeviceLockRequest>,
) -> Result<Json<DeviceLockResponse>, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    let DeviceLockRequest { device_names: devices, item_id, plan_name, locked_by_service } =
        request;
    let claimant = Claimant { item_id, plan_name, service: locked_by_service };
    let lock_id = uuid::Uuid::new_v4().to_string();
    let lease = registry.settings.lock_lease_ttl_seconds;
    let (wanted, id) = (devices.clone(), lock_id.clone());
    let decide = move |table: &DeviceLocksSpec, index: &Index| {
        let now = Timestamp::now();
        let expires_at = locks::expiry(now, lease);
        let lockable = |name: &str| lockable(index, name);
        let until = expires_at.as_deref();
        let next = locks::acquire(table, &wanted, lockable, &claimant, &id, now, until)?;
        let details = details::lock(&claimant, &id);
        let rows = rows(&wanted, Operation::Lock, &details, &claimant.service);
        Ok::<_, Refused>(Decided { next: Some(next), rows, answer: expires_at })
    };
    let Changed { version, epoch, answer } = registry.lock_table.change(decide).await?;
    let locked_pvs = registry.look(|index| {
        let entries = devices.iter().filter_map(|name| index.device(name));
        entries
            .flat_map(|entry| entry.shown.metadata.pvs.values().map(ToString::to_string))
            .collect()
    });
    Ok(Json(DeviceLockResponse {
        success: true,
        locked_devices: devices,
        locked_pvs,
        lock_id,
        registry_version: version,
        lock_epoch: epoch,
        expires_at: answer,
        lease_ttl_seconds: lease,
    }))
}

fn rows(
    devices: &[String],
    operation: Operation,
    details: &serde_json::Value,
    by: &str,
) -> Vec<NewRow> {
    let row = |device: &String| NewRow::new(device, operation, Some(details)).by(Some(by));
    devices.iter().map(row).collect()
}

/// Devices to release.
#[derive(Debug, ToSchema)]
pub(crate) struct DeviceUnlockRequest {
    device_names: Vec<String>,
    item_id: String,
}

impl Model for DeviceUnlockRequest {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let device_names = fields.required("device_names", kinds::list(kinds::string));
        let item_id = fields.required("item_id", kinds::string);
        Some(Self { device_names: device_names?, item_id: item_id? })
    }
}

/// Devices are released.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceUnlockResponse {
    success: bool,
    #[schema(required = false)]
    unlocked_devices: Vec<String>,
    registry_version: i64,
    lock_epoch: String,
}

impl From<Changed<Vec<String>>> for DeviceUnlockResponse {
    fn from(Changed { version, epoch, answer }: Changed<Vec<String>>) -> Self {
        Self {
            success: true,
            unlocked_devices: answer,
            registry_version: version,
            lock_epoch: epoch,
        }
    }
}

/// Releases devices that the item holds.
#[utoipa::path(post, path = "/api/v1/devices/unlock", tag = "Device Locking",
    request_body = DeviceUnlockRequest, responses((status = 200, body = DeviceUnlockResponse)))]
pub(crate) async fn unlock_devices(
    State(registry): Shared,
    Body(request): Body<DeviceUnlockRequest>,
) -> Result<Json<DeviceUnlockResponse>, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    let decide = move |table: &DeviceLocksSpec, _: &Index| {
        let DeviceUnlockRequest { device_names, item_id } = &request;
        let (next, released) = locks::release(table, device_names, item_id, Timestamp::now())?;
        let details = details::unlock(item_id);
        let rows = rows(&released, Operation::Unlock, &details, FIELD_MANAGER);
        Ok::<_, Foreign>(Decided { next: Some(next), rows, answer: released })
    };
    let released = registry.lock_table.change(decide).await?;
    Ok(Json(released.into()))
}

/// Locks to extend.
pub(crate) struct DeviceLockRenewRequest(DeviceUnlockRequest);

impl Model for DeviceLockRenewRequest {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        DeviceUnlockRequest::read(fields).map(Self)
    }
}

/// Which locks were extended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceLockRenewResponse {
    success: bool,
    #[schema(required = false)]
    renewed_devices: Vec<String>,
    #[schema(required = false)]
    lost_devices: Vec<String>,
    #[schema(required = false)]
    conflict_devices: Vec<String>,
    lock_epoch: String,
    expires_at: Option<String>,
}

/// Extends the leases of locks that the item holds.
#[utoipa::path(post, path = "/api/v1/devices/lock/renew", tag = "Device Locking",
    request_body = super::interface::DeviceLockRenewRequest,
    responses((status = 200, body = DeviceLockRenewResponse)))]
pub(crate) async fn renew_device_locks(
    State(registry): Shared,
    Body(DeviceLockRenewRequest(request)): Body<DeviceLockRenewRequest>,
) -> Result<Json<DeviceLockRenewResponse>, ApiError> {
    let lease = registry.settings.lock_lease_ttl_seconds;
    let decide = move |table: &DeviceLocksSpec, _: &Index| {
        let now = Timestamp::now();
        let expires_at = locks::expiry(now, lease);
        let DeviceUnlockRequest { device_names, item_id } = &request;
        let (next, found) = locks::renew(table, device_names, item_id, now, expires_at.as_deref());
        let expires_at = expires_at.filter(|_| !found.renewed.is_empty());
        Ok::<_, ApiError>(Decided { next, rows: Vec::new(), answer: (found, expires_at) })
    };
    let Changed { epoch, answer, .. } = registry.lock_table.change(decide).await?;
    let (found, expires_at) = answer;
    Ok(Json(DeviceLockRenewResponse {
        success: found.lost.is_empty() && found.conflict.is_empty(),
        renewed_devices: found.renewed,
        lost_devices: found.lost,
        conflict_devices: found.conflict,
        lock_epoch: epoch,
        expires_at,
    }))
}

/// Devices to release whoever holds them.
#[derive(Debug, ToSchema)]
pub(crate) struct DeviceForceUnlockRequest {
    device_names: Vec<String>,
    reason: String,
}

impl Model for DeviceForceUnlockRequest {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let device_names = fields.required("device_names", kinds::list(kinds::string));
        let reason = fields.required("reason", kinds::string);
        Some(Self { device_names: device_names?, reason: reason? })
    }
}

/// Releases devices whoever holds them.
#[utoipa::path(post, path = "/api/v1/devices/force-unlock", tag = "Device Locking",
    request_body = DeviceForceUnlockRequest, responses((status = 200, body = DeviceUnlockResponse)))]
pub(crate) async fn force_unlock_devices(
    State(registry): Shared,
    Body(request): Body<DeviceForceUnlockRequest>,
) -> Result<Json<DeviceUnlockResponse>, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    let decide = move |table: &DeviceLocksSpec, index: &Index| {
        let DeviceForceUnlockRequest { device_names, reason } = &request;
        let is_registered = |name: &str| index.device(name).is_some();
        let (next, released) =
            locks::force_release(table, device_names, is_registered).map_err(|unknown| {
                ApiError::not_found(format!("Devices not found: {}", unknown.join(", ")))
            })?;
        let details = details::force_unlock(reason);
        let rows = rows(&released, Operation::ForceUnlock, &details, FIELD_MANAGER);
        Ok::<_, ApiError>(Decided { next: Some(next), rows, answer: released })
    };
    let released = registry.lock_table.change(decide).await?;
    Ok(Json(released.into()))
}

/// Whether any lock locks every device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LockPolicy {
    lock_all: bool,
}

impl Model for LockPolicy {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        fields.required("lock_all", kinds::boolean).map(|lock_all| Self { lock_all })
    }
}

/// The lock policy.
#[utoipa::path(get, path = "/api/v1/devices/lock/policy", tag = "Device Locking",
    responses((status = 200, body = LockPolicy)))]
pub(crate) async fn get_lock_policy(State(registry): Shared) -> Json<LockPolicy> {
    Json(LockPolicy { lock_all: table(&registry).spec.lock_all })
}

/// Changes the lock policy.
#[utoipa::path(put, path = "/api/v1/devices/lock/policy", tag = "Device Locking",
    request_body = LockPolicy, responses((status = 200, body = LockPolicy)))]
pub(crate) async fn set_lock_policy(
    State(registry): Shared,
    Body(policy): Body<LockPolicy>,
) -> Result<Json<LockPolicy>, ApiError> {
    let LockPolicy { lock_all } = policy;
    let decide = move |table: &DeviceLocksSpec, _: &Index| {
        let next = locks::with_policy(table, lock_all);
        Ok::<_, ApiError>(Decided { next, rows: Vec::new(), answer: () })
    };
    registry.lock_table.change(decide).await?;
    Ok(Json(policy))
}

fn table(registry: &Registry) -> Arc<DeviceLocks> {
    registry.look(|index| index.locks().cloned()).unwrap_or_default()
}

/// Whether a device may be used now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceStatusResponse {
    device_name: String,
    available: bool,
    enabled: bool,
    lock_status: &'static str,
    locked_by_plan: Option<String>,
    locked_by_item: Option<String>,
    locked_at: Option<String>,
    locked_until: Option<String>,
    lock_epoch: String,
    #[schema(required = false)]
    pv_health: BTreeMap<String, PVHealthRecord>,
}

fn word(locked: bool) -> &'static str {
    if locked { "locked" } else { "unlocked" }
}

/// Whether a device may be used now, and who holds it if not.
#[utoipa::path(get, path = "/api/v1/devices/{device_name}/status", tag = "Device Locking",
    params(("device_name" = String, Path)), responses((status = 200, body = DeviceStatusResponse)))]
pub(crate) async fn get_device_status(
    State(registry): Shared,
    Path(name): Path<String>,
) -> Result<Json<DeviceStatusResponse>, ApiError> {
    let (entry, table) =
        registry.look(|index| (index.device(&name).cloned(), index.locks().cloned()));
    let entry = entry.ok_or_else(|| device_not_found(&name))?;
    let table = table.unwrap_or_default();
    let lock = locks::effective(&table.spec, &name, Timestamp::now());
    let health = registry.pv_health.lock();
    let reported = entry.shown.metadata.pvs.values();
    let pv_health =
        reported.filter_map(|pv| Some((pv.to_string(), health.get(pv)?.clone()))).collect();
    Ok(Json(DeviceStatusResponse {
        device_name: name,
        available: entry.shown.spec.active && lock.is_none(),
        enabled: entry.shown.spec.active,
        lock_status: word(lock.is_some()),
        locked_by_plan: lock.map(|lock| lock.plan_name.clone()),
        locked_by_item: lock.map(|lock| lock.item_id.clone()),
        locked_at: lock.map(|lock| lock.locked_at.clone()),
        locked_until: lock.and_then(|lock| lock.expires_at.clone()),
        lock_epoch: table.spec.epoch.clone(),
        pv_health,
    }))
}

pub(crate) struct PvQuery(pub(super) String);

impl Model for PvQuery {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        fields.required("pv_name", kinds::string).map(Self)
    }
}

/// Whether a PV may be written now.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct PVStatusResponse {
    pv_name: String,
    available: bool,
    device_name: Option<String>,
    device_enabled: Option<bool>,
    device_lock_status: Option<&'static str>,
    locked_by_plan: Option<String>,
    locked_by_item: Option<String>,
    locked_at: Option<String>,
}

/// Whether a PV may be written now, by the device that it belongs to.
#[utoipa::path(get, path = "/api/v1/pvs/status", tag = "Device Locking",
    params(("pv_name" = String, Query)), responses((status = 200, body = PVStatusResponse)))]
pub(crate) async fn get_pv_status(
    State(registry): Shared,
    Query(PvQuery(pv)): Query<PvQuery>,
) -> Result<Json<PVStatusResponse>, ApiError> {
    let table = table(&registry);
    registry.look(|index| {
        let Some(owner) = index.owner(&pv) else {
            return match index.standalone_pv(&pv) {
                None => Err(pv_not_found(&pv)),
                Some(_) => Ok(Json(PVStatusResponse {
                    pv_name: pv.clone(),
                    available: true,
                    ..PVStatusResponse::default()
                })),
            };
        };
        let enabled = index.device(owner.device).is_some_and(|entry| entry.shown.spec.active);
        // A plan that holds any device with this PV relies on it, whoever owns it.
        let now = Timestamp::now();
        let lock = locks::effective(&table.spec, owner.device, now).or_else(|| {
            index.devices_with(&pv).find_map(|name| locks::effective(&table.spec, name, now))
        });
        Ok(Json(PVStatusResponse {
            pv_name: pv.clone(),
            available: enabled && lock.is_none(),
            device_name: Some(owner.device.to_owned()),
            device_enabled: Some(enabled),
            device_lock_status: Some(word(lock.is_some())),
            locked_by_plan: lock.map(|lock| lock.plan_name.clone()),
            locked_by_item: lock.map(|lock| lock.item_id.clone()),
            locked_at: lock.map(|lock| lock.locked_at.clone()),
        }))
    })
}
