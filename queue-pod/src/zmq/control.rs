//! The control socket: one JSON request, one JSON reply.
//!
//! A ROUTER socket rather than REP, so that a reader does not wait for another client's write, and a client that vanishes between
//! request and reply leaves nothing behind.

use std::sync::Arc;

use bytes::Bytes;
use omq_tokio::{Identity, IdentitySocket, Message, Socket};
use serde_json::Value;
use service::validation::parse_json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::desk::Desk;
use crate::methods::{Reply, failure};

/// Requests that are answered at the same time; more wait in the socket.
const SIDE_BY_SIDE: usize = 256;
/// How the log calls it when it ends.
const NAME: &str = "0MQ control socket";

pub(super) async fn run(socket: Socket, desk: Desk) -> &'static str {
    let socket = match socket.identity_routing() {
        Ok(socket) => Arc::new(socket),
        Err(error) => {
            tracing::error!(%error, "the 0MQ control socket cannot be used");
            return NAME;
        }
    };
    let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut answers = JoinSet::new();
    loop {
        while answers.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else { return NAME };
        let (peer, message) = match socket.recv_from().await {
            Ok(received) => received,
            Err(error) => {
                tracing::error!(%error, "the 0MQ control socket failed");
                return NAME;
            }
        };
        let (desk, socket) = (desk.clone(), Arc::clone(&socket));
        answers.spawn(async move {
            answer(&desk, &socket, &peer, &message).await;
            drop(place);
        });
    }
}

async fn answer(desk: &Desk, socket: &IdentitySocket, peer: &Identity, message: &Message) {
    // Anything but a delimiter and a request is not from a REQ socket and expects no answer that it could understand.
    let Ok([delimiter, request]) = message.try_as_parts() else { return };
    if !delimiter.is_empty() {
        return;
    }
    let reply = match decode(&request) {
        Ok(request) => desk.call_wire(&request).await,
        Err(reply) => reply,
    };
    let reply = Bytes::from(Value::Object(reply).to_string());
    if let Err(error) = socket.send_to(peer, Message::multipart([Bytes::new(), reply])).await {
        tracing::debug!(%error, "a 0MQ client went away before its answer");
    }
}

pub(crate) fn decode(request: &[u8]) -> Result<Value, Reply> {
    parse_json(request).map_err(|problems| {
        let Some(problem) = problems.iter().next() else { return failure("") };
        let words = problem.ctx.as_ref().and_then(|ctx| ctx["error"].as_str()).unwrap_or_default();
        let offset = problem.loc.get(1).and_then(Value::as_u64).unwrap_or_default();
        let before = &request[..usize::try_from(offset).unwrap_or_default().min(request.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|&&byte| byte != b'\n').count();
        failure(format!(
            "Failed to decode the request: JSON decode error: {words}: \
             line {line} column {column} (char {offset})"
        ))
    })
}
