//! The REST interface (contract §2.1 to §2.6), with diagnostics and the audit beside it.

pub(crate) mod audit;
pub(crate) mod devices;
pub(crate) mod diagnostics;
pub(crate) mod errors;
pub(crate) mod fields;
pub(crate) mod guard;
pub(crate) mod health;
pub(crate) mod negotiate;
pub(crate) mod openapi;
pub(crate) mod pv_set;
pub(crate) mod pv_value;
pub(crate) mod resolve;
pub(crate) mod stats;

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, any, get, post};
use service::access::Scope::*;
use service::access::{Gate, Pages};
use service::http::{DEFAULT_BODY_LIMIT, ServiceInfo, finish};

use crate::gateway::Gateway;
use crate::socket::accept;

type Methods = MethodRouter<Arc<Gateway>>;

/// All routes of direct control.
pub(crate) fn router(gateway: Arc<Gateway>, gate: &Gate, pages: Pages) -> Router {
    let info = ServiceInfo {
        name: "control",
        openapi: openapi::document(),
        cors: gateway.settings.cors(),
        pages,
        body_limit: DEFAULT_BODY_LIMIT,
    };
    let read = |methods: Methods| gate.guard_closed(methods, ReadMonitor);
    let write = |methods: Methods| gate.guard_closed(methods, WriteExecute);
    let stop = |methods: Methods| gate.guard_closed(methods, WritePlanControl);
    let history = |methods: Methods| gate.guard_closed(methods, ReadHistory);
    // A command socket may write.
    let commands = |methods: Methods| gate.guard_socket(methods, WriteExecute);
    let pictures = |methods: Methods| gate.guard_socket(methods, ReadMonitor);
    let routes = Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/api/v1/stats", read(get(stats::stats)))
        .route("/api/v1/pv/set", write(post(pv_set::set_pv)))
        .route("/api/v1/pv/set/batch", write(post(pv_set::set_pv_batch)))
        .route("/api/v1/pv/{pv_name}/value", read(get(pv_value::get_pv_value_from_controller)))
        .route("/api/v1/pvs/{pv_name}/value", read(get(pv_value::get_monitored_pv_value)))
        .route("/api/v1/pvs/connected", read(get(pv_value::get_connected_pvs)))
        .route("/api/v1/device/execute", write(post(devices::execute_device_method)))
        .route("/api/v1/device/{device_path}", write(post(devices::access_nested_device)))
        .route("/api/v1/device/{device_path}/stop", stop(post(devices::stop_device)))
        .route("/api/v1/device/{device_path}/value", read(get(devices::get_nested_device_value)))
        .route("/api/v1/devices/resolve", read(post(resolve::resolve_device_paths)))
        .route("/api/v1/diagnostics/pv/{pv_name}", read(get(diagnostics::diagnose_pv)))
        .route("/api/v1/diagnostics/device/{device_name}", read(get(diagnostics::diagnose_device)))
        .route("/api/v1/audit", history(get(audit::get_audit)))
        .route("/api/v1/pv-socket", commands(any(accept::pv_socket)))
        .route("/api/v1/device-socket", commands(any(accept::device_socket)))
        .route("/api/v1/control-socket", commands(any(accept::control_socket)))
        // What upstream's pages call these three, and its README the first.
        .route("/ws/pv/monitor", commands(any(accept::pv_socket)))
        .route("/ws/pv-socket", commands(any(accept::pv_socket)))
        .route("/ws/device-socket", commands(any(accept::device_socket)))
        .route("/ws/control-socket", commands(any(accept::control_socket)))
        .route("/api/v1/camera-socket", pictures(any(accept::camera_socket)))
        .route("/api/v1/camera-socket-shared", pictures(any(accept::camera_socket_shared)))
        .route("/api/v1/tiff-socket", pictures(any(accept::tiff_socket)))
        .with_state(gateway);
    finish(routes, info)
}
