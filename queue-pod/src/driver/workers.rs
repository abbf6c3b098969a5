//! The resources of workers: made, taken away, and found again by the next leader.

use std::time::Duration;

use crds::plan_worker::PlanWorkerSpec;
use crds::{PlanWorker, Queue, QueueSpec};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use rand::RngCore;
use service::lease::Tenure;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Signal;
use super::door::{Door, Expected, INSTANCE_KEY};
use super::inventory::Inventories;
use super::supply::{Supply, SupplyError};
use crate::console::{Console, Level};
use crate::desk::now;
use crate::machine::{Awaited, WorkerNews};

/// Key of the token in its Secret.
const TOKEN_KEY: &str = "token";
/// Longest time for one request to the API.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long the resource of a removed worker may take to go, while the operator ends its process.
const REMOVAL: Duration = Duration::from_secs(15);
/// Pause between looks at whether it is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Keeps the resources of workers, under one tenure.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) queue: String,
    pub(super) connect_to: String,
    /// How long a worker goes on without us, in seconds.
    pub(super) grace_s: u32,
    pub(super) tenure: Tenure,
    pub(super) door: Door,
    pub(super) supply: Supply,
    pub(super) inventories: Inventories,
    pub(super) signals: mpsc::Sender<Signal>,
}

/// How often the registry is asked for a worker that connects, and the pause in between. A worker waits for longer.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_secs(2);

/// What an earlier leader has left.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The worker that may come back.
    pub(super) awaited: Option<Awaited>,
    /// Workers that are to be taken away.
    pub(super) others: Vec<String>,
}

impl Keeper {
    /// Where everything is kept.
    pub(super) fn place(&self) -> (Client, String, String) {
        (self.client.clone(), self.namespace.clone(), self.queue.clone())
    }

    /// Tells the actor.
    pub(super) async fn tell(&self, worker: &str, news: WorkerNews) {
        let (epoch, worker) = (self.tenure.epoch(), worker.to_owned());
        // The actor is gone only when everything ends.
        let _ = self.signals.send(Signal::Worker { epoch, worker, news }).await;
    }

    /// Tells a worker that has just connected the devices of the registry. Asks again when that cannot be read; the console says why.
    pub(super) async fn equip(&self, worker: &str, console: &Console) {
        self.supply.forget().await;
        for _ in 0..ATTEMPTS {
            match self.supply.update(worker).await {
                Ok(()) => return self.tell(worker, WorkerNews::Devices(Ok(()))).await,
                Err(SupplyError::NoWorker) => return,
                Err(error) => {
                    let line = format!("RE Worker waits for its devices: {error}");
                    console.say(now(), Level::Warning, &line);
                    self.tell(worker, WorkerNews::Devices(Err(error.to_string()))).await;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn workers(&self) -> Api<PlanWorker> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The tokens of the workers.
    pub(super) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Asks the operator for a worker.
    pub(super) async fn open(&self, worker: &str) {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        let token = hex::encode(bytes);
        self.door.expect(Expected::new(worker, &token, u64::from(self.grace_s)));
        let reason = match timeout(DEADLINE, self.create(worker, token)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the Kubernetes API did not answer in time".to_owned(),
        };
        tracing::warn!(worker, reason, "cannot ask for a worker");
        self.tell(worker, WorkerNews::Gone(reason)).await;
    }

    async fn create(&self, worker: &str, token: String) -> Result<(), kube::Error> {
        let queues: Api<Queue> = Api::namespaced(self.client.clone(), &self.namespace);
        let QueueSpec { engine, profile, publishers, suspenders, .. } =
            queues.get(&self.queue).await?.spec;
        let mut secret = Secret::default();
        secret.metadata.name = Some(worker.to_owned());
        secret.data = Some([(TOKEN_KEY.to_owned(), ByteString(token.into_bytes()))].into());
        self.secrets().create(&PostParams::default(), &secret).await?;
        let spec = PlanWorkerSpec {
            queue: self.queue.clone(),
            engine,
            profile,
            publishers,
            suspenders,
            connect_to: self.connect_to.clone(),
            token_secret: worker.to_owned(),
            epoch: self.tenure.epoch(),
            orphan_grace_seconds: i32::try_from(self.grace_s).unwrap_or(i32::MAX),
        };
        if !self.tenure.is_sure() {
            // The next leader takes away what is there already, and would not know of a worker that comes later.
            return Ok(());
        }
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
        complain(worker, timeout(REMOVAL, removed).await);
    }

    /// Takes a worker away and leaves the rest to the operator.
    pub(super) async fn abandon(&self, worker: &str) {
        complain(worker, timeout(DEADLINE, self.delete(worker)).await);
    }

    async fn delete(&self, worker: &str) -> Result<(), kube::Error> {
        self.door.forget(worker);
        if !self.tenure.is_sure() {
            // It may be at work for the next leader.
            return Ok(());
        }
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

    /// Looks for the workers of earlier leaders. The newest that may still be at work is expected back; every other one is to be
    /// taken away.
    pub(super) async fn left(&self) -> Result<Left, kube::Error> {
        let all = self.workers().list(&ListParams::default()).await?.items;
        let mut ours: Vec<_> =
            all.into_iter().filter(|worker| worker.spec.queue == self.queue).collect();
        ours.sort_by_key(|worker| worker.creation_timestamp());
        let mut left = Left::default();
        for worker in ours.iter().rev() {
            let may_come = left.awaited.is_none() && comes_back(worker, self.tenure.epoch());
            match if may_come { self.expected_back(worker).await? } else { None } {
                Some(awaited) => left.awaited = Some(awaited),
                None => left.others.push(worker.name_any()),
            }
        }
        Ok(left)
    }

    /// Lets that worker in again, if its token is still there.
    async fn expected_back(&self, worker: &PlanWorker) -> Result<Option<Awaited>, kube::Error> {
        let Some(secret) = self.secrets().get_opt(&worker.spec.token_secret).await? else {
            return Ok(None);
        };
        let data = secret.data.unwrap_or_default();
        let text = |key| data.get(key).and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
        let Some(token) = text(TOKEN_KEY) else { return Ok(None) };
        let grace_s = u64::try_from(worker.spec.orphan_grace_seconds).unwrap_or_default();
        let expected = Expected::new(&worker.name_any(), &token, grace_s);
        self.door.expect(Expected { instance: text(INSTANCE_KEY), ..expected });
        Ok(Some(Awaited { worker: worker.name_any(), grace_s }))
    }
}

/// Whether a worker of an earlier leader may be at work and come back.
fn comes_back(worker: &PlanWorker, epoch: i64) -> bool {
    let ended = worker.status.as_ref().is_some_and(|status| status.exit.is_some());
    worker.metadata.deletion_timestamp.is_none()
        && !ended
        && worker.spec.orphan_grace_seconds > 0
        && worker.spec.epoch < epoch
}

fn complain(worker: &str, outcome: Result<Result<(), kube::Error>, tokio::time::error::Elapsed>) {
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(worker, %error, "cannot remove the worker"),
        Err(_) => tracing::warn!(worker, "the worker was not removed in time"),
    }
}
