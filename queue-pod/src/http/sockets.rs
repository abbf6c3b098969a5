//! Status and console as WebSockets (contract queue-server §4.4): text frames, from the server to the client only.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Front;
use crate::zmq::info;

/// Longest silence of the status.
const PERIOD: Duration = Duration::from_secs(1);

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/api/console_output/ws", get(console))
        .route("/api/status/ws", get(status))
        .route("/api/info/ws", get(status))
}

async fn console(State(front): State<Front>, upgrade: WebSocketUpgrade) -> Response {
    let (messages, end) = (front.desk.console.listen(), front.end());
    upgrade.on_upgrade(async move |socket| {
        let text = |message: Arc<_>| json!(*message).to_string();
        forward(socket, messages, text, None::<fn() -> String>, end).await;
    })
}

async fn status(State(front): State<Front>, upgrade: WebSocketUpgrade) -> Response {
    let (statuses, end) = (front.desk.statuses(), front.end());
    upgrade.on_upgrade(async move |socket| {
        let desk = front.desk;
        let text = |status: Arc<_>| info(&status).to_string();
        let again = move || info(&desk.view().status).to_string();
        forward(socket, statuses, text, Some(again), end).await;
    })
}

/// Sends every message as text, and what `again` says when nothing was sent for a while. A slow client loses the oldest messages.
async fn forward<T: Clone>(
    mut socket: WebSocket,
    mut messages: Receiver<T>,
    text: impl Fn(T) -> String,
    again: Option<impl Fn() -> String>,
    end: CancellationToken,
) {
    let mut period = tokio::time::interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let text = tokio::select! {
            () = end.cancelled() => break,
            message = messages.recv() => match message {
                Ok(message) => text(message),
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => break,
            },
            _ = period.tick() => match &again {
                Some(again) => again(),
                None => continue,
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        period.reset();
        if socket.send(Message::Text(text.into())).await.is_err() {
            return;
        }
    }
    // The client may be gone already.
    let _ = socket.send(Message::Close(None)).await;
}
