//! What surrounds the state machine: who leads, and while that is us, the actor that feeds the machine and performs what it asks for.
//!
//! A tenure of the lease is one future that owns all that works under it. When the lease may be lost, that future is dropped, and
//! with it every task, write and connection to a worker; the process then stands by again. It does not end: nothing is left over
//! that could go on by itself, and on one machine it is the whole beamline.

mod actor;
mod catalogue;
pub(crate) mod door;
mod fill;
mod inventory;
mod locks;
mod registry;
mod report;
mod role;
mod store;
mod supply;
mod watch;
mod workers;

use std::sync::Arc;

use crds::queue::QueueLeader;
use kube::Client;
use serde_json::{Map, Value};
use service::health::Readiness;
use service::lease::{self, Election, Tenure};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::files::{Files, Reload};
use crate::machine::{Event, Setup, State, WorkerNews};
use crate::methods::{Method, Reply};
use actor::{Actor, Left};
use door::Door;
use inventory::Inventories;
pub(crate) use inventory::UNREACHABLE;
use locks::Locks;
use registry::Registry;
use report::Reporter;
use store::Store;
use supply::Supply;
use watch::SeenWorker;

/// Name of the lease of a queue.
fn lease_name(queue: &str) -> String {
    format!("queue-{queue}")
}

/// What reaches the actor.
#[derive(Debug)]
pub(crate) enum Signal {
    /// A user asks for a change.
    Request {
        /// What is asked for.
        method: &'static Method,
        /// Its parameters.
        params: Map<String, Value>,
        /// Where the answer goes.
        reply: oneshot::Sender<Reply>,
    },
    /// Something happened.
    Event(Event),
    /// News of a worker that was admitted or asked for in that epoch.
    Worker {
        /// Epoch of the lease at that time.
        epoch: i64,
        /// Name of the `PlanWorker`.
        worker: String,
        /// The news.
        news: WorkerNews,
    },
    /// The resource of a worker changed.
    WorkerSeen(SeenWorker),
    /// The watch begins anew; what happened in between has to be read.
    Relisted,
    /// Everything in memory is to be forgotten and read again.
    Kill,
}

/// The driver cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// One of the tasks around the actor ended by itself.
    #[error("the {0} of the queue ended")]
    TaskEnded(&'static str),
}

/// What the driver works on.
pub(crate) struct Driver {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) signals: mpsc::Receiver<Signal>,
    pub(crate) sender: mpsc::Sender<Signal>,
    pub(crate) desk: Desk,
    pub(crate) door: Door,
    pub(crate) setup: Setup,
    /// WebSocket address at which the worker reports in.
    pub(crate) connect_to: String,
    pub(crate) readiness: Readiness,
    /// Who we are among the queue servers.
    pub(crate) lease: lease::Settings,
    /// The pod that we are, on a cluster.
    pub(crate) pod: Option<String>,
    /// How long a new worker goes on without us, in seconds.
    pub(crate) orphan_grace_s: u32,
    /// The files of the profile.
    pub(crate) files: Arc<Files>,
}

impl Driver {
    /// Settings of the lease of `queue`, for `holder`.
    pub(crate) fn lease(queue: &str, holder: String) -> lease::Settings {
        lease::Settings { name: lease_name(queue), holder, times: lease::Times::default() }
    }

