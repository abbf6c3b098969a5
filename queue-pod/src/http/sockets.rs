//! Status and console as WebSockets (contract queue-server §4.4): text frames, from the server to the client only.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;
use service::access::{Entry, Gate, Scope};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Front;
use crate::zmq::info;

/// Longest message of a client, which has nothing to say but who it is.
const LONGEST_MESSAGE: usize = 64 << 10;
/// Longest silence of the status.
const PERIOD: Duration = Duration::from_secs(1);

pub(super) fn routes(gate: &Gate) -> Router<Front> {
    Router::new()
        .route("/api/console_output/ws", gate.guard_socket(get(console), Scope::ReadConsole))
        .route("/api/status/ws", gate.guard_socket(get(status), Scope::ReadMonitor))
        .route("/api/info/ws", gate.guard_socket(get(status), Scope::ReadMonitor))
}

async fn console(State(front): State<Front>, entry: Entry, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(LONGEST_MESSAGE).on_upgrade(async move |mut socket| {
        if entry.pass(&mut socket).await.is_none() {
            return;
        }
        let (messages, end) = (front.desk.console.listen(), front.end());
        let text = |message: Arc<_>| json!(*message).to_string();
        forward(socket, messages, text, None::<fn() -> String>, end).await;
    })
}

async fn status(State(front): State<Front>, entry: Entry, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(LONGEST_MESSAGE).on_upgrade(async move |mut socket| {
        if entry.pass(&mut socket).await.is_none() {
            return;
        }
        let (statuses, end) = (front.desk.statuses(), front.end());
        let desk = front.desk;
        let text = |status: Arc<_>| info(&status).to_string();
        let again = move || info(&desk.view().news()).to_string();
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
