//! Device methods (contract §2.6).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Map, Value};
use service::ApiError;
use service::validation::{Fields, Model, OptionalBody, kinds};
use utoipa::ToSchema;

use crate::audit::Caller;
use crate::audit::caller::CalledBy;
use crate::clock;
use crate::device::command::{Arguments, Command, command};
use crate::gateway::Gateway;
use crate::http::fields::{given, seconds};
use crate::http::guard::Guarded;

/// A method with Python's arguments.
#[derive(Debug)]
pub(crate) struct DeviceCommandRequest {
    device_name: String,
    method: String,
    args: Vec<Value>,
    kwargs: Map<String, Value>,
    timeout: Option<Duration>,
    use_put: bool,
}

impl Model for DeviceCommandRequest {
    const FORBID_EXTRA: bool = true;

    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let device_name = fields.required("device_name", kinds::string);
        let method = fields.required("method", kinds::string);
        let args = fields.default("args", kinds::list(kinds::any), Vec::new());
        let kwargs = fields.default("kwargs", kinds::object, Map::new());
        let timeout = fields.nullable("timeout", seconds);
        let use_put = fields.default("use_put", kinds::boolean, false);
        Some(Self {
            device_name: device_name?,
            method: method?,
            args: args?,
            kwargs: kwargs?,
            timeout: given(timeout?),
            use_put: use_put?,
        })
    }
}

/// A method of a component.
#[derive(Debug)]
pub(crate) struct NestedDeviceRequest {
    method: String,
    value: Option<Value>,
    timeout: Option<Duration>,
}

impl Default for NestedDeviceRequest {
    fn default() -> Self {
        Self { method: "read".to_owned(), value: None, timeout: None }
    }
}

impl Model for NestedDeviceRequest {
    const FORBID_EXTRA: bool = true;

    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let method = fields.default("method", kinds::string, "read".to_owned());
        let value = fields.nullable("value", kinds::any);
        let timeout = fields.nullable("timeout", seconds);
        Some(Self { method: method?, value: value?, timeout: given(timeout?) })
    }
}

/// What came of a device method.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceCommandResponse {
    /// Ophyd name.
    device_name: String,
    /// What was done.
    method: String,
    /// Always true; a failure is an error answer.
    success: bool,
    /// What the method returned.
    result: Value,
    /// Local time.
    timestamp: String,
    /// Whether locks and switches were looked at.
    coordination_checked: bool,
    /// A sentence.
    message: String,
    /// Whether the client asked not to wait.
    use_put: bool,
}

/// What came of a method of a component.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NestedDeviceResponse {
    /// Device and component.
    device_path: String,
    /// What was done.
    method: String,
    /// Always true; a failure is an error answer.
    success: bool,
    /// What the method returned.
    result: Value,
    /// Local time.
    timestamp: String,
    /// Nothing.
    message: Option<String>,
}

/// A reading of a device or component.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NestedValueResponse {
    /// Device, or device and component.
    device_path: String,
    /// What `read()` returned.
    value: Value,
    /// Local time.
    timestamp: String,
}

/// Performs a method of a device.
#[utoipa::path(post, path = "/api/v1/device/execute",
    request_body = crate::http::openapi::DeviceCommandRequest,
    responses((status = 200, body = DeviceCommandResponse)))]
pub(crate) async fn execute_device_method(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    Guarded(request): Guarded<DeviceCommandRequest>,
) -> Result<Json<DeviceCommandResponse>, ApiError> {
    execute(&gateway, &caller, request).await
}

/// Stops a device. Needs no lock: this is the emergency stop.
#[utoipa::path(post, path = "/api/v1/device/{device_name}/stop",
    params(("device_name" = String, Path)), responses((status = 200, body = DeviceCommandResponse)))]
pub(crate) async fn stop_device(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    Path(device_name): Path<String>,
) -> Result<Json<DeviceCommandResponse>, ApiError> {
    let request = DeviceCommandRequest {
        device_name,
        method: "stop".to_owned(),
        args: Vec::new(),
        kwargs: Map::new(),
        timeout: None,
        use_put: false,
    };
    execute(&gateway, &caller, request).await
}

async fn execute(
    gateway: &Gateway,
    caller: &Arc<Caller>,
    request: DeviceCommandRequest,
) -> Result<Json<DeviceCommandResponse>, ApiError> {
    let DeviceCommandRequest { device_name, method, args, kwargs, timeout, use_put } = request;
    let asked = Command {
        path: device_name.clone(),
        method: method.clone(),
        arguments: Arguments::Python { args, kwargs },
        timeout,
        wait: !use_put,
        supersedes: false,
        gate_reads: true,
    };
    let outcome = command(gateway, gateway.audit.command(caller, &asked), asked).await?;
    Ok(Json(DeviceCommandResponse {
        device_name,
        method,
        success: true,
        result: outcome.result,
        timestamp: clock::now(),
        coordination_checked: true,
        message: outcome.message,
        use_put,
    }))
}

/// Performs a method of a device or of one of its components; without a body `read`.
#[utoipa::path(post, path = "/api/v1/device/{device_path}",
    params(("device_path" = String, Path)),
    request_body(content = crate::http::openapi::NestedDeviceRequest),
    responses((status = 200, body = NestedDeviceResponse)))]
pub(crate) async fn access_nested_device(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    Path(device_path): Path<String>,
    OptionalBody(request): OptionalBody<NestedDeviceRequest>,
) -> Result<Json<NestedDeviceResponse>, ApiError> {
    let NestedDeviceRequest { method, value, timeout } = request.unwrap_or_default();
    let nested = nested(device_path.clone(), method.clone(), value, timeout);
    let outcome = command(&gateway, gateway.audit.command(&caller, &nested), nested).await?;
    Ok(Json(NestedDeviceResponse {
        device_path,
        method,
        success: true,
        result: outcome.result,
        timestamp: clock::now(),
        message: None,
    }))
}

/// Reads a device or one of its components.
#[utoipa::path(get, path = "/api/v1/device/{device_path}/value",
    params(("device_path" = String, Path)), responses((status = 200, body = NestedValueResponse)))]
pub(crate) async fn get_nested_device_value(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    Path(device_path): Path<String>,
) -> Result<Json<NestedValueResponse>, ApiError> {
    let read = nested(device_path.clone(), "read".to_owned(), None, None);
    let outcome = command(&gateway, gateway.audit.command(&caller, &read), read).await?;
    Ok(Json(NestedValueResponse { device_path, value: outcome.result, timestamp: clock::now() }))
}

fn nested(
    path: String,
    method: String,
    value: Option<Value>,
    timeout: Option<Duration>,
) -> Command {
    let arguments = Arguments::Value(value);
    Command { path, method, arguments, timeout, wait: true, supersedes: false, gate_reads: false }
}
