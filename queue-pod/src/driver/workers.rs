//! The worker from outside: its resources, the door at which it reports in with its one-time token, and the conversation.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use crds::PlanWorker;
use crds::plan_worker::{Engine, PlanWorkerSpec};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;
use plan_worker::protocol::{Command, Report, VERSION};
use rand::RngCore;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Signal;
use crate::machine::{Event, WorkerNews};

/// Key of the token in its Secret.
const TOKEN_KEY: &str = "token";
/// Commands that may wait for the socket: a user cannot ask for more than one or two at a time.
const COMMANDS: usize = 16;
/// Longest time for one request to the API.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long the resource of a removed worker may take to go, while the operator ends its process.
const REMOVAL: Duration = Duration::from_secs(15);
/// Pause between looks at whether it is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often the worker is asked for a sign of life, and how long it may stay silent.
const PING: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));

/// The door at which workers report in. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Door {
    inner: Arc<Mutex<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    expected: Option<Expected>,
    session: Option<Session>,
}

#[derive(Debug)]
struct Expected {
    worker: String,
    token_hash: [u8; 32],
}

#[derive(Debug)]
struct Session {
    worker: String,
    commands: mpsc::Sender<Command>,
}

impl Door {
    fn expect(&self, worker: &str, token: &str) {
        let expected =
            Expected { worker: worker.to_owned(), token_hash: Sha256::digest(token).into() };
        self.inner.lock().expected = Some(expected);
    }

    /// Admits the worker with that token, once; answers its name.
    pub fn admit(&self, token: &str) -> Option<String> {
        let given: [u8; 32] = Sha256::digest(token).into();
        let mut inside = self.inner.lock();
        let fits = inside
            .expected
            .as_ref()
            .is_some_and(|expected| bool::from(expected.token_hash.ct_eq(&given)));
        if fits { inside.expected.take().map(|expected| expected.worker) } else { None }
    }

    /// Forgets the worker: its token opens nothing any more and its connection is closed.
    fn forget(&self, worker: &str) {
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
        worker: String,
        mut socket: WebSocket,
        actor: &mpsc::Sender<Signal>,
    ) {
        let (commands, orders) = mpsc::channel(COMMANDS);
        self.inner.lock().session = Some(Session { worker: worker.clone(), commands });
        let tell = |news| {
            let signal = Signal::Event(Event::Worker(worker.clone(), news));
            async { actor.send(signal).await.is_ok() }
        };
        tell(WorkerNews::Connected).await;
        let reason = pump(&mut socket, orders, tell).await;
        self.inner.lock().session.take_if(|session| session.worker == worker);
        tell(WorkerNews::Gone(reason)).await;
    }
}

/// Carries frames both ways; answers why it ended.
async fn pump<F: Future<Output = bool>>(
    socket: &mut WebSocket,
    mut orders: mpsc::Receiver<Command>,
    tell: impl Fn(WorkerNews) -> F,
) -> String {
    let mut ping = tokio::time::interval(PING.0);
    let mut heard = Instant::now();
    let mut greeted = false;
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some(order) = order else { return "the worker is taken away".to_owned() };
                let Ok(text) = serde_json::to_string(&order) else { continue };
                if socket.send(Message::Text(text.into())).await.is_err() {
                    return "the connection to the worker is lost".to_owned();
                }
            }
            _ = ping.tick() => {
                if heard.elapsed() > PING.1 {
                    return "the worker is silent".to_owned();
                }
                if socket.send(Message::Ping(axum::body::Bytes::new())).await.is_err() {
                    return "the connection to the worker is lost".to_owned();
                }
            }
            frame = socket.recv() => {
                heard = Instant::now();
                let text = match frame {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Binary(_))) => return "the worker sent a binary frame".to_owned(),
                    Some(Ok(Message::Close(_))) | None => {
                        return "the worker closed the connection".to_owned();
                    }
                    Some(Err(error)) => return format!("the connection to the worker failed: {error}"),
                };
                let report = match serde_json::from_str(&text) {
                    Ok(report) => report,
                    Err(error) => return format!("the worker sent a frame that is not understood: {error}"),
                };
                if matches!(report, Report::Document { .. }) {
                    // The worker keeps and publishes its documents itself.
                    continue;
                }
                if let Report::Hello { version, .. } = &report {
                    if *version != VERSION {
                        return format!("the worker speaks version {version} of the protocol, not {VERSION}");
                    }
                    greeted = true;
                } else if !greeted {
                    return "the worker did not introduce itself".to_owned();
                }
                if !tell(WorkerNews::Report(report)).await {
                    return "the queue server is shutting down".to_owned();
                }
            }
        }
    }
}

