//! The door at which workers report in, and the conversation with the one that was admitted.
//!
//! A token belongs to the first process that brings it: the name that the process gave itself is kept beside the token, so that the
//! next leader knows it too. The same process may come again, when its connection was lost; the newest connection counts.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use parking_lot::Mutex;
use plan_worker::protocol::{Command, Order, Report, VERSION};
use service::lease::Tenure;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::Signal;
use crate::machine::WorkerNews;

/// Key of the process in the Secret of its token.
pub(super) const INSTANCE_KEY: &str = "instance";
/// Commands that may wait for the socket: a user cannot ask for more than one or two at a time.
const COMMANDS: usize = 16;
/// How often the worker is asked for a sign of life, and how long it may stay silent.
const PING: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));
/// How long the end of a lost worker's process is waited for, which its resource shows and which says more than the connection.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Longest time until the process of a token is stored.
const DEADLINE: Duration = Duration::from_secs(5);

/// The door at which workers report in. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door {
    inner: Arc<Mutex<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    leader: Option<Leader>,
    expected: Option<Expected>,
    session: Option<Session>,
    /// Sessions so far: each has a number of its own, whoever led.
    sessions: u64,
}

/// Under whom workers are admitted.
#[derive(Clone, Debug)]
struct Leader {
    tenure: Tenure,
    queue: String,
    secrets: Api<Secret>,
}

/// A worker that may report in.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// Name of its `PlanWorker`.
    pub(super) worker: String,
    /// SHA-256 of its token.
    pub(super) token_hash: [u8; 32],
    /// The process that the token belongs to, once one has brought it.
    pub(super) instance: Option<String>,
    /// How long it goes on without us, in seconds; with 0 it is admitted only once.
    pub(super) grace_s: u64,
}

impl Expected {
    /// A worker with that token that nobody has seen yet.
    pub(super) fn new(worker: &str, token: &str, grace_s: u64) -> Self {
        let token_hash = Sha256::digest(token).into();
        Self { worker: worker.to_owned(), token_hash, instance: None, grace_s }
    }
}

#[derive(Debug)]
struct Session {
    worker: String,
    number: u64,
    commands: mpsc::Sender<Command>,
}

/// An admitted worker.
#[derive(Debug)]
pub(crate) struct Admission {
    worker: String,
    number: u64,
    grace_s: u64,
    orders: mpsc::Receiver<Command>,
    leader: Leader,
}

/// Why nobody is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// The token admits no worker, or not this process.
    Stranger,
    /// Nobody can be admitted here now.
    NotNow,
}

/// Why a conversation ended.
enum End {
    /// The connection broke.
    Lost(String),
    /// The worker left, or made no sense.
    Gone(String),
    /// Another connection took its place, or nobody leads here any more.
    Replaced,
}

impl Door {
    /// Admits workers under that leader.
    pub(super) fn open(&self, tenure: Tenure, queue: &str, secrets: Api<Secret>) {
        let leader = Leader { tenure, queue: queue.to_owned(), secrets };
        let mut inside = self.inner.lock();
        *inside = Inside { leader: Some(leader), sessions: inside.sessions, ..Inside::default() };
    }

    /// Admits nobody any more, and ends the conversation.
    pub(super) fn shut(&self) {
        let mut inside = self.inner.lock();
        *inside = Inside { sessions: inside.sessions, ..Inside::default() };
    }

    /// That worker may report in, and no other.
    pub(super) fn expect(&self, expected: Expected) {
        self.inner.lock().expected = Some(expected);
    }

    /// Admits the process `instance` that brought `token`.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    pub(crate) async fn admit(
        &self,
        token: &str,
        instance: &str,
    ) -> Result<Admission, NotAdmitted> {
        let (expected, leader, is_first) = self.recognize(token, instance)?;
        if is_first && expected.grace_s > 0 {
            let stored = timeout(DEADLINE, keep_instance(&leader, &expected.worker, instance));
            if !matches!(stored.await, Ok(Ok(true))) {
                let mut inside = self.inner.lock();
                if let Some(expected) = &mut inside.expected {
                    expected.instance.take_if(|claimed| claimed == instance);
                }
                return Err(NotAdmitted::NotNow);
            }
        }
        let (commands, orders) = mpsc::channel(COMMANDS);
        let mut inside = self.inner.lock();
        if !leader.tenure.is_sure() {
            return Err(NotAdmitted::NotNow);
        }
        inside.sessions += 1;
        let (worker, number) = (expected.worker, inside.sessions);
        inside.session = Some(Session { worker: worker.clone(), number, commands });
        Ok(Admission { worker, number, grace_s: expected.grace_s, orders, leader })
    }

    fn recognize(
        &self,
        token: &str,
        instance: &str,
    ) -> Result<(Expected, Leader, bool), NotAdmitted> {
        let given: [u8; 32] = Sha256::digest(token).into();
        let mut inside = self.inner.lock();
        let leader = inside.leader.clone().filter(|leader| leader.tenure.is_sure());
        let leader = leader.ok_or(NotAdmitted::NotNow)?;
        let expected = inside
            .expected
            .as_mut()
            .filter(|expected| bool::from(expected.token_hash.ct_eq(&given)))
            .ok_or(NotAdmitted::Stranger)?;
        let is_first = expected.instance.is_none();
        let claimed = expected.instance.get_or_insert_with(|| instance.to_owned());
        let comes_again = claimed == instance && expected.grace_s > 0;
        if is_first || comes_again {
            Ok((expected.clone(), leader, is_first))
        } else {
            Err(NotAdmitted::Stranger)
        }
    }

    /// Forgets the worker: its token opens nothing any more and its connection is closed.
    pub(super) fn forget(&self, worker: &str) {
        let mut inside = self.inner.lock();
        inside.expected.take_if(|expected| expected.worker == worker);
        inside.session.take_if(|session| session.worker == worker);
    }

    /// Sends a command to the worker; whether it is connected.
    pub(super) fn send(&self, worker: &str, command: Command) -> bool {
        let inside = self.inner.lock();
        inside
            .session
            .as_ref()
            .filter(|session| session.worker == worker)
            .is_some_and(|session| session.commands.try_send(command).is_ok())
    }

    /// Talks with an admitted worker until either side ends it.
    pub(crate) async fn converse(
        &self,
        admission: Admission,
        mut socket: WebSocket,
        actor: &mpsc::Sender<Signal>,
    ) {
        let Admission { worker, number, grace_s, orders, leader } = admission;
        let epoch = leader.tenure.epoch();
        let tell = |news| {
            let signal = Signal::Worker { epoch, worker: worker.clone(), news };
            async { actor.send(signal).await.is_ok() }
        };
        let welcome = Order::Welcome { queue: leader.queue.clone(), orphan_grace_s: grace_s };
        let ended = match say(&mut socket, &leader.tenure, welcome).await {
            Err(end) => end,
            Ok(()) => {
                tell(WorkerNews::Connected).await;
                tokio::select! {
                    ended = pump(&mut socket, &leader.tenure, orders, tell) => ended,
                    () = leader.tenure.lost().cancelled() => End::Replaced,
                }
            }
        };
        let counts = |session: &mut Session| session.number == number;
        let was_current = self.inner.lock().session.take_if(counts).is_some();
        match ended {
            End::Lost(reason) if was_current && grace_s > 0 => {
                tell(WorkerNews::Lost(reason)).await;
            }
            End::Lost(reason) if was_current => {
                tokio::time::sleep(LAST_WORDS).await;
                tell(WorkerNews::Gone(reason)).await;
            }
            End::Gone(reason) if was_current => {
                tell(WorkerNews::Gone(reason)).await;
            }
            _ => {}
        }
    }
}

