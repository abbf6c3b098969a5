//! The worker's connection to the queue pod.
//!
//! Two tasks own the two directions of the WebSocket. Whatever ends one of them, or silence of the peer, counts as a lost
//! connection: there is no further command then, and [`crate::rejoin`] looks for another one.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri, header::AUTHORIZATION};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::protocol::{Command, INSTANCE, PATH, Report};
use crate::settings::Token;
use crate::standing::Standing;

/// Longest wait for the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Reports leave as they come: short ones that wait for the acknowledgement of the one before (RFC 896) take 40 ms each.
const AT_ONCE: bool = true;
/// How often the peer is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Longest silence of the peer: it has missed three pings then.
const SILENCE: Duration = Duration::from_secs(20);
/// Longest wait for one frame to leave.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for the last frames when the worker leaves.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Reports that may wait to be sent; with [`BUDGET`] at most 32 MiB and a small overhead for each.
const REPORTS: usize = 1024;
/// Commands that may wait to be obeyed. The queue pod sends one at a time.
const COMMANDS: usize = 16;
/// Kibibytes of reports that may wait to be sent.
const BUDGET: u32 = 32 * 1024;
/// Bytes of the largest report. Larger documents stay on disk and on 0MQ.
const LARGEST: usize = 8 * 1024 * 1024;

type Ws = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Waiting = (Message, OwnedSemaphorePermit);

/// An open connection.
#[derive(Debug)]
pub struct Link {
    reports: Reports,
    outbox: Outbox,
    commands: mpsc::Receiver<Command>,
    writer: AbortOnDropHandle<()>,
    _reader: AbortOnDropHandle<()>,
}

/// The way to the queue pod, over whichever connection there is. Without one, only what the next queue pod has to know is kept.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    inner: Arc<Mutex<Way>>,
}

#[derive(Debug, Default)]
struct Way {
    standing: Standing,
    outbox: Option<Outbox>,
}

/// What waits to be sent over one connection.
#[derive(Clone, Debug)]
struct Outbox {
    waiting: mpsc::Sender<Waiting>,
    budget: Arc<Semaphore>,
    lost: CancellationToken,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The address is none.
    #[error("{address} is no WebSocket address: {reason}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// The token cannot be sent.
    #[error("the token or the name of the process has characters that a header cannot carry")]
    Token,
    /// Nobody answered.
    #[error("{address} did not answer within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout {
        /// As given.
        address: String,
    },
    /// The queue pod refused.
    #[error("the queue server at {address} did not accept the worker: {source}")]
    Refused {
        /// As given.
        address: String,
        /// What it said.
        source: Box<WsError>,
    },
}

impl LinkError {
    /// Whether nobody answered, who may answer later.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Refused { source, .. } => matches!(**source, WsError::Io(_)),
            Self::Address { .. } | Self::Token => false,
        }
    }
}

impl Link {
    /// Connects to the queue pod at `address` with the `token` of the worker, whose process is called `instance`. What the queue
    /// pod has to hear first is on its way then, and [`Reports::send`] uses this connection.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn connect(
        address: &str,
        token: &Token,
        instance: &str,
        reports: &Reports,
    ) -> Result<Self, LinkError> {
        let wrong = |reason: String| LinkError::Address { address: address.to_owned(), reason };
        let uri: Uri = address.parse().map_err(|error| wrong(format!("{error}")))?;
        let url = match uri.path() {
            "" | "/" => format!("{}{PATH}", address.trim_end_matches('/')),
            _ => address.to_owned(),
        };
        let mut request = url.into_client_request().map_err(|error| wrong(error.to_string()))?;
        let header = |text: &str| HeaderValue::try_from(text).map_err(|_| LinkError::Token);
        let bearer = header(&format!("Bearer {}", token.reveal()))?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        request.headers_mut().insert(INSTANCE, header(instance)?);
        let (socket, _) =
            timeout(CONNECT_TIMEOUT, connect_async_with_config(request, None, AT_ONCE))
                .await
                .map_err(|_| LinkError::Timeout { address: address.to_owned() })?
                .map_err(|source| LinkError::Refused {
                    address: address.to_owned(),
                    source: Box::new(source),
                })?;

        let lost = CancellationToken::new();
        let (waiting, to_send) = mpsc::channel(REPORTS);
        let (obey, commands) = mpsc::channel(COMMANDS);
        let (sink, stream) = socket.split();
        let guard = lost.clone().drop_guard();
        let writer = AbortOnDropHandle::new(tokio::spawn(async move {
            let _lost_at_the_end = guard;
            write(sink, to_send).await;
        }));
        let guard = lost.clone().drop_guard();
        let reader = AbortOnDropHandle::new(tokio::spawn(async move {
            let _lost_at_the_end = guard;
            read(stream, obey).await;
        }));
        let outbox = Outbox { waiting, budget: Arc::new(Semaphore::new(BUDGET as usize)), lost };
        reports.use_now(&outbox);
        Ok(Self { reports: reports.clone(), outbox, commands, writer, _reader: reader })
    }

    /// The next command; none after the connection is lost.
    pub async fn command(&mut self) -> Option<Command> {
        tokio::select! {
            biased;
            () = self.outbox.lost.cancelled() => None,
            command = self.commands.recv() => command,
        }
    }

    /// Fires when the connection is lost.
    pub fn lost(&self) -> CancellationToken {
        self.outbox.lost.clone()
    }

    /// Sends what waits, and closes. Nothing may be reported at the same time.
    pub async fn close(self) {
        let Self { reports, outbox, writer, .. } = self;
        drop(outbox);
        reports.inner.lock().outbox = None;
        if timeout(CLOSE_TIMEOUT, writer).await.is_err() {
            tracing::warn!("the last reports did not reach the queue server");
        }
    }
}

