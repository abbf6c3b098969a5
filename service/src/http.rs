//! Listening, answering, and the general HTTP behaviour of every service (contract §1.1).
//!
//! [`finish`] turns a router of bare routes into a service that behaves like the Python one in
//! its place: error bodies, redirects of trailing slashes, CORS, `/metrics`, `/openapi.json`,
//! `/docs`. Web pages of others get nothing ([`refuse_foreign`]). [`Listener::bind`] and [`serve`] are apart, so that a port in use is known before
//! anything starts.

mod behaviour;
pub mod events;
mod foreign;
mod listen;

#[cfg(test)]
mod tests;

pub use foreign::refuse_foreign;
pub use listen::{BindError, Listener, ServeError, serve};

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tower::{Layer, ServiceBuilder, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};
use utoipa::openapi::OpenApi;

use crate::access::Pages;
use crate::settings::Cors;
use crate::{ApiError, metrics, openapi};

/// Largest request body unless a service says otherwise: a registry of some thousand devices, or
/// a batch of plans.
pub const DEFAULT_BODY_LIMIT: usize = 16 << 20;
/// How long a browser may remember the answer to a preflight request.
const PREFLIGHT_MAX_AGE: std::time::Duration = std::time::Duration::from_secs(600);

/// What [`finish`] needs to know about a service.
#[derive(Clone)]
pub struct ServiceInfo {
    /// Short name: the value of the metric label `service`.
    pub name: &'static str,
    /// The interface, as the pod's own `#[derive(OpenApi)]` gives it.
    pub openapi: OpenApi,
    /// What pages of other origins are told that may call.
    pub cors: Cors,
    /// Which web pages may call at all.
    pub pages: Pages,
    /// Largest request body in bytes.
    pub body_limit: usize,
}

impl std::fmt::Debug for ServiceInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceInfo")
            .field("name", &self.name)
            .field("cors", &self.cors)
            .field("pages", &self.pages)
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

/// Adds everything that services have in common to a service's own routes.
///
/// Call it last: what is added to the router afterwards goes without.
pub fn finish(routes: Router, info: ServiceInfo) -> Router {
    let ServiceInfo { name, openapi, cors, pages, body_limit } = info;
    let routes = routes
        .route("/livez", get(|| async { Json(json!({ "status": "alive" })) }))
        .route("/metrics", get(|| async { metrics::render() }))
        .merge(openapi::routes(&openapi))
        .fallback(|| async { ApiError::not_found("Not Found") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .layer(
            ServiceBuilder::new()
                .layer(middleware::from_fn_with_state(name, metrics::observe))
                .layer(DefaultBodyLimit::max(body_limit)),
        );
    // One stack of layers, not one on the other: a router copies all that is below a layer for each request.
    let routed = cors_layer(&cors).layer(service_fn(move |request| {
        let routes = routes.clone();
        async { Ok(behaviour::dispatch(routes, request).await) }
    }));
    let answered = service_fn(move |request| behaviour::starlette_edges(routed.clone(), request));
    let whole = Router::new().fallback_service(CatchPanicLayer::custom(panicked).layer(answered));
    refuse_foreign(name, pages, whole)
}

fn cors_layer(cors: &Cors) -> CorsLayer {
    let any = cors.origins.iter().any(|origin| origin == "*");
    let origins = if cors.mirror {
        AllowOrigin::mirror_request()
    } else if any {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(cors.origins.iter().filter_map(|origin| origin.parse().ok()))
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(cors.mirror || (cors.allow_credentials && !any))
        .allow_methods(AllowMethods::list(cors_methods()))
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(PREFLIGHT_MAX_AGE)
        .vary([header::ORIGIN])
}

fn cors_methods() -> impl Iterator<Item = Method> {
    let query = Method::from_bytes(b"QUERY").ok();
    [
        Method::DELETE,
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::POST,
        Method::PUT,
    ]
    .into_iter()
    .chain(query)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of the panic handler")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let reason = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    tracing::error!(reason, "a request handler panicked");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))],
        "Internal Server Error",
    )
        .into_response()
}

const REQUEST_METHOD: HeaderName = header::ACCESS_CONTROL_REQUEST_METHOD;
