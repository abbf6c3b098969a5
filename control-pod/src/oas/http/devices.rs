//! The devices of the registry (contract §2.3 to §2.6).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use futures::{StreamExt, stream};
use serde_json::{Map, Value, json};
use service::ApiError;
use service::validation::{Body, Fields, Model, kinds};

use crate::audit::Ending;
use crate::audit::caller::CalledBy;
use crate::device::DeviceError;
use crate::device::command::{Arguments, Command, command};
use crate::gate::Refusal;
use crate::oas::command::printed;
use crate::oas::http::{info, value};
use crate::oas::{Oas, shown};

/// Devices that are asked at the same time.
const SIDE_BY_SIDE: usize = 256;

/// A write to a device.
#[derive(Debug)]
pub(crate) struct OphydDeviceInstruction {
    device: String,
    set_value: Value,
    component: Option<String>,
    timeout: Option<i64>,
}

impl Model for OphydDeviceInstruction {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let device = fields.required("device", kinds::string);
        let set_value = fields.required("set_value", value::set_value);
        let component = fields.nullable("component", kinds::string);
        let timeout = value::timeout(fields);
        Some(Self {
            device: device?,
            set_value: set_value?,
            component: component?,
            timeout: timeout?,
        })
    }
}

/// Names of all devices, sorted.
fn names(oas: &Oas) -> Result<Vec<String>, Refusal> {
    let registry = oas.gateway.registry()?;
    let mut names: Vec<String> = registry.devices().map(|device| device.name.clone()).collect();
    names.sort();
    Ok(names)
}

/// The devices.
#[utoipa::path(get, path = "/api/v1/devices", tag = "Ophyd Devices", responses((status = 200)))]
pub(crate) async fn list_devices(State(oas): State<Arc<Oas>>) -> Result<Json<Value>, ApiError> {
    let devices = names(&oas)?;
    let count = devices.len();
    let message = match count {
        0 => {
            "No devices found in registry. Register devices with the configuration API.".to_owned()
        }
        _ => format!("Found {count} devices in registry"),
    };
    Ok(Json(json!({ "devices": devices, "count": count, "message": message })))
}

/// There is nothing to load: the registry is followed all the time.
#[utoipa::path(post, path = "/api/v1/load-devices", tag = "Ophyd Devices", responses((status = 200)))]
pub(crate) async fn load_devices_from_startup(
    State(oas): State<Arc<Oas>>,
) -> Result<Json<Value>, ApiError> {
    let devices = names(&oas)?;
    let count = devices.len();
    Ok(Json(json!({
        "success": true,
        "message": format!("Successfully loaded {count} devices from the registry"),
        "startup_directory": null,
        "devices_loaded": devices,
        "previous_device_count": count,
        "new_device_count": count,
    })))
}

fn not_found(name: &str) -> ApiError {
    let body = json!({ "error": format!("Device '{name}' not found in registry") });
    ApiError::with_body(StatusCode::NOT_FOUND, body)
}

/// One device: its class, and what it reads.
#[utoipa::path(get, path = "/api/v1/devices/{device_name}", tag = "Ophyd Devices",
    params(("device_name" = String, Path)), responses((status = 200)))]
pub(crate) async fn get_device_info(
    State(oas): State<Arc<Oas>>,
    Path(device_name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    match oas.gateway.known_device(&device_name) {
        Ok(device) => Ok(Json(info::of(&oas.gateway, &device).await)),
        Err(Refusal::UnknownDevice(name)) => Err(not_found(&name)),
        Err(other) => Err(other.into()),
    }
}

/// All devices.
#[utoipa::path(get, path = "/api/v1/devices-info", tag = "Ophyd Devices", responses((status = 200)))]
pub(crate) async fn get_all_devices_info(
    State(oas): State<Arc<Oas>>,
) -> Result<Json<Value>, ApiError> {
    let registry = oas.gateway.registry()?;
    let names = names(&oas)?;
    let known = names.into_iter().filter_map(|name| registry.device(&name).cloned());
    let infos = stream::iter(known).map(|device| {
        let oas = Arc::clone(&oas);
        async move { (device.name.clone(), info::of(&oas.gateway, &device).await) }
    });
    let infos: Vec<_> = infos.buffered(SIDE_BY_SIDE).collect().await;
    let count = infos.len();
    Ok(Json(json!({ "devices": Map::from_iter(infos), "count": count })))
}

/// Sets a device or one of its components.
#[utoipa::path(put, path = "/api/v1/devices", tag = "Ophyd Devices",
    request_body = crate::oas::http::openapi::OphydDeviceInstruction, responses((status = 200)))]
