//! The worker's connection to the queue pod.
//!
//! Two tasks own the two directions of the WebSocket. Whatever ends one of them, or silence of the peer, counts as a lost
//! connection: [`Link::lost`] fires, and the worker brings everything to rest.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri, header::AUTHORIZATION};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::protocol::{Command, PATH, Report};
use crate::settings::Token;

/// Longest wait for the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
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
    commands: mpsc::Receiver<Command>,
    writer: AbortOnDropHandle<()>,
    _reader: AbortOnDropHandle<()>,
}

/// The way to the queue pod. What is sent after the connection is lost is lost as well.
#[derive(Clone, Debug)]
pub struct Reports {
    outbox: mpsc::Sender<Waiting>,
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
    #[error("the token has characters that a header cannot carry")]
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

impl Link {
    /// Connects to the queue pod at `address` with the one-time `token`.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn connect(address: &str, token: &Token) -> Result<Self, LinkError> {
        let wrong = |reason: String| LinkError::Address { address: address.to_owned(), reason };
        let uri: Uri = address.parse().map_err(|error| wrong(format!("{error}")))?;
        let url = match uri.path() {
            "" | "/" => format!("{}{PATH}", address.trim_end_matches('/')),
            _ => address.to_owned(),
        };
        let mut request = url.into_client_request().map_err(|error| wrong(error.to_string()))?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.reveal()))
            .map_err(|_| LinkError::Token)?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let (socket, _) = timeout(CONNECT_TIMEOUT, connect_async(request))
            .await
            .map_err(|_| LinkError::Timeout { address: address.to_owned() })?
            .map_err(|source| LinkError::Refused {
                address: address.to_owned(),
                source: Box::new(source),
            })?;

        let lost = CancellationToken::new();
        let (outbox, waiting) = mpsc::channel(REPORTS);
        let (obey, commands) = mpsc::channel(COMMANDS);
        let (sink, stream) = socket.split();
        let guard = lost.clone().drop_guard();
        let writer = AbortOnDropHandle::new(tokio::spawn(async move {
            let _lost_at_the_end = guard;
            write(sink, waiting).await;
        }));
        let guard = lost.clone().drop_guard();
        let reader = AbortOnDropHandle::new(tokio::spawn(async move {
            let _lost_at_the_end = guard;
            read(stream, obey).await;
        }));
        let budget = Arc::new(Semaphore::new(BUDGET as usize));
        let reports = Reports { outbox, budget, lost };
        Ok(Self { reports, commands, writer, _reader: reader })
    }

    /// The way to the queue pod.
    pub fn reports(&self) -> &Reports {
        &self.reports
    }

    /// The next command; none after the connection is lost.
    pub async fn command(&mut self) -> Option<Command> {
        self.commands.recv().await
    }

    /// Fires when the connection is lost.
    pub fn lost(&self) -> CancellationToken {
        self.reports.lost.clone()
    }

    /// Sends what waits, and closes. Every other [`Reports`] has to be dropped before.
    pub async fn close(self) {
        let Self { reports, writer, .. } = self;
        drop(reports);
        if timeout(CLOSE_TIMEOUT, writer).await.is_err() {
            tracing::warn!("the last reports did not reach the queue server");
        }
    }
}

impl Reports {
    /// Sends a report after all earlier ones. Waits while too much is under way, but not for a peer that is gone.
    pub async fn send(&self, report: &Report) {
        let text = match serde_json::to_string(report) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "a report could not be written as JSON");
                return;
            }
        };
        if text.len() > LARGEST {
            tracing::warn!(bytes = text.len(), "a report is too large for the queue server");
            return;
        }
        let size = u32::try_from(text.len() / 1024 + 1).unwrap_or(BUDGET).min(BUDGET);
        let sent = async {
            let permit = Arc::clone(&self.budget).acquire_many_owned(size).await.ok()?;
            self.outbox.send((Message::text(text), permit)).await.ok()
        };
        tokio::select! {
            () = self.lost.cancelled() => {}
            _ = sent => {}
        }
    }
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
