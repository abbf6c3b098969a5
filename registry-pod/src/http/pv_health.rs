//! Reports about the health of PVs (contract §1.8, PV health).

use axum::Json;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use service::ApiError;
use service::validation::{Body, Fields, Model, kinds};
use utoipa::ToSchema;

use super::Shared;
use crate::pv_health::{PVHealthRecord, PVHealthStateCounts};
use crate::registry::Registry;

/// A report.
#[derive(Debug, ToSchema)]
pub(crate) struct PVHealthReport {
    message: Option<String>,
}

impl Model for PVHealthReport {
    const FORBID_EXTRA: bool = true;

    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        fields.nullable("message", kinds::string).map(|message| Self { message })
    }
}

/// How many records were forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PVHealthClearResponse {
    cleared: usize,
}

/// Number of PVs with a record, by state.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PVHealthStats {
    by_state: PVHealthStateCounts,
    tracked_pvs: usize,
}

/// `POST /api/v1/pvs/{pv_name}/failure` and `…/success`.
pub(crate) async fn report(
    State(registry): Shared,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (pv, failed) = match (path.strip_suffix("/failure"), path.strip_suffix("/success")) {
        (Some(pv), _) => (pv, true),
        (None, Some(pv)) => (pv, false),
        (None, None) => return Ok(only_get()),
    };
    let Body(report) = Body::<PVHealthReport>::from_request(request, &()).await?;
    let record = match failed {
        true => report_pv_failure(&registry, pv, report)?,
        false => report_pv_success(&registry, pv)?,
    };
    Ok(record.into_response())
}

/// `DELETE /api/v1/pvs/{pv_name}/health`.
pub(crate) async fn clear_one(State(registry): Shared, Path(path): Path<String>) -> Response {
    match path.strip_suffix("/health") {
        Some(pv) => clear_pv_health(&registry, pv).into_response(),
        None => only_get(),
    }
}

/// A PV itself can only be read.
fn only_get() -> Response {
    let mut response =
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed").into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
    response
}

fn check_known(registry: &Registry, pv: &str) -> Result<(), ApiError> {
    if registry.look(|index| index.knows_pv(pv)) {
        return Ok(());
    }
    Err(ApiError::not_found(format!("PV not registered: {pv}")))
}

/// Notes that a PV could not be reached.
#[utoipa::path(post, path = "/api/v1/pvs/{pv_name}/failure", tag = "PV Health",
    params(("pv_name" = String, Path)), request_body = PVHealthReport,
    responses((status = 200, body = PVHealthRecord)))]
pub(crate) fn report_pv_failure(
    registry: &Registry,
    pv: &str,
    report: PVHealthReport,
) -> Result<Json<PVHealthRecord>, ApiError> {
    check_known(registry, pv)?;
    Ok(Json(registry.pv_health.lock().failure(pv, report.message, Timestamp::now())))
}

/// Notes that a PV was reached.
#[utoipa::path(post, path = "/api/v1/pvs/{pv_name}/success", tag = "PV Health",
    params(("pv_name" = String, Path)), request_body = PVHealthReport,
    responses((status = 200, body = PVHealthRecord)))]
pub(crate) fn report_pv_success(
    registry: &Registry,
    pv: &str,
) -> Result<Json<PVHealthRecord>, ApiError> {
    check_known(registry, pv)?;
    Ok(Json(registry.pv_health.lock().success(pv, Timestamp::now())))
}

/// What was reported of a PV.
#[utoipa::path(get, path = "/api/v1/pvs/{pv_name}/health", tag = "PV Health",
    params(("pv_name" = String, Path)), responses((status = 200, body = PVHealthRecord)))]
pub(crate) fn get_pv_health(
    registry: &Registry,
    pv: &str,
) -> Result<Json<PVHealthRecord>, ApiError> {
    let record = registry.pv_health.lock().get(pv).cloned();
    record.map(Json).ok_or_else(|| {
        ApiError::not_found(format!(
            "No health record for PV '{pv}'. No failures recorded; treat as healthy."
        ))
    })
}

/// Forgets what was reported of a PV.
#[utoipa::path(delete, path = "/api/v1/pvs/{pv_name}/health", tag = "PV Health",
    params(("pv_name" = String, Path)), responses((status = 200, body = PVHealthClearResponse)))]
pub(crate) fn clear_pv_health(registry: &Registry, pv: &str) -> Json<PVHealthClearResponse> {
    Json(PVHealthClearResponse { cleared: registry.pv_health.lock().clear(pv) })
}

/// Forgets all reports.
#[utoipa::path(delete, path = "/api/v1/admin/pv-health", tag = "PV Health",
    responses((status = 200, body = PVHealthClearResponse)))]
pub(crate) async fn clear_all_pv_health(State(registry): Shared) -> Json<PVHealthClearResponse> {
    Json(PVHealthClearResponse { cleared: registry.pv_health.lock().clear_all() })
}

/// Number of PVs with a record, by state.
#[utoipa::path(get, path = "/api/v1/admin/pv-health/stats", tag = "PV Health",
    responses((status = 200, body = PVHealthStats)))]
pub(crate) async fn get_pv_health_stats(State(registry): Shared) -> Json<PVHealthStats> {
    let (by_state, tracked_pvs) = registry.pv_health.lock().stats();
    Json(PVHealthStats { by_state, tracked_pvs })
}
