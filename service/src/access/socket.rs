//! WebSockets whose clients say in the first message who they are, as in ophyd-service (contract queue-server §5.4): browsers can send
//! no header with a WebSocket.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::http::request::Parts;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::caller::Caller;
use super::credential::Credential;
use super::gate::{Asked, Gate};
use super::refusal::Refusal;
use crate::ApiError;

/// How long a client may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long its part of the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Closing code when nobody said anything of use.
const UNKNOWN: (u16, &str) = (4401, "Auth required");
/// Closing code when it was wrong.
const WRONG: (u16, &str) = (4001, "Invalid token");
/// Closing code when it was right, and not enough.
const NOT_ENOUGH: (u16, &str) = (4403, "Not enough permissions");

/// How a socket is entered.
#[derive(Clone, Debug)]
pub enum Entry {
    /// Who opens it is known.
    Known(Caller),
    /// Who opens it has to say so first.
    Later(Arc<Unknown>),
}

/// A socket whose client is not known yet.
#[derive(Debug)]
pub struct Unknown {
    gate: Gate,
    asked: Asked,
    _room: OwnedSemaphorePermit,
}

/// `{"type": "auth", "api_key": …}` or `{"type": "auth", "access_token": …}`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum FirstMessage {
    Auth { api_key: Option<String>, access_token: Option<String> },
}

impl Entry {
    /// A socket whose client is asked later; none while too many others are.
    pub(super) fn later(gate: Gate, asked: Asked) -> Option<Self> {
        let room = gate.unknown_sockets().try_acquire_owned().ok()?;
        Some(Self::Later(Arc::new(Unknown { gate, asked, _room: room })))
    }

    /// Who opens the socket; closes it when that does not become clear, or is not enough.
    pub async fn pass(self, socket: &mut WebSocket) -> Option<Caller> {
        let unknown = match self {
            Self::Known(caller) => return Some(caller),
            Self::Later(unknown) => unknown,
        };
        let shown = timeout(PATIENCE, first_message(socket)).await.ok().flatten();
        let is_silent = shown.is_none();
        match unknown.gate.decide(&unknown.asked, Ok(shown)).await {
            Ok(caller) => Some(caller),
            Err(refusal) => {
                close(socket, goodbye(is_silent, &refusal)).await;
                None
            }
        }
    }
}

fn goodbye(is_silent: bool, refusal: &Refusal) -> (u16, &'static str) {
    match refusal {
        _ if is_silent => UNKNOWN,
        Refusal::Scopes { .. } => NOT_ENOUGH,
        _ => WRONG,
    }
}

async fn first_message(socket: &mut WebSocket) -> Option<Credential> {
    loop {
        match socket.recv().await?.ok()? {
            Message::Text(text) => return credential(&text),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) | Message::Close(_) => return None,
        }
    }
}

fn credential(text: &str) -> Option<Credential> {
    let FirstMessage::Auth { api_key, access_token } = serde_json::from_str(text).ok()?;
    let key = api_key.map(|key| Credential::ApiKey(key.as_str().into()));
    key.or_else(|| access_token.map(|token| Credential::Bearer(token.as_str().into())))
}

async fn close(socket: &mut WebSocket, (code, reason): (u16, &'static str)) {
    let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    let goodbye = async {
        if socket.send(frame).await.is_ok() {
            while socket.recv().await.is_some_and(|message| message.is_ok()) {}
        }
    };
    // A client that does not say goodbye is gone all the same.
    let _ = timeout(GOODBYE, goodbye).await;
}

impl<S: Send + Sync> FromRequestParts<S> for Entry {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let entry = parts.extensions.get::<Self>().cloned();
        entry.ok_or_else(|| ApiError::internal("Nobody has looked who opens this socket"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_holds_a_key_or_a_token() {
        let key = Some(Credential::ApiKey("k".into()));
        assert_eq!(credential(r#"{"type": "auth", "api_key": "k"}"#), key);
        let token = Some(Credential::Bearer("t".into()));
        assert_eq!(credential(r#"{"type": "auth", "access_token": "t"}"#), token);
        for other in ["", "{}", r#"{"type": "auth"}"#, r#"{"type": "sub", "api_key": "k"}"#] {
            assert_eq!(credential(other), None, "{other}");
        }
    }
}
