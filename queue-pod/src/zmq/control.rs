//! The control socket: one request, one reply.
//!
//! A ROUTER socket rather than REP, so that a reader does not wait for another client's write, and a client that vanishes between
//! request and reply leaves nothing behind.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::poll;
use omq_tokio::{Identity, IdentitySocket, Message, Socket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::encoding::Encoding;

/// Requests that are answered at the same time; more wait in the socket.
const SIDE_BY_SIDE: usize = 256;
/// How the log calls it when it ends.
const NAME: &str = "0MQ control socket";

/// Longest wait for the replies that are still to leave at the end.
const LAST_REPLIES: Duration = Duration::from_secs(2);

/// Answers until `shutdown`, and what was asked by then.
pub(super) async fn run(
    socket: Socket,
    desk: Desk,
    encoding: Encoding,
    shutdown: CancellationToken,
) -> &'static str {
    let routed = match socket.identity_routing() {
        Ok(routed) => Arc::new(routed),
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
        let received = tokio::select! {
            () = shutdown.cancelled() => break,
            received = routed.recv_from() => received,
        };
        let (peer, message) = match received {
            Ok(received) => received,
            Err(error) => {
                tracing::error!(%error, "the 0MQ control socket failed");
                return NAME;
            }
        };
        let (desk, routed) = (desk.clone(), Arc::clone(&routed));
        let mut answered = Box::pin(async move {
            answer(&desk, &routed, encoding, &peer, &message).await;
            drop(place);
        });
        // What can be answered at once is: another task would begin on another thread, which has to wake up for it.
        if poll!(&mut answered).is_pending() {
            answers.spawn(answered);
        }
    }
    let said = async { while answers.join_next().await.is_some() {} };
    if timeout(LAST_REPLIES, said).await.is_err() {
        tracing::warn!("some requests over 0MQ were not answered before the end");
    }
    drop(routed);
    if let Err(error) = socket.close().await {
        tracing::debug!(%error, "the 0MQ control socket was closed already");
    }
    NAME
}

async fn answer(
    desk: &Desk,
    socket: &IdentitySocket,
    encoding: Encoding,
    peer: &Identity,
    message: &Message,
) {
    // Anything but a delimiter and a request is not from a REQ socket and expects no answer that it could understand.
    let Ok([delimiter, request]) = message.try_as_parts() else { return };
    if !delimiter.is_empty() {
        return;
    }
    let reply = match encoding.decode(&request) {
        Ok(request) => match desk.call_wire(request, encoding).await {
            Some(reply) => reply,
            // The silence is the answer.
            None => return,
        },
        Err(reply) => encoding.encode(&reply),
    };
    if let Err(error) = socket.send_to(peer, Message::multipart([Bytes::new(), reply])).await {
        tracing::debug!(%error, "a 0MQ client went away before its answer");
    }
}
