//! The console over plain HTTP (contract queue-server §4.2).

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::StreamExt;
use serde_json::{Value, json};
use service::ApiError;
use service::access::{Gate, Scope};
use tokio_stream::wrappers::BroadcastStream;

use super::Front;
use super::body::{Params, only};
use crate::desk::now;

/// Lines that are answered unless the client says how many, and at most.
const LINES: (u64, u64) = (200, 2_000);

/// How long ago what a stream begins with was printed at most, in seconds: who opens it and sends a request at once sees what becomes of
/// that, whichever of the two comes in first.
const JUST_PRINTED: f64 = 0.5;

pub(super) fn routes(gate: &Gate) -> Router<Front> {
    let guarded = |handler| gate.guard(handler, Scope::ReadConsole);
    Router::new()
        .route("/api/console_output", guarded(get(text)))
        .route("/api/console_output/uid", guarded(get(uid)))
        .route("/api/console_output_update", guarded(get(update)))
        .route("/api/stream_console_output", guarded(get(stream)))
}

async fn text(State(front): State<Front>, params: Params) -> Result<Json<Value>, ApiError> {
    let params = only(params.0.unwrap_or_default(), "nlines")?;
    let lines = match params.get("nlines") {
        None => LINES.0,
        Some(value) => value.as_u64().ok_or_else(|| {
            ApiError::bad_request("The parameter 'nlines' must be a positive integer")
        })?,
    };
    let lines = usize::try_from(lines.min(LINES.1)).unwrap_or_default();
    let text = front.desk.console.text(lines);
    Ok(Json(json!({ "success": true, "msg": "", "text": text })))
}

async fn uid(State(front): State<Front>) -> Json<Value> {
    let uid = front.desk.console.uid();
    Json(json!({ "success": true, "msg": "", "console_output_uid": uid }))
}

async fn update(State(front): State<Front>, params: Params) -> Result<Json<Value>, ApiError> {
    let params = only(params.required()?, "last_msg_uid")?;
    let seen = params.get("last_msg_uid").ok_or_else(|| {
        ApiError::bad_request("Some required keys are missing in the request: {'last_msg_uid'}. ")
    })?;
    let (last, messages) = front.desk.console.since(seen.as_str().unwrap_or_default());
    let messages: Vec<_> = messages.iter().map(|message| json!(**message)).collect();
    Ok(Json(json!({
        "success": true,
        "msg": "",
        "last_msg_uid": last,
        "console_output_msgs": messages,
    })))
}

/// Everything that is printed from now on, one JSON object behind the other; it begins with what is [`JUST_PRINTED`].
async fn stream(State(front): State<Front>) -> Response {
    let (printed, listener) = front.desk.console.listen_since(now() - JUST_PRINTED);
    let messages = BroadcastStream::new(listener).filter_map(async |message| message.ok());
    let messages = futures::stream::iter(printed)
        .chain(messages)
        .map(|message| Ok::<_, Infallible>(Bytes::from(json!(*message).to_string())))
        .take_until(front.end().cancelled_owned());
    ([("content-type", "text/plain; charset=utf-8")], Body::from_stream(messages)).into_response()
}
