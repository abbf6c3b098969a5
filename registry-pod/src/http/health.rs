//! `/health` and `/ready` (contract §1.2).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use crds::device_locks::OBJECT_NAME;
use serde_json::json;

use super::Shared;

/// Longest wait for the store when asked about health.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the store answers, and how many devices are known.
#[utoipa::path(get, path = "/health", tag = "Health", operation_id = "health_check",
    responses((status = 200), (status = 503)))]
pub(crate) async fn health(State(registry): Shared) -> Response {
    let probe = registry.locks.get_metadata_opt(OBJECT_NAME);
    if let Ok(Ok(_)) = tokio::time::timeout(PROBE_TIMEOUT, probe).await {
        let devices = registry.look(|index| index.devices().len());
        return Json(json!({
            "status": "healthy",
            "service": registry.settings.service_name,
            "devices_loaded": devices,
        }))
        .into_response();
    }
    let body = json!({
        "status": "unhealthy",
        "service": registry.settings.service_name,
        "detail": "registry store unreachable",
    });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

/// Whether everything was loaded.
#[utoipa::path(get, path = "/ready", tag = "Health", operation_id = "readiness_check",
    responses((status = 200), (status = 503)))]
pub(crate) async fn ready(State(registry): Shared) -> Response {
    registry.readiness.answer()
}
