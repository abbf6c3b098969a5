//! Where a worker reports in: its one-time token admits it to the conversation.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use service::ApiError;

use super::Front;

/// Longest frame of a worker: the descriptions of a large beamline, or an image in a document.
const LONGEST_FRAME: usize = 64 << 20;

pub(super) async fn report_in(
    State(front): State<Front>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let Some(worker) = token.and_then(|token| front.door.admit(token)) else {
        return ApiError::new(StatusCode::UNAUTHORIZED, "the token admits no worker")
            .into_response();
    };
    upgrade.max_message_size(LONGEST_FRAME).max_frame_size(LONGEST_FRAME).on_upgrade(
        async move |socket| {
            tokio::select! {
                () = front.door.converse(worker, socket, &front.actor) => {}
                () = front.shutdown.cancelled() => {}
            }
        },
    )
}
