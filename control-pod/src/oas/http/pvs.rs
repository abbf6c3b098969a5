//! PVs over REST (contract §2.7).
//!
//! Which PVs are connected is known to one process: with several replicas each has its own list.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use service::ApiError;
use service::validation::{Body, Fields, Model, kinds};

use crate::audit::Ending;
use crate::audit::caller::CalledBy;
use crate::clock;
use crate::gate::Refusal;
use crate::oas::command::printed;
use crate::oas::http::value;
use crate::oas::pvs::NotAdded;
use crate::oas::{CONNECT, Oas};
use crate::put::{PutError, PutRequest, admit, put};
use crate::values::json;

/// A write to a PV.
#[derive(Debug)]
pub(crate) struct EpicsPVInstruction {
    pv: String,
    set_value: Value,
    timeout: Option<i64>,
}

impl Model for EpicsPVInstruction {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let pv = fields.required("pv", kinds::string);
        let set_value = fields.required("set_value", value::set_value);
        let timeout = value::timeout(fields);
        Some(Self { pv: pv?, set_value: set_value?, timeout: timeout? })
    }
}

fn error(status: StatusCode, text: impl Into<String>) -> ApiError {
    let key = format!("{} Error", status.as_u16());
    ApiError::with_body(status, json!({ key: text.into() }))
}

fn refused(refusal: &Refusal) -> ApiError {
    let status = refusal.status();
    let key = format!("{} Error", status.as_u16());
    ApiError::with_body(status, json!({ key: refusal.to_string(), "reason": refusal.word() }))
}

fn not_connected(pv: &str) -> ApiError {
    error(StatusCode::REQUEST_TIMEOUT, format!("Device {pv} is not connected"))
}

/// PVs that a client has connected.
#[utoipa::path(get, path = "/api/v1/pvs", tag = "EPICS PVs", responses((status = 200)))]
pub(crate) async fn list_connected_pvs(
    State(oas): State<Arc<Oas>>,
) -> Result<Json<Value>, ApiError> {
    let names = oas.connected.names();
    if names.is_empty() {
        return Err(error(StatusCode::NOT_FOUND, "No devices found"));
    }
    Ok(Json(json!({ "PV List": names })))
}

/// The value of a PV that a client has connected.
#[utoipa::path(get, path = "/api/v1/pvs/{pv}", tag = "EPICS PVs",
    params(("pv" = String, Path)), responses((status = 200)))]
pub(crate) async fn read_pv_value(
    State(oas): State<Arc<Oas>>,
    Path(pv): Path<String>,
) -> Result<Json<Value>, ApiError> {
    if !oas.connected.contains(&pv) {
        return Err(error(StatusCode::NOT_FOUND, format!("PV {pv} not found")));
    }
    oas.gateway.readable_in_oas(&pv).map_err(|refusal| refused(&refusal))?;
    let monitor = oas.gateway.monitors.of(&pv);
    let sample = monitor.connected(CONNECT).await.map_err(|_| not_connected(&pv))?;
    let value = json::to_value(&sample.value);
    Ok(Json(json!({ pv: { "value": value, "timestamp": clock::epoch_seconds(sample.time) } })))
}

/// Connects a PV.
#[utoipa::path(post, path = "/api/v1/pvs/{pv}", tag = "EPICS PVs",
    params(("pv" = String, Path)), responses((status = 201)))]
pub(crate) async fn connect_to_pv(
    State(oas): State<Arc<Oas>>,
    Path(pv): Path<String>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let known = || {
        let text = format!("PV {pv} already exists, duplicate connections not allowed");
        error(StatusCode::CONFLICT, text)
    };
    if oas.connected.contains(&pv) {
        return Err(known());
    }
    oas.gateway.readable_in_oas(&pv).map_err(|refusal| refused(&refusal))?;
    let connected = oas.gateway.monitors.of(&pv).connected(CONNECT).await;
    connected.map_err(|_| not_connected(&pv))?;
    match oas.connected.add(&pv) {
        Ok(()) => {
            Ok((StatusCode::CREATED, Json(json!({ "201": format!("PV {pv} is connected") }))))
        }
        Err(NotAdded::Known) => Err(known()),
        Err(NotAdded::Full) => {
            Err(error(StatusCode::SERVICE_UNAVAILABLE, "Too many PVs are connected"))
        }
    }
}

/// Writes a PV.
#[utoipa::path(put, path = "/api/v1/pvs", tag = "EPICS PVs",
    request_body = crate::oas::http::openapi::EpicsPVInstruction, responses((status = 200)))]
pub(crate) async fn set_pv_value(
    State(oas): State<Arc<Oas>>,
    CalledBy(caller): CalledBy,
    Body(instruction): Body<EpicsPVInstruction>,
) -> Result<Json<Value>, ApiError> {
    let EpicsPVInstruction { pv, set_value, timeout } = instruction;
    let attempt = oas.gateway.audit.put(&caller, &pv, &set_value);
    let value = match writable(&oas, &pv, &set_value).await {
        Ok(value) => value,
        Err((error, ending)) => {
            attempt.end(ending);
            return Err(error);
        }
    };
    let seconds = timeout.and_then(|timeout| u64::try_from(timeout).ok());
    let request = PutRequest {
        pv: pv.clone(),
        value,
        wait: timeout.is_some(),
        use_complete: false,
        timeout: seconds.map(Duration::from_secs),
        connection_timeout: Some(CONNECT),
        check_limits: None,
    };
    put(&oas.gateway, attempt, &request).await.map_err(|error| failure(&pv, error))?;
    let value = printed(&set_value);
    let text = format!("Instruction accepted, set value of {pv} to {value}.");
    Ok(Json(json!({ "200": text })))
}

/// The value as one for that PV, if the queue server and the gate let it be written.
async fn writable(oas: &Oas, pv: &str, value: &Value) -> Result<Value, (ApiError, Ending)> {
    if let Err(busy) = oas.queue.idle().await {
        let ending = Ending::refused("queue_busy", &busy);
        return Err((busy.into(), ending));
    }
    if let Err(refusal) = admit(&oas.gateway, pv) {
        return Err((refused(&refusal), Ending::refused(refusal.word(), &refusal)));
    }
    oas.value_for(pv, value).await.map_err(|unfit| {
        let text = unfit.told(pv, value);
        let error = not_moved(pv, StatusCode::INTERNAL_SERVER_ERROR, &text);
        (error, Ending::refused("bad_value", &text))
    })
}

fn failure(pv: &str, error: PutError) -> ApiError {
    match error {
        PutError::Refused(refusal) => refused(&refusal),
        PutError::NotConnected(pv) => not_connected(&pv),
        other => not_moved(pv, other.status(), &other.to_string()),
    }
}

fn not_moved(pv: &str, status: StatusCode, why: &str) -> ApiError {
    let key = format!("{} Error", status.as_u16());
    let body = json!({ key: format!("Could not move device {pv}"), "message": why });
    ApiError::with_body(status, body)
}
