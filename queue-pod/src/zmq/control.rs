//! The control socket: one JSON request, one JSON reply.
//!
//! A ROUTER socket rather than REP, so that a reader does not wait for another client's write, and a client that vanishes between
//! request and reply leaves nothing behind.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use service::validation::parse_json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use zeromq::{RouterSendHalf, RouterSocket, SocketRecv, SocketSend, ZmqMessage};

use crate::desk::Desk;
use crate::methods::{Reply, failure};

/// Requests that are answered at the same time; more wait in the socket.
const SIDE_BY_SIDE: usize = 256;
/// Frames of a request: the peer, an empty delimiter, the request.
const FRAMES: usize = 3;

pub(super) async fn run(socket: RouterSocket, desk: Desk) -> &'static str {
    let (sender, mut receiver) = socket.split();
    let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut answers = JoinSet::new();
    loop {
        while answers.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else { return "0MQ control socket" };
        let message = match receiver.recv().await {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%error, "the 0MQ control socket failed");
                return "0MQ control socket";
            }
        };
        let (desk, sender) = (desk.clone(), sender.clone());
        answers.spawn(async move {
            answer(desk, sender, message).await;
            drop(place);
        });
    }
}

async fn answer(desk: Desk, mut sender: RouterSendHalf, message: ZmqMessage) {
    let frames = message.into_vec();
    // Anything else is not from a REQ socket and expects no answer that it could understand.
    let [peer, delimiter, request] = frames.as_slice() else { return };
    debug_assert_eq!(frames.len(), FRAMES);
    if !delimiter.is_empty() {
        return;
    }
    let reply = match decode(request) {
        Ok(request) => desk.call_wire(&request).await,
        Err(reply) => reply,
    };
    let reply = Bytes::from(Value::Object(reply).to_string());
    let Ok(mut message) = ZmqMessage::try_from(vec![peer.clone(), Bytes::new()]) else { return };
    message.push_back(reply);
    if let Err(error) = sender.send(message).await {
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
