//! `/health` and `/ready` (contract §2.2).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::clock;
use crate::gateway::Gateway;
use crate::registry::view::Trust;
use crate::socket::{Api, SocketKind};

/// Where the registry comes from.
pub(crate) const REGISTRY_BACKEND: &str = "kubernetes";

/// Health of direct control.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthResponse {
    /// `healthy` or `unhealthy`.
    status: &'static str,
    /// Local time.
    timestamp: String,
    /// Whether registry and locks are known.
    coordination_service_available: bool,
    /// Why not.
    coordination_service_detail: Option<String>,
    /// Where the registry comes from.
    registry_backend: &'static str,
    /// Whether every write is refused.
    read_only: bool,
    /// Subscriptions of all sockets.
    active_subscriptions: usize,
    /// Monitored PVs that are connected.
    connected_pvs: usize,
    /// Open pv-sockets.
    websocket_connections: usize,
}

/// Whether registry and locks are known, and why not.
pub(crate) fn coordination(gateway: &Gateway) -> (bool, Option<String>) {
    if !gateway.settings.coordination_check_enabled {
        return (true, None);
    }
    match gateway.registry.trust() {
        Trust::Following => (true, None),
        Trust::Loading => (false, Some("the registry has not been read yet".to_owned())),
        Trust::Stale { detail, .. } => {
            (false, Some(format!("cannot reach the Kubernetes API: {detail}")))
        }
    }
}

/// Whether direct control can do its work: 503 while registry and locks are unknown.
#[utoipa::path(get, path = "/health", responses((status = 200, body = HealthResponse)))]
pub(crate) async fn health(State(gateway): State<Arc<Gateway>>) -> Response {
    let (available, detail) = coordination(&gateway);
    let body = HealthResponse {
        status: if available { "healthy" } else { "unhealthy" },
        timestamp: clock::now(),
        coordination_service_available: available,
        coordination_service_detail: detail,
        registry_backend: REGISTRY_BACKEND,
        read_only: gateway.settings.global_read_only,
        active_subscriptions: gateway.monitors.subscriptions(),
        connected_pvs: gateway.monitors.connected().len(),
        websocket_connections: gateway.sockets.open(Api::Direct, SocketKind::Pv),
    };
    let status = if available { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

/// Whether the registry has been read, so that requests can be answered.
#[utoipa::path(get, path = "/ready", responses((status = 200)))]
pub(crate) async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.registry() {
        Ok(_) => Json(json!({ "status": "ready" })).into_response(),
        Err(_) => {
            let body = json!({ "status": "not_ready", "reason": "registry not loaded" });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}
