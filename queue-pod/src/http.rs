//! HTTP and WebSockets (contract queue-server §4): the same methods as over 0MQ, at their paths, with their parameters in the body.

mod account_routes;
mod body;
mod console;
mod description;
mod devices;
mod function;
mod item;
mod methods;
mod profile;
mod routes;
mod schema;
mod sockets;
mod spreadsheet;
mod testing;
mod worker;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use service::ApiError;
use service::access::{Gate, Pages, Scope};
use service::health::Readiness;
use service::http::{DEFAULT_BODY_LIMIT, ServiceInfo};
use service::settings::{Cors, JsonList};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::checkout::Checkout;
use crate::desk::Desk;
use crate::driver::Signal;
use crate::driver::door::Door;

/// What the handlers work with.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) desk: Desk,
    pub(crate) door: Door,
    pub(crate) actor: mpsc::Sender<Signal>,
    pub(crate) checkout: Checkout,
    pub(crate) shutdown: CancellationToken,
}

impl Front {
    /// Fires when this server stops serving the queue.
    fn end(&self) -> CancellationToken {
        self.desk.tenure().map_or_else(|_| self.shutdown.clone(), |tenure| tenure.lost().clone())
    }
}

/// Refuses what only the server may answer that leads the queue.
async fn leaders_only(State(front): State<Front>, request: Request, next: Next) -> Response {
    match front.desk.tenure() {
        Ok(_) => next.run(request).await,
        Err(why) => ApiError::unavailable(why).into_response(),
    }
}

/// The whole HTTP service. Workers have tokens of their own, and probes and `/metrics` need none.
pub(crate) fn router(
    front: Front,
    gate: &Gate,
    readiness: Readiness,
    (origins, pages): (JsonList, Pages),
) -> Router {
    let health = json!({ "status": "healthy", "service": "queue" });
    let routes = Router::new()
        .merge(methods::routes(gate))
        .merge(console::routes(gate))
        .merge(sockets::routes(gate))
        .merge(testing::routes(gate))
        .merge(devices::routes(gate))
        .merge(profile::routes(gate))
        .route(schema::PATH, gate.guard(get(schema::schemas), Scope::ReadResources))
        .route(item::PATH, gate.guard(get(item::item), Scope::ReadQueue))
        .route(spreadsheet::PATH, gate.guard(post(spreadsheet::upload), Scope::WriteQueueEdit))
        .route(plan_worker::protocol::PATH, get(worker::report_in))
        .route_layer(middleware::from_fn_with_state(front.clone(), leaders_only))
        .with_state(front)
        .merge(service::access::routes(gate))
        .route("/health", get(async move || axum::Json(health.clone())))
        .route("/ready", get(async move || readiness.answer()));
    service::http::finish(
        routes,
        ServiceInfo {
            name: "queue",
            openapi: description::openapi(),
            cors: Cors::of(Some(&origins), true),
            pages,
            body_limit: DEFAULT_BODY_LIMIT,
        },
    )
}
