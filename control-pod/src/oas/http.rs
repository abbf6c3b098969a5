//! The routes of this API (contract §2, §3).

pub(crate) mod about;
pub(crate) mod devices;
pub(crate) mod info;
pub(crate) mod openapi;
pub(crate) mod pvs;
pub(crate) mod value;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post, put};
use service::access::Scope::*;
use service::access::{Gate, Pages};
use service::http::{DEFAULT_BODY_LIMIT, ServiceInfo, finish};

use crate::audit::Caller;
use crate::audit::caller::CalledBy;
use crate::http::health;
use crate::oas::command_socket::{CommandSocket, Subject};
use crate::oas::device_socket::Devices;
use crate::oas::pv_socket::Pvs;
use crate::oas::{Oas, console, echo};
use crate::socket::accept::{Upgrade, accept, accept_image};
use crate::socket::image::ImageSocket;
use crate::socket::image::wording::Wording;
use crate::socket::{Api, SocketKind};

type Methods = MethodRouter<Arc<Oas>>;

/// All routes of this API.
pub(crate) fn router(oas: Arc<Oas>, gate: &Gate, pages: Pages) -> Router {
    let info = ServiceInfo {
        name: "ophyd-websocket",
        openapi: openapi::document(),
        cors: oas.gateway.settings.oas.cors(),
        pages,
        body_limit: DEFAULT_BODY_LIMIT,
    };
    let of_gateway = Router::new()
        .route("/health", get(health::health))
        .route("/api/v1/health", get(health::health))
        .route("/ready", get(health::ready))
        .with_state(Arc::clone(&oas.gateway));
    let about = |methods: Methods| gate.guard_closed(methods, ReadStatus);
    let read = |methods: Methods| gate.guard_closed(methods, ReadMonitor);
    let write = |methods: Methods| gate.guard_closed(methods, WriteExecute);
    // A command socket may write.
    let commands = |methods: Methods| gate.guard_socket(methods, WriteExecute);
    let pictures = |methods: Methods| gate.guard_socket(methods, ReadMonitor);
    let routes = Router::new()
        .route("/", about(get(about::read_root)))
        .route("/api/v1/websockets", about(get(about::list_websockets)))
        .route("/api/v1/load-devices", write(post(devices::load_devices_from_startup)))
        .route(
            "/api/v1/devices",
            read(get(devices::list_devices)).merge(write(put(devices::set_device_value))),
        )
        .route("/api/v1/devices/{device_name}", read(get(devices::get_device_info)))
        .route("/api/v1/devices-info", read(get(devices::get_all_devices_info)))
        .route("/api/v1/queue-server/status", about(get(about::get_queue_server_status_endpoint)))
        .route(
            "/api/v1/pvs",
            read(get(pvs::list_connected_pvs)).merge(write(put(pvs::set_pv_value))),
        )
        .route("/api/v1/pvs/{pv}", read(get(pvs::read_pv_value).post(pvs::connect_to_pv)))
        .route("/api/v1/pv-socket", commands(any(pv_socket)))
        .route("/ophydSocket", commands(any(pv_socket)))
        .route("/api/v1/device-socket", commands(any(device_socket)))
        .route("/api/v1/camera-socket", pictures(any(camera_socket)))
        .route("/api/v1/camera-socket-shared", pictures(any(camera_socket_shared)))
        .route("/api/v1/tiff-socket", pictures(any(tiff_socket)))
        .route(
            "/api/v1/qs-console-socket",
            gate.guard_socket(any(console::qs_console_socket), ReadConsole),
        )
        .route("/api/v1/ws", pictures(any(echo::ws)))
        .with_state(oas);
    finish(routes.merge(of_gateway), info)
}

async fn pv_socket(
    State(oas): State<Arc<Oas>>,
    CalledBy(caller): CalledBy,
    upgrade: Upgrade,
) -> Response {
    accept_commands(oas, upgrade, SocketKind::Pv, caller, Pvs)
}

async fn device_socket(
    State(oas): State<Arc<Oas>>,
    CalledBy(caller): CalledBy,
    upgrade: Upgrade,
) -> Response {
    accept_commands(oas, upgrade, SocketKind::Device, caller, Devices)
}

fn accept_commands(
    oas: Arc<Oas>,
    upgrade: Upgrade,
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
    upgrade: Upgrade,
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
    upgrade: Upgrade,
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
    upgrade: Upgrade,
) -> Response {
    accept_image(
        Arc::clone(&oas.gateway),
        upgrade,
        caller,
        ImageSocket::Tiff,
        Wording::OphydWebsocket,
    )
}
