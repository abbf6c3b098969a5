//! Where a worker reports in: its token admits it to the conversation.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use plan_worker::protocol::INSTANCE;
use service::ApiError;

use super::Front;
use crate::driver::door::NotAdmitted;

/// Longest frame of a worker: the descriptions of a large beamline, or an image in a document.
const LONGEST_FRAME: usize = 64 << 20;

pub(super) async fn report_in(
    State(front): State<Front>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = text(header::AUTHORIZATION.as_str());
    let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let admission = match front.door.admit(token, text(INSTANCE)).await {
        Ok(admission) => admission,
        Err(NotAdmitted::Stranger) => {
            return ApiError::new(StatusCode::UNAUTHORIZED, "the token admits no worker")
                .into_response();
        }
        Err(NotAdmitted::NotNow) => {
            return ApiError::unavailable("no worker can be admitted now").into_response();
        }
    };
    upgrade.max_message_size(LONGEST_FRAME).max_frame_size(LONGEST_FRAME).on_upgrade(
        async move |socket| {
            tokio::select! {
                () = front.door.converse(admission, socket, &front.actor) => {}
                () = front.shutdown.cancelled() => {}
            }
        },
    )
}
