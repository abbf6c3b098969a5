//! `/api/v1/qs-console-socket`: what the queue server prints (contract §8).
//!
//! One 0MQ subscription for the process, and only while somebody listens. Each message of the queue
//! server becomes one text frame, unchanged. A listener that reads slowly loses the oldest ones.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use axum::response::Response;
use futures::StreamExt;
use omq_tokio::{Error, Message as Published, MonitorEvent, Options, Socket, SocketType};
use tokio::sync::Notify;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::audit::caller::CalledBy;
use crate::gateway::Gateway;
use crate::oas::Oas;
use crate::socket::accept::{Upgrade, seated};
use crate::socket::{Api, SocketKind};

/// What the queue server puts before each console message.
const TOPIC: &str = "QS_Console";
/// Messages that a slow listener may lag behind.
const BACKLOG: usize = 1_000;
/// Pause before the queue server is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked whether anybody still listens.
const LOOK: Duration = Duration::from_secs(5);
/// Time between two signs of life where none is set: it shows which clients are gone.
const BEAT: Duration = Duration::from_secs(30);

/// The console of the queue server.
#[derive(Debug)]
pub(crate) struct Console {
    address: String,
    messages: broadcast::Sender<Utf8Bytes>,
    wanted: Notify,
}

impl Console {
    /// The console that is published at `address`; nothing is connected yet.
    pub(crate) fn new(address: String) -> Self {
        Self { address, messages: broadcast::Sender::new(BACKLOG), wanted: Notify::new() }
    }

    /// Everything that is printed from now on.
    fn listen(&self) -> broadcast::Receiver<Utf8Bytes> {
        let messages = self.messages.subscribe();
        self.wanted.notify_one();
        messages
    }

    fn is_wanted(&self) -> bool {
        self.messages.receiver_count() > 0
    }

    /// Takes messages from the queue server to the listeners until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let relay = async {
            loop {
                while !self.is_wanted() {
                    self.wanted.notified().await;
                }
                if let Err(error) = self.relay().await {
                    let address = &self.address;
                    tracing::warn!(%address, %error, "the console of the queue server cannot be heard");
                    sleep(PAUSE).await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = relay => {}
        }
    }

    /// Follows the queue server while somebody listens, however often it goes and comes back.
    async fn relay(&self) -> Result<(), Error> {
        let socket = Socket::new(SocketType::Sub, Options::new());
        let mut events = socket.monitor();
        socket.subscribe(TOPIC).await?;
        socket.connect(&self.address).await?;
        tracing::info!(address = %self.address, "listening to the console of the queue server");
        let mut looks = interval(LOOK);
        loop {
            tokio::select! {
                message = socket.recv() => self.pass_on(&message?),
                event = events.recv() => match event {
                    Ok(MonitorEvent::Disconnected { .. }) => {
                        tracing::info!(address = %self.address, "the queue server is gone");
                    }
                    // What is there refuses, for good: perhaps something else is there later.
                    Ok(MonitorEvent::ConnectStopped { .. }) => return Err(Error::Unroutable),
                    _ => {}
                },
                _ = looks.tick() => if !self.is_wanted() {
                    return Ok(());
                },
            }
        }
    }

    fn pass_on(&self, message: &Published) {
        let Ok([topic, payload]) = message.try_as_parts() else { return };
        if topic != TOPIC {
            return;
        }
        match Utf8Bytes::try_from(payload) {
            // Nobody listening is no failure.
            Ok(text) => drop(self.messages.send(text)),
            Err(_) => tracing::debug!("a console message that is no text was dropped"),
        }
    }
}

/// The route.
pub(crate) async fn qs_console_socket(
    State(oas): State<Arc<Oas>>,
    CalledBy(caller): CalledBy,
    upgrade: Upgrade,
) -> Response {
    let messages = oas.console.listen();
    let what = (Api::Oas, SocketKind::Console);
    let gateway = Arc::clone(&oas.gateway);
    seated(gateway, upgrade, what, caller, async move |socket, gateway, _seat| {
        show(socket, &gateway, messages).await;
    })
}

/// Stays open whether the queue server is there or not. What the client sends is ignored.
async fn show(
    mut socket: WebSocket,
    gateway: &Gateway,
    mut messages: broadcast::Receiver<Utf8Bytes>,
) {
    let settings = &gateway.settings;
    let beat = Some(settings.ws_heartbeat_interval).filter(|beat| !beat.is_zero()).unwrap_or(BEAT);
    let mut beats = interval(beat);
    loop {
        let frame = tokio::select! {
            () = gateway.sockets.shutdown.cancelled() => {
                let reason = "Service shutting down".into();
                let frame = CloseFrame { code: close_code::AWAY, reason };
                let closing = socket.send(Message::Close(Some(frame)));
                if timeout(settings.ws_send_timeout, closing).await.is_err() {
                    tracing::debug!("the client did not take the closing frame");
                }
                return;
            }
            received = socket.next() => match received {
                None | Some(Err(_) | Ok(Message::Close(_))) => return,
                Some(Ok(_)) => continue,
            },
            message = messages.recv() => match message {
                Ok(text) => Message::Text(text),
                Err(RecvError::Lagged(lost)) => {
                    metrics::counter!("control_console_messages_lost_total").increment(lost);
                    continue;
                }
                Err(RecvError::Closed) => return,
            },
            _ = beats.tick() => Message::Ping(bytes::Bytes::new()),
        };
        // A client that takes nothing for so long is gone.
        let sent = timeout(beat, socket.send(frame)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}
