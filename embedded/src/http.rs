//! The API over HTTP, for `kube::Client` in this process and for `kubectl` on loopback.

pub(crate) mod discovery;
pub(crate) mod objects;
pub(crate) mod openapi;
pub(crate) mod options;
pub(crate) mod path;
pub(crate) mod protobuf;
pub(crate) mod render;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod watch;
pub(crate) mod write;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::error::ApiError;
use path::Path;

/// Most bytes of a request body, as on a real API server.
pub(crate) const MAX_BODY: usize = 3 << 20;

/// Ends the watches of one listener when it shuts down; a request extension.
#[derive(Clone, Debug)]
pub(crate) struct Ending(pub(crate) CancellationToken);

/// The router of the whole API.
pub(crate) fn router(api: Arc<Api>, ending: CancellationToken) -> Router {
    Router::new().fallback(answer).layer(axum::Extension(Ending(ending))).with_state(api)
}

async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    match dispatch(&api, request).await {
        Ok(response) => response,
        Err(error) => status::response(&error),
    }
}

async fn dispatch(api: &Arc<Api>, request: Request) -> Result<Response, ApiError> {
    let path = Path::parse(request.uri().path()).ok_or(ApiError::UnknownPath)?;
    match path {
        Path::Object(object) => objects::answer(api, object, request).await,
        other if request.method() == http::Method::GET => {
            discovery::answer(api, &other, request.headers())
        }
        _ => Err(ApiError::MethodNotAllowed),
    }
}

/// A JSON answer.
pub(crate) fn json(code: http::StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