pub(crate) async fn set_device_value(
    State(oas): State<Arc<Oas>>,
    CalledBy(caller): CalledBy,
    Body(instruction): Body<OphydDeviceInstruction>,
) -> Result<Json<Value>, ApiError> {
    let OphydDeviceInstruction { device, set_value, component, timeout } = instruction;
    let path = match &component {
        Some(component) => format!("{device}.{component}"),
        None => device.clone(),
    };
    let seconds = timeout.and_then(|timeout| u64::try_from(timeout).ok());
    let set = |value: Value| Command {
        path: path.clone(),
        method: "set".to_owned(),
        arguments: Arguments::Value(Some(value)),
        timeout: seconds.map(Duration::from_secs),
        wait: timeout.is_some(),
        supersedes: false,
        gate_reads: false,
    };
    let attempt = oas.gateway.audit.command(&caller, &set(set_value.clone()));
    if let Err(busy) = oas.queue.idle().await {
        attempt.end(Ending::refused("queue_busy", &busy));
        return Err(busy.into());
    }
    let written = match pv_of(&oas, &path) {
        Some(pv) => oas.value_for(&pv, &set_value).await.unwrap_or_else(|_| set_value.clone()),
        None => set_value.clone(),
    };
    let value = printed(&set_value);
    let outcome = command(&oas.gateway, attempt, set(written)).await;
    if let Err(error) = outcome {
        let asked = Asked { device, component, value: set_value };
        return Err(asked.failure(&oas, &path, &error));
    }
    Ok(Json(match timeout {
        Some(timeout) => json!({
            "success": true,
            "message": format!("Successfully set {path} to {value} (with timeout {timeout}s)"),
            "device": device, "component": component, "value": set_value, "timeout": timeout,
        }),
        None => json!({
            "success": true,
            "message": format!("Set operation initiated for {path} to {value}"),
            "device": device, "component": component, "value": set_value,
            "note": "No timeout specified - operation may complete asynchronously",
        }),
    }))
}

/// The PV that shows what is set.
fn pv_of(oas: &Oas, path: &str) -> Option<String> {
    let root = path.split('.').next().unwrap_or_default();
    let device = oas.gateway.known_device(root).ok()?;
    let shown = shown::of(&device, path, false).ok()?;
    shown.into_iter().next().map(|shown| shown.pv)
}

/// What was to be set, for the answer that it was not.
struct Asked {
    device: String,
    component: Option<String>,
    value: Value,
}

impl Asked {
    fn failure(self, oas: &Oas, path: &str, error: &DeviceError) -> ApiError {
        let Self { device, component, value } = self;
        let (status, reason) = match error {
            DeviceError::Refused(Refusal::UnknownDevice(name)) => {
                let body = json!({
                    "error": format!("Device '{name}' not found in registry"),
                    "available_devices": names(oas).unwrap_or_default(),
                });
                return ApiError::with_body(StatusCode::NOT_FOUND, body);
            }
            DeviceError::NoComponent { device, path, .. } => {
                let known = oas.gateway.known_device(device);
                let class = known.map(|known| info::short_class(&known).to_owned());
                let body = json!({
                    "error": format!("Component '{path}' not found on device '{device}'"),
                    "device_type": class.unwrap_or_default(),
                });
                return ApiError::with_body(StatusCode::BAD_REQUEST, body);
            }
            DeviceError::NotSupported { class, .. } => {
                let body = json!({
                    "error": format!("Target '{path}' does not support set operations"),
                    "target_type": class,
                });
                return ApiError::with_body(StatusCode::BAD_REQUEST, body);
            }
            DeviceError::Refused(refusal) => (refusal.status(), Some(refusal.word())),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let mut body = json!({
            "error": format!("Failed to set {path}"),
            "message": error.to_string(),
            "device": device, "component": component, "value": value,
        });
        if let Some(reason) = reason {
            body["reason"] = reason.into();
        }
        ApiError::with_body(status, body)
    }
}