    /// Stands by and leads, in turn, until `shutdown`.
    ///
    /// # Errors
    /// [`DriverError`] when it cannot go on.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), DriverError> {
        let mut tasks = JoinSet::new();
        let registry = Registry::new();
        self.follow(&mut tasks, &registry);
        let mut is_first = true;
        let mut election = Election::new(&self.client, &self.namespace, self.lease.clone());
        loop {
            let standing_by = tokio::select! {
                held = election.win(|holder| stand_by(&self.desk, &self.readiness, holder)) => Ok(held),
                () = drop_all(&mut self.signals) => Err(None),
                () = shutdown.cancelled() => Err(None),
                Some(ended) = tasks.join_next() => Err(Some(ended.unwrap_or("a task"))),
            };
            let mut held = match standing_by {
                Ok(held) => held,
                Err(None) => return Ok(()),
                Err(Some(task)) => return Err(DriverError::TaskEnded(task)),
            };
            let tenure = held.tenure();
            let left = tokio::select! {
                loss = held.keep() => {
                    self.desk.resign(&loss.to_string());
                    None
                }
                left = self.lead(&tenure, &registry, &shutdown, is_first) => Some(left),
                Some(ended) = tasks.join_next() => {
                    return Err(DriverError::TaskEnded(ended.unwrap_or("a task")));
                }
            };
            is_first = false;
            self.door.shut();
            self.readiness.not_ready("lease", "nobody is known to lead the queue");
            match left {
                None => drop(held),
                Some(Left::Behind(epoch)) => {
                    tracing::warn!(epoch, "a queue server of a later epoch has led; asking anew");
                    election.skip(epoch);
                    held.release().await;
                }
                Some(Left::Killed) => {
                    tracing::warn!("told to forget everything and to begin anew");
                    self.desk.resign("it begins anew");
                    held.release().await;
                }
                Some(Left::Stopped) => {
                    self.desk.resign("it was told to stop");
                    held.release().await;
                    return Ok(());
                }
                Some(Left::Shutdown) => {
                    self.desk.resign("it is shutting down");
                    held.release().await;
                    return Ok(());
                }
                Some(Left::TaskEnded(task)) => {
                    held.release().await;
                    return Err(DriverError::TaskEnded(task));
                }
            }
        }
    }

    /// Follows the resources, whoever leads: a standby has the way to the API open and knows that it may read.
    fn follow(&self, tasks: &mut JoinSet<&'static str>, registry: &Registry) {
        let (client, namespace) = (self.client.clone(), self.namespace.clone());
        let watched = watch::run(client, namespace, self.setup.queue.clone(), self.sender.clone());
        tasks.spawn(async move {
            watched.await;
            "watch"
        });
        let (client, namespace) = (self.client.clone(), self.namespace.clone());
        let registry = registry.clone();
        tasks.spawn(async move {
            registry.follow(client, &namespace).await;
            "watch of the devices"
        });
    }

    /// Leads under that tenure, until something ends it.
    async fn lead(
        &mut self,
        tenure: &Tenure,
        registry: &Registry,
        shutdown: &CancellationToken,
        is_first: bool,
    ) -> Left {
        while self.signals.try_recv().is_ok() {}
        self.readiness.not_ready("kubernetes", "the queue is not read yet");
        self.readiness.ready("lease");
        self.readiness.say("ready");
        let mut state = State::new(self.setup.clone());
        self.desk.lead(&state, tenure.clone());
        metrics::counter!("queue_terms_total").increment(1);
        let queue = self.setup.queue.as_str();
        let contents = self.files.read().await;
        let stored = match &contents.catalogue {
            Some(catalogue) => Some(catalogue.clone()),
            None => catalogue::load(&self.client, &self.namespace, queue).await,
        };
        if let Some(catalogue) = stored {
            state.learn(catalogue);
        }
        state.take_files(contents, is_first && self.files.reload == Reload::OnStartup);
        let leader = QueueLeader {
            holder: self.lease.holder.clone(),
            epoch: tenure.epoch(),
            connect_to: self.connect_to.clone(),
        };
        let locks = Locks::new(&self.client, &self.namespace, queue, registry.clone());
        let supply = Supply::new(
            &self.client,
            &self.namespace,
            registry.clone(),
            self.door.clone(),
            tenure.clone(),
        );
        let (client, namespace) = (&self.client, &self.namespace);
        let store =
            Store::new(client, namespace, queue, leader, tenure.clone(), locks, supply.clone());
        let workers = workers::Keeper {
            client: self.client.clone(),
            namespace: self.namespace.clone(),
            queue: queue.to_owned(),
            connect_to: self.connect_to.clone(),
            grace_s: self.orphan_grace_s,
            tenure: tenure.clone(),
            door: self.door.clone(),
            inventories: Inventories::new(client, namespace, tenure.clone()),
            supply,
            signals: self.sender.clone(),
        };
        self.door.open(tenure.clone(), queue, workers.secrets());
        let (reporter, report) = Reporter::new(store.clone(), &state);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            report.run().await;
            "status report"
        });
        let mut chores = JoinSet::new();
        if let Some(pod) = self.pod.clone() {
            let (client, namespace) = (self.client.clone(), self.namespace.clone());
            chores.spawn(async move { role::take(&client, &namespace, &pod).await });
        }
        let actor = Actor::new(
            store,
            reporter,
            workers,
            self.desk.clone(),
            self.readiness.clone(),
            chores,
            self.files.clone(),
        );
        tokio::select! {
            left = actor.run(&mut state, &mut self.signals, shutdown) => left,
            Some(ended) = tasks.join_next() => Left::TaskEnded(ended.unwrap_or("a task")),
        }
    }
}

/// Another leads: this server is ready to take over, and says so.
fn stand_by(desk: &Desk, readiness: &Readiness, holder: &str) {
    desk.stand_by(holder);
    readiness.say("standby");
    readiness.ready("lease");
    readiness.ready("kubernetes");
}

/// Lets go of everything that comes in while another leads. Ends only when nobody can send any more.
async fn drop_all(signals: &mut mpsc::Receiver<Signal>) {
    while signals.recv().await.is_some() {}
}
