//! The one error type at the HTTP edge: a status, a body for the client, a cause for the log.
//!
//! Domain errors know nothing of HTTP; each pod maps them here once.

use std::error::Error;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Why a request was refused. Rendered as `{"detail": …}` (contract §1.1), unless the contract
/// prescribes another body.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Value,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error with the body `{"detail": detail}`.
    pub fn new(status: StatusCode, detail: impl Into<Value>) -> Self {
        Self::with_body(status, json!({ "detail": detail.into() }))
    }

    /// An error whose whole body is `body`, for the few that are not wrapped in `detail`.
    pub fn with_body(status: StatusCode, body: Value) -> Self {
        Self { status, body, cause: None }
    }

    /// 400.
    pub fn bad_request(detail: impl Into<Value>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 403.
    pub fn forbidden(detail: impl Into<Value>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<Value>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409.
    pub fn conflict(detail: impl Into<Value>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 422 with a sentence, for input that is well-formed but makes no sense.
    pub fn unprocessable(detail: impl Into<Value>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 500 with a sentence that the client may see.
    pub fn internal(detail: impl Into<Value>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// 503: something that this service needs does not answer.
    pub fn unavailable(detail: impl Into<Value>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// Keeps `cause` for the log. The client never sees it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body of the answer.
    pub fn body(&self) -> &Value {
        &self.body
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            let error = with_sources(cause.as_ref());
            if self.status.is_server_error() {
                tracing::error!(status = self.status.as_u16(), %error, "request failed");
            } else {
                tracing::debug!(status = self.status.as_u16(), %error, "request refused");
            }
        }
        (self.status, Json(self.body)).into_response()
    }
}

/// The error and everything that it names as its source, in one line.
pub fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = inner.source();
    }
    line
}