/// Keeps the resources of workers.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) queue: String,
    pub(super) connect_to: String,
    pub(super) epoch: i64,
    pub(super) door: Door,
    pub(super) signals: mpsc::Sender<Signal>,
}

impl Keeper {
    /// Where everything is kept.
    pub(super) fn place(&self) -> (Client, String, String) {
        (self.client.clone(), self.namespace.clone(), self.queue.clone())
    }

    /// Tells the actor.
    pub(super) async fn tell(&self, worker: &str, news: WorkerNews) {
        let signal = Signal::Event(Event::Worker(worker.to_owned(), news));
        // The actor is gone only when everything ends.
        let _ = self.signals.send(signal).await;
    }

    fn workers(&self) -> Api<PlanWorker> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Asks the operator for a worker.
    pub(super) async fn open(&self, worker: &str) {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        let token = hex::encode(bytes);
        self.door.expect(worker, &token);
        let created = tokio::time::timeout(DEADLINE, self.create(worker, token)).await;
        let reason = match created {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the Kubernetes API did not answer in time".to_owned(),
        };
        tracing::warn!(worker, reason, "cannot ask for a worker");
        self.tell(worker, WorkerNews::Gone(reason)).await;
    }

    async fn create(&self, worker: &str, token: String) -> Result<(), kube::Error> {
        let mut secret = Secret::default();
        secret.metadata.name = Some(worker.to_owned());
        secret.data = Some([(TOKEN_KEY.to_owned(), ByteString(token.into_bytes()))].into());
        self.secrets().create(&PostParams::default(), &secret).await?;
        let spec = PlanWorkerSpec {
            queue: self.queue.clone(),
            engine: Engine::Native,
            connect_to: self.connect_to.clone(),
            token_secret: worker.to_owned(),
            epoch: self.epoch,
        };
        let resource = PlanWorker::new(worker, spec);
        self.workers().create(&PostParams::default(), &resource).await?;
        Ok(())
    }

    /// Takes a worker away and waits until its resource is gone.
    pub(super) async fn remove(&self, worker: &str) {
        let removed = async {
            self.delete(worker).await?;
            while self.workers().get_opt(worker).await?.is_some() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Ok::<_, kube::Error>(())
        };
        match tokio::time::timeout(REMOVAL, removed).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(worker, %error, "cannot remove the worker"),
            Err(_) => tracing::warn!(worker, "the worker was not removed in time"),
        }
    }

    /// Takes a worker away and leaves the rest to the operator.
    pub(super) async fn abandon(&self, worker: &str) {
        match tokio::time::timeout(DEADLINE, self.delete(worker)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(worker, %error, "cannot remove the worker"),
            Err(_) => tracing::warn!(worker, "the worker was not removed in time"),
        }
    }

    async fn delete(&self, worker: &str) -> Result<(), kube::Error> {
        self.door.forget(worker);
        let params = DeleteParams::default();
        for answer in [
            self.workers().delete(worker, &params).await.map(|_| ()),
            self.secrets().delete(worker, &params).await.map(|_| ()),
        ] {
            match answer {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Removes the workers of an earlier life: their connection ended with it.
    pub(super) async fn remove_leftovers(&self) {
        let workers = self.workers();
        let params = ListParams::default();
        let listed = tokio::time::timeout(DEADLINE, workers.list(&params)).await;
        let Ok(Ok(list)) = listed else {
            tracing::warn!("cannot look for workers of an earlier life");
            return;
        };
        for worker in list.items.iter().filter(|worker| worker.spec.queue == self.queue) {
            self.remove(&worker.name_any()).await;
        }
    }
}
