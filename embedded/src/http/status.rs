//! Errors as Kubernetes `Status` objects.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::json;
use crate::error::{ApiError, Subject};

/// The answer to a refused request.
pub(crate) fn response(error: &ApiError) -> Response {
    let (code, body) = status(error);
    json(code, body.to_string())
}

/// The code and the `Status` object of an error.
pub(crate) fn status(error: &ApiError) -> (StatusCode, Value) {
    let (code, reason) = classify(error);
    let mut status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.to_string(),
        "reason": reason,
    });
    let details = details(error);
    if !details.is_empty() {
        status["details"] = Value::Object(details);
    }
    status["code"] = json!(code.as_u16());
    (code, status)
}

fn classify(error: &ApiError) -> (StatusCode, &'static str) {
    match error {
        ApiError::UnknownPath | ApiError::NotFound(_) => (StatusCode::NOT_FOUND, "NotFound"),
        ApiError::AlreadyExists(_) => (StatusCode::CONFLICT, "AlreadyExists"),
        ApiError::Conflict(..) | ApiError::ApplyConflict { .. } => {
            (StatusCode::CONFLICT, "Conflict")
        }
        ApiError::Invalid(..) => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid"),
        ApiError::BadRequest(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
        ApiError::Terminating(..) => (StatusCode::FORBIDDEN, "Forbidden"),
        ApiError::Expired(_) => (StatusCode::GONE, "Expired"),
        ApiError::FutureVersion { .. } => (StatusCode::GATEWAY_TIMEOUT, "Timeout"),
        ApiError::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
        ApiError::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType"),
        ApiError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
        ApiError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        ApiError::Closed => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
    }
}

fn details(error: &ApiError) -> Map<String, Value> {
    let cause = |reason: &str, message: &str, field: &str| -> Value {
        let mut cause = json!({"reason": reason, "message": message});
        if !field.is_empty() {
            cause["field"] = json!(field);
        }
        cause
    };
    let mut details = Map::new();
    match error {
        ApiError::NotFound(subject)
        | ApiError::AlreadyExists(subject)
        | ApiError::Conflict(subject, _) => details = named(subject, &subject.plural),
        ApiError::Terminating(subject, namespace) => {
            details = named(subject, &subject.plural);
            let message = format!("namespace {namespace} is being terminated");
            details.insert(
                "causes".to_owned(),
                json!([cause("NamespaceTerminating", &message, "metadata.namespace")]),
            );
        }
        ApiError::Invalid(subject, problems) => {
            details = named(subject, &subject.kind);
            let causes: Value =
                problems.iter().map(|p| cause(p.reason, &p.message, &p.field)).collect();
            details.insert("causes".to_owned(), causes);
        }
        ApiError::ApplyConflict { fields, .. } => {
            let causes: Value = fields
                .iter()
                .map(|(field, message)| cause("FieldManagerConflict", message, field))
                .collect();
            details.insert("causes".to_owned(), causes);
        }
        ApiError::FutureVersion { .. } => {
            let message = "Too large resource version";
            details.insert(
                "causes".to_owned(),
                json!([cause("ResourceVersionTooLarge", message, "")]),
            );
            details.insert("retryAfterSeconds".to_owned(), json!(1));
        }
        _ => {}
    }
    details
}

fn named(subject: &Subject, kind: &str) -> Map<String, Value> {
    let mut map = Map::new();
    let pairs = [("name", subject.name.as_str()), ("group", &subject.group), ("kind", kind)];
    for (key, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        map.insert(key.to_owned(), json!(value));
    }
    map
}

/// The answer to a completed deletion.
pub(crate) fn deleted(subject: &Subject, uid: &str) -> Value {
    let mut details = named(subject, &subject.plural);
    details.insert("uid".to_owned(), json!(uid));
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}
