//! `/api/v1/stats` (contract §2.2), and beyond it which clients are slow and which PVs are busy. Metrics have totals only: their labels
//! must not grow with clients and PVs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::json;

use crate::clock;
use crate::gateway::Gateway;
use crate::http::health::{REGISTRY_BACKEND, coordination};
use crate::socket::clients::SlowClient;
use crate::socket::{Api, SocketKind};

/// Updates kept per client and PV; upstream calls it the buffer size.
const BUFFER_SIZE: usize = 1;
/// Most clients and PVs that are listed.
const LISTED: usize = 10;
/// Most PVs of a client that are named.
const NAMED: usize = 10;

/// A slow client and what it follows.
#[derive(Debug, Serialize)]
struct SlowFollower {
    #[serde(flatten)]
    client: SlowClient,
    pvs: usize,
    pv_names: Vec<String>,
}

fn slowest_clients(gateway: &Gateway) -> Vec<SlowFollower> {
    let follows = |client: SlowClient| {
        let mut pv_names = gateway.monitors.followed_by(client.session);
        let pvs = pv_names.len();
        pv_names.truncate(NAMED);
        SlowFollower { client, pvs, pv_names }
    };
    gateway.sockets.clients.slowest(LISTED).into_iter().map(follows).collect()
}

/// Figures for people: upstream's, and whose they are.
#[utoipa::path(get, path = "/api/v1/stats", operation_id = "get_stats", responses((status = 200)))]
pub(crate) async fn stats(State(gateway): State<Arc<Gateway>>) -> Json<serde_json::Value> {
    let (available, detail) = coordination(&gateway);
    let settings = &gateway.settings;
    let followed = gateway.monitors.followed();
    Json(json!({
        "service": "direct_control",
        "timestamp": clock::now(),
        "registry_backend": REGISTRY_BACKEND,
        "read_only": settings.global_read_only,
        "coordination_enabled": settings.coordination_check_enabled,
        "coordination_service_available": available,
        "coordination_service_detail": detail,
        "command_timeout": settings.command_timeout.as_secs_f64(),
        "pv_socket": {
            "websocket_connections": gateway.sockets.open(Api::Direct, SocketKind::Pv),
            "total_pvs": followed.pvs,
            "connected_pvs": gateway.monitors.connected().len(),
        },
        "device_socket": {
            "websocket_connections": gateway.sockets.open(Api::Direct, SocketKind::Device),
            "subscribed_devices": followed.devices,
            "total_device_pvs": followed.device_pvs,
        },
        "camera_socket": {
            "websocket_connections": gateway.sockets.open(Api::Direct, SocketKind::Image),
            "cameras": gateway.cameras.figures(),
        },
        "slowest_clients": slowest_clients(&gateway),
        "busiest_pvs": gateway.monitors.busiest(LISTED),
        "most_overwritten_pvs": gateway.monitors.most_overwritten(LISTED),
        "device_control": { "instantiated_devices": gateway.used.count() },
        "buffer_size": BUFFER_SIZE,
        "max_connections": settings.ws_max_connections,
    }))
}