/// Stores which process the token of a worker belongs to; whether it is this one.
async fn keep_instance(leader: &Leader, worker: &str, instance: &str) -> Result<bool, kube::Error> {
    let mut secret = leader.secrets.get(worker).await?;
    let data = secret.data.get_or_insert_default();
    let ours = ByteString(instance.as_bytes().to_vec());
    if let Some(stored) = data.get(INSTANCE_KEY) {
        return Ok(*stored == ours);
    }
    data.insert(INSTANCE_KEY.to_owned(), ours);
    // Under the version that was read: of two processes with one token, one gets a conflict.
    leader.secrets.replace(worker, &PostParams::default(), &secret).await?;
    Ok(true)
}

/// Sends an order, unless the lease may be lost by now.
async fn say(socket: &mut WebSocket, tenure: &Tenure, order: Order) -> Result<(), End> {
    send(socket, tenure, &Command { epoch: tenure.epoch(), order }).await
}

async fn send(socket: &mut WebSocket, tenure: &Tenure, command: &Command) -> Result<(), End> {
    let Ok(text) = serde_json::to_string(command) else { return Ok(()) };
    if !tenure.is_sure() {
        return Err(End::Replaced);
    }
    let sent = socket.send(Message::Text(text.into())).await;
    sent.map_err(|_| End::Lost("the connection to the worker is lost".to_owned()))
}

/// Carries frames both ways; answers why it ended.
async fn pump<F: Future<Output = bool>>(
    socket: &mut WebSocket,
    tenure: &Tenure,
    mut orders: mpsc::Receiver<Command>,
    tell: impl Fn(WorkerNews) -> F,
) -> End {
    let mut ping = tokio::time::interval(PING.0);
    let mut heard = Instant::now();
    let (mut greeted, mut leaves) = (false, false);
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some(order) = order else { return End::Replaced };
                if let Err(end) = send(socket, tenure, &order).await {
                    return end;
                }
            }
            _ = ping.tick() => {
                if heard.elapsed() > PING.1 {
                    return End::Lost("the worker is silent".to_owned());
                }
                if socket.send(Message::Ping(axum::body::Bytes::new())).await.is_err() {
                    return End::Lost("the connection to the worker is lost".to_owned());
                }
            }
            frame = socket.recv() => {
                heard = Instant::now();
                let text = match frame {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Binary(_))) => {
                        return End::Gone("the worker sent a binary frame".to_owned());
                    }
                    Some(Ok(Message::Close(_))) | None => {
                        let reason = "the worker closed the connection".to_owned();
                        return if leaves { End::Gone(reason) } else { End::Lost(reason) };
                    }
                    Some(Err(error)) => {
                        return End::Lost(format!("the connection to the worker failed: {error}"));
                    }
                };
                let report = match serde_json::from_str(&text) {
                    Ok(report) => report,
                    Err(error) => {
                        let what = format!("the worker sent a frame that is not understood: {error}");
                        return End::Gone(what);
                    }
                };
                match &report {
                    // The worker keeps and publishes its documents itself.
                    Report::Document { .. } => continue,
                    Report::Hello { version, .. } if *version != VERSION => {
                        let what = "the worker speaks version";
                        return End::Gone(format!("{what} {version} of the protocol, not {VERSION}"));
                    }
                    Report::Hello { .. } => greeted = true,
                    _ if !greeted => {
                        return End::Gone("the worker did not introduce itself".to_owned());
                    }
                    Report::Closing => leaves = true,
                    _ => {}
                }
                if !tell(WorkerNews::Report(report)).await {
                    return End::Replaced;
                }
            }
        }
    }
}
