//! One connection: commands in, frames out, heartbeat, end. Generic over the transport, so that it
//! is tested without sockets.

use std::iter;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, close_code};
use futures::stream::FuturesUnordered;
use futures::{Sink, SinkExt, Stream, StreamExt};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use crate::socket::command::Received;
use crate::socket::lanes::{Keys, Lanes};
use crate::socket::outbox::{Outbox, Slot};

/// Most commands of one connection that are not done; the next ones wait in the socket.
const COMMANDS_IN_FLIGHT: usize = 256;
/// Most messages that are sent with one write to the network: other clients of this thread come next.
const MESSAGES_AT_ONCE: usize = 256;

/// What a socket says and does.
pub(crate) trait Protocol: Send + Sync {
    /// What the command concerns: commands that concern the same thing run one after the other.
    fn keys(&self, command: &Received) -> Keys;

    /// Carries out one command; answers go to the outbox.
    fn handle(&self, command: Received) -> impl Future<Output = ()> + Send;

    /// The answer to what is no command.
    fn malformed(&self, malformed: Malformed) -> Message;

    /// The sign of life.
    fn heartbeat(&self) -> Message;
}

/// What came and is no command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Malformed {
    /// No JSON, for that reason.
    NoJson(String),
    /// JSON, but no object.
    NoObject(Value),
}

/// How a session is run.
#[derive(Clone, Debug)]
pub(crate) struct SessionSettings {
    /// Time between two heartbeats; zero sends none.
    pub(crate) heartbeat: Duration,
    /// How long the closing frame may take.
    pub(crate) close_timeout: Duration,
    /// Ends the session.
    pub(crate) shutdown: CancellationToken,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client left.
    Left,
    /// The service stops.
    Shutdown,
    /// The client did not take the last heartbeat before the next was due.
    Stalled,
}

impl End {
    /// The word in the log.
    fn word(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Shutdown => "shutdown",
            Self::Stalled => "stalled",
        }
    }

    fn close_frame(self) -> Option<CloseFrame> {
        let reason = match self {
            Self::Left => return None,
            Self::Shutdown => "Service shutting down",
            Self::Stalled => "Heartbeat send failed",
        };
        Some(CloseFrame { code: close_code::AWAY, reason: reason.into() })
    }
}

/// Runs the session until the client leaves, stalls, or the service stops. Commands that are still
/// running are dropped at the end; what they have already written stays written.
pub(crate) async fn run<S, R, E, P>(
    mut sink: S,
    stream: R,
    outbox: &Arc<Outbox>,
    protocol: &P,
    settings: &SessionSettings,
) -> End
where
    S: Sink<Message> + Unpin,
    R: Stream<Item = Result<Message, E>> + Unpin,
    P: Protocol,
{
    let end = tokio::select! {
        () = write(&mut sink, outbox) => End::Left,
        end = read(stream, outbox, protocol) => end,
        () = beat(outbox, protocol, settings.heartbeat) => End::Stalled,
        () = settings.shutdown.cancelled() => End::Shutdown,
    };
    outbox.delivery.ended(end.word());
    if let Some(frame) = end.close_frame() {
        let closing = sink.send(Message::Close(Some(frame)));
        if timeout(settings.close_timeout, closing).await.is_err() {
            tracing::debug!(?end, "the client did not take the closing frame");
        }
    }
    end
}

/// Sends what is in the outbox; ends when the client is gone. What waits goes out together: a write to the network for each message
/// costs more than the message.
async fn write<S: Sink<Message> + Unpin>(sink: &mut S, outbox: &Outbox) {
    loop {
        let first = outbox.next().await;
        let _sending = outbox.delivery.sending();
        let more = iter::from_fn(|| outbox.take()).take(MESSAGES_AT_ONCE - 1);
        for message in iter::once(first).chain(more) {
            if sink.feed(message).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
}

/// Puts a heartbeat into the outbox at each interval; ends when the one before has not been taken.
async fn beat(outbox: &Outbox, protocol: &impl Protocol, interval: Duration) {
    if interval.is_zero() {
        return std::future::pending().await;
    }
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if outbox.holds(Slot::Heartbeat) {
            return;
        }
        outbox.put(Slot::Heartbeat, protocol.heartbeat());
    }
}

/// Takes commands and carries them out, as many at a time as their keys allow; ends when the client
/// leaves.
async fn read<R, E, P>(stream: R, outbox: &Outbox, protocol: &P) -> End
where
    R: Stream<Item = Result<Message, E>> + Unpin,
    P: Protocol,
{
    let mut stream = pin!(stream);
    let mut lanes = Lanes::default();
    let mut running = FuturesUnordered::new();
    loop {
        while let Some((ticket, command)) = lanes.start() {
            running.push(async move {
                protocol.handle(command).await;
                ticket
            });
        }
        let next = async {
            outbox.has_room().await;
            stream.next().await
        };
        tokio::select! {
            Some(ticket) = running.next(), if !running.is_empty() => lanes.finish(ticket),
            received = next, if lanes.len() < COMMANDS_IN_FLIGHT => {
                let text = match received {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return End::Left,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Text(text))) => text.to_string(),
                    Some(Ok(Message::Binary(bytes))) => String::from_utf8_lossy(&bytes).into_owned(),
                };
                match serde_json::from_str(&text) {
                    Ok(Value::Object(command)) => lanes.push(protocol.keys(&command), command),
                    Ok(other) => outbox.push(protocol.malformed(Malformed::NoObject(other))),
                    Err(error) => {
                        outbox.push(protocol.malformed(Malformed::NoJson(error.to_string())));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "session/tests.rs"]
mod tests;
