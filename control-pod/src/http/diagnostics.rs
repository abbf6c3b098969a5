//! `/api/v1/diagnostics/…`: why a PV or a device is reachable or not. Not part of the contract; what
//! `beamline doctor` prints.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use service::ApiError;
use tokio::sync::SemaphorePermit;

use crate::diagnostics::{self, DeviceDiagnosis, PvDiagnosis};
use crate::gateway::Gateway;

/// Looks into a PV, known to the registry or not: extension, not published upstream.
#[utoipa::path(get, path = "/api/v1/diagnostics/pv/{pv_name}",
    params(("pv_name" = String, Path)), responses((status = 200, body = PvDiagnosis)))]
pub(crate) async fn diagnose_pv(
    State(gateway): State<Arc<Gateway>>,
    Path(pv_name): Path<String>,
) -> Result<Json<PvDiagnosis>, ApiError> {
    let _room = room(&gateway)?;
    Ok(Json(diagnostics::pv(&gateway, &pv_name).await))
}

/// Looks into a device and its PVs: extension, not published upstream.
#[utoipa::path(get, path = "/api/v1/diagnostics/device/{device_name}",
    params(("device_name" = String, Path)), responses((status = 200, body = DeviceDiagnosis)))]
pub(crate) async fn diagnose_device(
    State(gateway): State<Arc<Gateway>>,
    Path(device_name): Path<String>,
) -> Result<Json<DeviceDiagnosis>, ApiError> {
    let _room = room(&gateway)?;
    Ok(Json(diagnostics::device(&gateway, &device_name).await?))
}

/// A diagnosis sends searches of its own, so only a few run at a time.
fn room(gateway: &Gateway) -> Result<SemaphorePermit<'_>, ApiError> {
    let room = gateway.diagnoses.try_acquire();
    room.map_err(|_| {
        ApiError::unavailable("too many diagnoses are under way; try again in a few seconds")
    })
}