impl Reports {
    /// Sends a report after all earlier ones. Waits while too much is under way, but not for a peer that is gone.
    pub async fn send(&self, report: &Report) {
        let outbox = {
            let mut way = self.inner.lock();
            way.standing.note(report);
            way.outbox.clone()
        };
        let Some(outbox) = outbox else { return };
        let Some((frame, size)) = frame(report) else { return };
        let sent = async {
            let permit = Arc::clone(&outbox.budget).acquire_many_owned(size).await.ok()?;
            outbox.waiting.send((frame, permit)).await.ok()
        };
        tokio::select! {
            () = outbox.lost.cancelled() => {}
            _ = sent => {}
        }
    }

    /// The plan of that item begins.
    pub fn begins(&self, item_uid: &str) {
        self.inner.lock().standing.begins(item_uid);
    }

    /// Says over a fresh connection how things stand, and everything from now on.
    fn use_now(&self, outbox: &Outbox) {
        let mut way = self.inner.lock();
        for report in way.standing.opening() {
            let Some((frame, size)) = frame(&report) else { continue };
            // Nothing else waits yet, so there is room for these few.
            let permit = Arc::clone(&outbox.budget).try_acquire_many_owned(size).ok();
            let waits = permit.and_then(|permit| outbox.waiting.try_send((frame, permit)).ok());
            if waits.is_none() {
                tracing::error!("how things stand is too long for the queue server");
            }
        }
        way.outbox = Some(outbox.clone());
    }
}

/// A report as it is sent, and its size in KiB.
fn frame(report: &Report) -> Option<(Message, u32)> {
    let text = match serde_json::to_string(report) {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "a report could not be written as JSON");
            return None;
        }
    };
    if text.len() > LARGEST {
        tracing::warn!(bytes = text.len(), "a report is too large for the queue server");
        return None;
    }
    let size = u32::try_from(text.len() / 1024 + 1).unwrap_or(BUDGET).min(BUDGET);
    Some((Message::text(text), size))
}

async fn write(mut sink: SplitSink<Ws, Message>, mut waiting: mpsc::Receiver<Waiting>) {
    let mut ping = interval(PING_EVERY);
    loop {
        let (frame, permit) = tokio::select! {
            waiting = waiting.recv() => match waiting {
                Some((frame, permit)) => (frame, Some(permit)),
                None => {
                    let _ = timeout(SEND_TIMEOUT, sink.close()).await;
                    return;
                }
            },
            _ = ping.tick() => (Message::Ping(Vec::new().into()), None),
        };
        match timeout(SEND_TIMEOUT, sink.send(frame)).await {
            Ok(Ok(())) => drop(permit),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the connection to the queue server is lost");
                return;
            }
            Err(_) => {
                tracing::warn!("the queue server does not take reports any more");
                return;
            }
        }
    }
}

async fn read(mut stream: SplitStream<Ws>, obey: mpsc::Sender<Command>) {
    loop {
        let frame = match timeout(SILENCE, stream.next()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                tracing::warn!(%error, "the connection to the queue server is lost");
                return;
            }
            Ok(None) => return,
            Err(_) => {
                tracing::warn!(seconds = SILENCE.as_secs(), "the queue server is silent");
                return;
            }
        };
        let text = match frame {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            Message::Close(_) => return,
            Message::Binary(_) => {
                tracing::error!("the queue server sent a binary frame");
                return;
            }
        };
        match serde_json::from_str::<Command>(&text) {
            Ok(command) => {
                if obey.send(command).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(%error, "the queue server sent what is no command");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn refusal(address: &str) -> LinkError {
        let (token, reports) = ("once".into(), Reports::default());
        Link::connect(address, &token, "one", &reports).await.expect_err("nobody lets it in")
    }

    #[tokio::test]
    async fn who_refuses_is_there_and_who_does_not_answer_may_come() {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("ws://{}", door.local_addr().unwrap());
        let answer = async {
            let (mut worker, _) = door.accept().await.unwrap();
            worker.write_all(b"HTTP/1.1 401 Unauthorized\r\n\r\n").await.unwrap();
            worker
        };
        let (refused, _worker) = tokio::join!(refusal(&address), answer);
        assert!(!refused.is_unreachable(), "{refused}");
        drop(door);
        let alone = refusal(&address).await;
        assert!(alone.is_unreachable(), "{alone}");
    }
}
