//! Answers that are written once and sent many times.

use axum::body::Body;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use service::ApiError;

use crate::index::Index;
use crate::registry::Registry;

/// Writes JSON to memory.
type Json<'a> = &'a mut serde_json::Serializer<&'a mut Vec<u8>>;

/// The answer to a request for `uri` that devices and PVs alone determine: what `look` finds, as `write` words it, or what was said
/// before if none of them has changed. Nobody waits for the index while it is written.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn kept<T>(
    registry: &Registry,
    uri: &Uri,
    look: impl FnOnce(&Index) -> T,
    write: impl FnOnce(T, Json<'_>) -> serde_json::Result<()>,
) -> Result<Response, ApiError> {
    let request = uri.path_and_query().map(|request| request.as_str()).unwrap_or_default();
    let body = registry.answer(request, look, |found| {
        let mut body = Vec::new();
        write(found, &mut serde_json::Serializer::new(&mut body)).map(|()| body)
    });
    Ok(as_json(body.map_err(unwritten)?))
}

/// 500: what is to be answered is no JSON.
#[expect(clippy::needless_pass_by_value, reason = "the signature of `map_err`")]
pub(super) fn unwritten(error: serde_json::Error) -> ApiError {
    ApiError::internal("cannot write the answer").caused_by(error.to_string())
}

/// An answer that is JSON already.
pub(super) fn as_json(body: impl Into<Body>) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], body.into()).into_response()
}
