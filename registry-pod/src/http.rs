//! The routes of the configuration API (contract §1.1). Handlers are thin: read the request, ask
//! the domain, word the answer.

mod admin;
mod components;
mod crud;
mod devices;
mod errors;
mod health;
mod history;
mod interface;
mod locks;
mod pv_health;
mod pvs;
mod standalone;
mod written;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use service::ApiError;
use service::access::Scope::*;
use service::access::{Gate, Pages};
use service::http::{DEFAULT_BODY_LIMIT, ServiceInfo, finish};

pub use interface::interface;

use crate::registry::Registry;

/// What every handler works on.
type Shared = State<Arc<Registry>>;

/// All routes of the service.
pub(crate) fn router(registry: &Arc<Registry>, gate: &Gate, pages: Pages) -> Router {
    let api = Router::new()
        .merge(device_routes(gate))
        .merge(lock_routes(gate))
        .merge(pv_routes(gate))
        .merge(admin_routes(gate))
        .route_layer(middleware::from_fn_with_state(Arc::clone(registry), only_when_loaded));
    let routes = api
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .with_state(Arc::clone(registry));
    let info = ServiceInfo {
        name: "registry",
        openapi: interface(),
        cors: registry.settings.cors(),
        pages,
        body_limit: DEFAULT_BODY_LIMIT,
    };
    finish(routes, info)
}

type Methods = MethodRouter<Arc<Registry>>;

fn device_routes(gate: &Gate) -> Router<Arc<Registry>> {
    let read = |methods: Methods| gate.guard_closed(methods, ReadResources);
    let changes = |methods: Methods| gate.guard_closed(methods, ReadHistory);
    let write = |methods: Methods| gate.guard_closed(methods, WriteConfig);
    Router::new()
        .route(
            "/api/v1/devices",
            read(get(devices::list_devices)).merge(write(post(crud::create_device))),
        )
        .route("/api/v1/devices-info", read(get(devices::get_all_devices_info)))
        .route("/api/v1/devices/classes", read(get(devices::get_device_classes)))
        .route("/api/v1/devices/types", read(get(devices::get_device_labels)))
        .route("/api/v1/devices/instantiation", read(get(devices::list_device_instantiations)))
        .route("/api/v1/devices/history", changes(get(history::list_device_history)))
        .route("/api/v1/devices/changes", changes(get(history::get_device_changes)))
        .route("/api/v1/devices/resolve", read(post(components::resolve_device_paths)))
        .route(
            "/api/v1/devices/{device_name}",
            read(get(devices::get_device))
                .merge(write(put(crud::update_device).delete(crud::delete_device))),
        )
        .route("/api/v1/devices/{device_name}/enable", write(patch(crud::enable_device)))
        .route("/api/v1/devices/{device_name}/disable", write(patch(crud::disable_device)))
        .route("/api/v1/devices/{device_name}/pvs", read(get(pvs::get_device_pvs)))
        .route(
            "/api/v1/devices/{device_name}/instantiation",
            read(get(devices::get_device_instantiation)),
        )
        .route(
            "/api/v1/devices/{device_name}/component",
            read(get(components::get_nested_device_component)),
        )
        .route(
            "/api/v1/devices/{device_name}/components",
            read(get(components::list_device_components)),
        )
}

fn lock_routes(gate: &Gate) -> Router<Arc<Registry>> {
    let read = |methods: Methods| gate.guard_closed(methods, ReadLock);
    let write = |methods: Methods| gate.guard_closed(methods, WriteLock);
    Router::new()
        .route("/api/v1/devices/lock", write(post(locks::lock_devices)))
        .route("/api/v1/devices/unlock", write(post(locks::unlock_devices)))
        .route("/api/v1/devices/lock/renew", write(post(locks::renew_device_locks)))
        .route("/api/v1/devices/force-unlock", write(post(locks::force_unlock_devices)))
        .route(
            "/api/v1/devices/lock/policy",
            read(get(locks::get_lock_policy)).merge(write(put(locks::set_lock_policy))),
        )
        .route("/api/v1/devices/{device_name}/status", read(get(locks::get_device_status)))
        .route("/api/v1/pvs/status", read(get(locks::get_pv_status)))
}

fn pv_routes(gate: &Gate) -> Router<Arc<Registry>> {
    let read = |methods: Methods| gate.guard_closed(methods, ReadResources);
    let write = |methods: Methods| gate.guard_closed(methods, WriteConfig);
    Router::new()
        .route(
            "/api/v1/pvs",
            read(get(pvs::list_pvs)).merge(write(post(standalone::create_standalone_pv))),
        )
        .route("/api/v1/pvs/standalone", read(get(standalone::list_standalone_pvs)))
        .route("/api/v1/pvs/labels", read(get(standalone::list_standalone_pv_labels)))
        .route(
            "/api/v1/pvs/standalone/{*pv_name}",
            read(get(pvs::get_pv_called_standalone)).merge(write(
                put(standalone::update_standalone_pv).delete(standalone::delete_standalone_pv),
            )),
        )
        .route("/api/v1/pvs/detailed", read(get(pvs::get_pvs_detailed)))
        .route("/api/v1/pvs/lookup", read(get(pvs::lookup_device_pvs_by_pv)))
        // A PV name may contain slashes, and a pattern cannot go on behind such a name: the last
        // word of the path is looked at by the handlers.
        .route(
            "/api/v1/pvs/{*pv_name}",
            read(get(pvs::get_pv_or_its_health))
                .merge(write(post(pv_health::report).delete(pv_health::clear_one))),
        )
}

fn admin_routes(gate: &Gate) -> Router<Arc<Registry>> {
    let read = |methods: Methods| gate.guard_closed(methods, ReadConfig);
    let write = |methods: Methods| gate.guard_closed(methods, WriteConfig);
    Router::new()
        .route("/api/v1/registry/reset", write(post(admin::reset_registry)))
        .route("/api/v1/registry/clear", write(post(admin::clear_registry)))
        .route("/api/v1/registry/export", read(get(admin::export_registry)))
        .route("/api/v1/admin/pv-health", write(delete(pv_health::clear_all_pv_health)))
        .route("/api/v1/admin/pv-health/stats", read(get(pv_health::get_pv_health_stats)))
}

/// Until everything was listed once, an answer would be wrong.
async fn only_when_loaded(State(registry): Shared, request: Request, next: Next) -> Response {
    if registry.readiness.reason().is_some() {
        return ApiError::unavailable("Configuration not loaded").into_response();
    }
    next.run(request).await
}
