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
use axum::routing::{delete, get, patch, post};
use service::ApiError;
use service::http::{DEFAULT_BODY_LIMIT, ServiceInfo, finish};

pub use interface::interface;

use crate::registry::Registry;

/// What every handler works on.
type Shared = State<Arc<Registry>>;

/// All routes of the service.
pub(crate) fn router(registry: &Arc<Registry>) -> Router {
    let api = Router::new()
        .merge(device_routes())
        .merge(lock_routes())
        .merge(pv_routes())
        .merge(admin_routes())
        .route_layer(middleware::from_fn_with_state(Arc::clone(registry), only_when_loaded));
    let routes = api
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .with_state(Arc::clone(registry));
    let info = ServiceInfo {
        name: "registry",
        openapi: interface(),
        cors: registry.settings.cors(),
        body_limit: DEFAULT_BODY_LIMIT,
    };
    finish(routes, info)
}

fn device_routes() -> Router<Arc<Registry>> {
    Router::new()
        .route("/api/v1/devices", get(devices::list_devices).post(crud::create_device))
        .route("/api/v1/devices-info", get(devices::get_all_devices_info))
        .route("/api/v1/devices/classes", get(devices::get_device_classes))
        .route("/api/v1/devices/types", get(devices::get_device_labels))
        .route("/api/v1/devices/instantiation", get(devices::list_device_instantiations))
        .route("/api/v1/devices/history", get(history::list_device_history))
        .route("/api/v1/devices/changes", get(history::get_device_changes))
        .route("/api/v1/devices/resolve", post(components::resolve_device_paths))
        .route(
            "/api/v1/devices/{device_name}",
            get(devices::get_device).put(crud::update_device).delete(crud::delete_device),
        )
        .route("/api/v1/devices/{device_name}/enable", patch(crud::enable_device))
        .route("/api/v1/devices/{device_name}/disable", patch(crud::disable_device))
        .route("/api/v1/devices/{device_name}/pvs", get(pvs::get_device_pvs))
        .route(
            "/api/v1/devices/{device_name}/instantiation",
            get(devices::get_device_instantiation),
        )
        .route(
            "/api/v1/devices/{device_name}/component",
            get(components::get_nested_device_component),
        )
        .route("/api/v1/devices/{device_name}/components", get(components::list_device_components))
}

fn lock_routes() -> Router<Arc<Registry>> {
    Router::new()
        .route("/api/v1/devices/lock", post(locks::lock_devices))
        .route("/api/v1/devices/unlock", post(locks::unlock_devices))
        .route("/api/v1/devices/lock/renew", post(locks::renew_device_locks))
        .route("/api/v1/devices/force-unlock", post(locks::force_unlock_devices))
        .route(
            "/api/v1/devices/lock/policy",
            get(locks::get_lock_policy).put(locks::set_lock_policy),
        )
        .route("/api/v1/devices/{device_name}/status", get(locks::get_device_status))
}

fn pv_routes() -> Router<Arc<Registry>> {
    Router::new()
        .route("/api/v1/pvs", get(pvs::list_pvs).post(standalone::create_standalone_pv))
        .route("/api/v1/pvs/standalone", get(standalone::list_standalone_pvs))
        .route("/api/v1/pvs/labels", get(standalone::list_standalone_pv_labels))
        .route(
            "/api/v1/pvs/standalone/{*pv_name}",
            get(pvs::get_pv_called_standalone)
                .put(standalone::update_standalone_pv)
                .delete(standalone::delete_standalone_pv),
        )
        .route("/api/v1/pvs/detailed", get(pvs::get_pvs_detailed))
        .route("/api/v1/pvs/lookup", get(pvs::lookup_device_pvs_by_pv))
        .route("/api/v1/pvs/status", get(locks::get_pv_status))
        // A PV name may contain slashes, and a pattern cannot go on behind such a name: the last
        // word of the path is looked at by the handlers.
        .route(
            "/api/v1/pvs/{*pv_name}",
            get(pvs::get_pv_or_its_health).post(pv_health::report).delete(pv_health::clear_one),
        )
}

fn admin_routes() -> Router<Arc<Registry>> {
    Router::new()
        .route("/api/v1/registry/reset", post(admin::reset_registry))
        .route("/api/v1/registry/clear", post(admin::clear_registry))
        .route("/api/v1/registry/export", get(admin::export_registry))
        .route("/api/v1/admin/pv-health", delete(pv_health::clear_all_pv_health))
        .route("/api/v1/admin/pv-health/stats", get(pv_health::get_pv_health_stats))
}

/// Until everything was listed once, an answer would be wrong.
async fn only_when_loaded(State(registry): Shared, request: Request, next: Next) -> Response {
    if registry.readiness.reason().is_some() {
        return ApiError::unavailable("Configuration not loaded").into_response();
    }
    next.run(request).await
}
