//! `/api/v1/ws`: says back what it is told (contract §3).

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::Message;
use axum::response::Response;
use futures::StreamExt;
use tokio::time::timeout;

use crate::audit::caller::CalledBy;
use crate::oas::Oas;
use crate::socket::accept::{Upgrade, seated};
use crate::socket::{Api, SocketKind};

/// The route.
pub(crate) async fn ws(
    State(oas): State<Arc<Oas>>,
    CalledBy(caller): CalledBy,
    upgrade: Upgrade,
) -> Response {
    let what = (Api::Oas, SocketKind::Echo);
    seated(Arc::clone(&oas.gateway), upgrade, what, caller, async |mut socket, gateway, _seat| {
        let shutdown = gateway.sockets.shutdown.clone();
        loop {
            let received = tokio::select! {
                () = shutdown.cancelled() => break,
                received = socket.next() => received,
            };
            let text = match received {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                _ => break,
            };
            let answer = Message::Text(format!("Message text was: {text}").into());
            let sent = timeout(gateway.settings.ws_send_timeout, socket.send(answer)).await;
            if !matches!(sent, Ok(Ok(()))) {
                break;
            }
        }
    })
}
