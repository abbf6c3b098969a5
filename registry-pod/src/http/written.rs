//! Answers that are written once and sent many times.

use axum::body::Body;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use service::ApiError;

use crate::index::Index;
use crate::registry::Registry;

/// Writes JSON to memory.
type Json<'a> = &'a mut serde_json::Serializer<&'a mut Vec<u8>>;

/// The answer to a request for `uri` that devices and PVs alone determine: as `write` says, or as it was said before if none of them
/// has changed.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn kept(
    registry: &Registry,
    uri: &Uri,
    write: impl FnOnce(&Index, Json<'_>) -> serde_json::Result<()>,
) -> Result<Response, ApiError> {
    let request = uri.path_and_query().map(|request| request.as_str()).unwrap_or_default();
    let body = registry.answer(request, |index| {
        let mut body = Vec::new();
        write(index, &mut serde_json::Serializer::new(&mut body)).map(|()| body)
    });
    let body = body.map_err(|error| {
        ApiError::internal("cannot write the answer").caused_by(error.to_string())
    })?;
    Ok(as_json(body))
}

/// An answer that is JSON already.
pub(super) fn as_json(body: impl Into<Body>) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], body.into()).into_response()
}
