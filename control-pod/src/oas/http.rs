//! The routes of this API (contract §2, §3).

pub(crate) mod about;
pub(crate) mod devices;
pub(crate) mod info;
pub(crate) mod openapi;
pub(crate) mod pvs;
pub(crate) mod value;

use std::sync::Arc;

use axum::Router;
use axum::extract::{State, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{any, get, post};
use service::http::{DEFAULT_BODY_LIMIT, ServiceInfo, finish};

use crate::audit::Caller;
use crate::audit::caller::CalledBy;
use crate::http::health;
use crate::oas::command_socket::{CommandSocket, Subject};
use crate::oas::device_socket::Devices;
use crate::oas::pv_socket::Pvs;
use crate::oas::{Oas, console, echo};
use crate::socket::accept::{accept, accept_image};
use crate::socket::image::ImageSocket;
use crate::socket::image::wording::Wording;
use crate::socket::{Api, SocketKind};

/// All routes of this API.
pub(crate) fn router(oas: Arc<Oas>) -> Router {
    let info = ServiceInfo {
        name: "ophyd-websocket",
        openapi: openapi::document(),
        cors: oas.gateway.settings.oas.cors(),
        body_limit: DEFAULT_BODY_LIMIT,
    };
    let of_gateway = Router::new()
        .route("/health", get(health::health))
        .route("/api/v1/health", get(health::health))
        .route("/ready", get(health::ready))
        .with_state(Arc::clone(&oas.gateway));
    let routes = Router::new()
        .route("/", get(about::read_root))
        .route("/api/v1/websockets", get(about::list_websockets))
        .route("/api/v1/load-devices", post(devices::load_devices_from_startup))
        .route("/api/v1/devices", get(devices::list_devices).put(devices::set_device_value))
        .route("/api/v1/devices/{device_name}", get(devices::get_device_info))
        .route("/api/v1/devices-info", get(devices::get_all_devices_info))
        .route("/api/v1/queue-server/status", get(about::get_queue_server_status_endpoint))
        .route("/api/v1/pvs", get(pvs::list_connected_pvs).put(pvs::set_pv_value))
        .route("/api/v1/pvs/{pv}", get(pvs::read_pv_value).post(pvs::connect_to_pv))
        .route("/api/v1/pv-socket", any(pv_socket))
        .route("/ophydSocket", any(pv_socket))
        .route("/api/v1/device-socket", any(device_socket))
        .route("/api/v1/camera-socket", any(camera_socket))
        .route("/api/v1/camera-socket-shared", any(camera_socket_shared))
        .route("/api/v1/tiff-socket", any(tiff_socket))
        .route("/api/v1/qs-console-socket", any(console::qs_console_socket))
        .route("/api/v1/ws", any(echo::ws))
        .with_state(oas);
    finish(routes.merge(of_gateway), info)
}

async fn pv_socket(
    State(oas): State<Arc<Oas>>,
    CalledBy(caller): CalledBy,
    upgrade: WebSocketUpgrade,
) -> Response {
    accept_commands(oas, upgrade, SocketKind::Pv, caller, Pvs)
}

async fn device_socket(
    State(oas): State<Arc<Oas>>,
    CalledBy(caller): CalledBy,
    upgrade: WebSocketUpgrade,
) -> Response {
    accept_commands(oas, upgrade, SocketKind::Device, caller, Devices)
}

fn accept_commands(
    oas: Arc<Oas>,
    upgrade: WebSocketUpgrade,
    kind: SocketKind,
    caller: Arc<Caller>,
    subject: impl Subject,
) -> Response {
    let gateway = Arc::clone(&oas.gateway);
    accept(gateway, upgrade, (Api::Oas, kind), Arc::clone(&caller), |outbox, seat| {
        CommandSocket::new(subject, oas, outbox, seat, caller)
    })
}

async fn camera_socket(
    State(oas): State<Arc<Oas>>,
    CalledBy(caller): CalledBy,
    upgrade: WebSocketUpgrade,
) -> Response {
    accept_image(
        Arc::clone(&oas.gateway),
        upgrade,
        caller,
        ImageSocket::Camera,
        Wording::OphydWebsocket,
    )
}

async fn camera_socket_shared(
    State(oas): State<Arc<Oas>>,
    CalledBy(caller): CalledBy,
    upgrade: WebSocketUpgrade,
) -> Response {
    accept_image(
        Arc::clone(&oas.gateway),
        upgrade,
        caller,
        ImageSocket::CameraShared,
        Wording::OphydWebsocket,
    )
}

async fn tiff_socket(
    State(oas): State<Arc<Oas>>,
    CalledBy(caller): CalledBy,
    upgrade: WebSocketUpgrade,
) -> Response {
    accept_image(
        Arc::clone(&oas.gateway),
        upgrade,
        caller,
        ImageSocket::Tiff,
        Wording::OphydWebsocket,
    )
}
