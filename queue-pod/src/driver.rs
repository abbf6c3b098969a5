//! The actor that owns the state machine: feeds it events one at a time and performs what it asks for.

mod catalogue;
mod lease;
mod report;
mod store;
mod watch;
pub mod workers;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use plan_worker::protocol::Command;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::desk::{Desk, now};
use crate::machine::{Effect, Event, Moment, Request, Setup, State, Ticket, WorkerNews, step};
use crate::methods::{Method, Reply};
use report::Reporter;
use store::Store;
use workers::Door;

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_secs(1);
/// First and longest pause before the resources are read again after that failed.
const RELOAD_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

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
    /// The watch begins anew; what happened in between has to be read.
    Relisted,
}

/// The driver cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// Another queue server took the lease, or it could not be taken.
    #[error("failed to take the lease of the queue")]
    Lease(#[source] kube::Error),
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
    pub(crate) readiness: service::health::Readiness,
}

impl Driver {
    /// Runs until `shutdown`.
    ///
    /// # Errors
    /// [`DriverError`] when it cannot go on.
    pub(crate) async fn run(
        self,
        mut state: State,
        shutdown: CancellationToken,
    ) -> Result<(), DriverError> {
        let store = Store::new(&self.client, &self.namespace, &self.setup.queue);
        let epoch = lease::take(&self.client, &self.namespace, &self.setup.queue, &shutdown)
            .await
            .map_err(DriverError::Lease)?;
        if let Some(catalogue) =
            catalogue::load(&self.client, &self.namespace, &self.setup.queue).await
        {
            state.catalogue = Arc::new(catalogue);
        }
        let (reporter, report) =
            Reporter::new(&self.client, &self.namespace, &self.setup.queue, &state);
        let mut tasks = JoinSet::new();
        let watched = watch::run(
            self.client.clone(),
            self.namespace.clone(),
            self.setup.queue.clone(),
            self.sender.clone(),
        );
        tasks.spawn(async move {
            watched.await;
            "watch"
        });
        tasks.spawn(async move {
            report.run().await;
            "status report"
        });
        let workers = workers::Keeper {
            client: self.client.clone(),
            namespace: self.namespace.clone(),
            queue: self.setup.queue.clone(),
            connect_to: self.connect_to.clone(),
            epoch,
            door: self.door.clone(),
            signals: self.sender.clone(),
        };
        let mut chores = JoinSet::new();
        let leftovers = workers.clone();
        chores.spawn(async move { leftovers.remove_leftovers().await });
        let actor = Actor {
            store,
            reporter,
            workers,
            desk: self.desk,
            readiness: self.readiness,
            sender: self.sender,
            tasks: chores,
            waiting: HashMap::new(),
            last_ticket: 0,
            reload_pause: RELOAD_PAUSE.0,
            failed_writes: 0,
        };
        tokio::select! {
            ended = actor.run(&mut state, self.signals, &shutdown) => ended,
            Some(ended) = tasks.join_next() => {
                Err(DriverError::TaskEnded(ended.unwrap_or("a task")))
            }
        }
    }
}

struct Actor {
    store: Store,
    reporter: Reporter,
    workers: workers::Keeper,
    desk: Desk,
    readiness: service::health::Readiness,
    sender: mpsc::Sender<Signal>,
    /// Work that nobody waits for; at most a handful at a time.
    tasks: JoinSet<()>,
    waiting: HashMap<Ticket, oneshot::Sender<Reply>>,
    last_ticket: Ticket,
    reload_pause: Duration,
    /// Writes that failed since the last one that did not.
    failed_writes: usize,
}

impl Actor {
    async fn run(
        mut self,
        state: &mut State,
        mut signals: mpsc::Receiver<Signal>,
        shutdown: &CancellationToken,
    ) -> Result<(), DriverError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.reload(state).await;
        loop {
            let signal = tokio::select! {
                () = shutdown.cancelled() => break,
                Some(signal) = signals.recv() => signal,
                _ = tick.tick() => Signal::Event(Event::Tick),
                Some(_) = self.tasks.join_next() => continue,
            };
            match signal {
                Signal::Event(event) => self.handle(state, event).await,
                Signal::Relisted => self.reload(state).await,
                Signal::Request { method, params, reply } => {
                    self.last_ticket += 1;
                    let ticket = self.last_ticket;
                    self.waiting.insert(ticket, reply);
                    let request = Request { ticket, method, params, again: false };
                    self.handle(state, Event::Request(request)).await;
                }
            }
        }
        self.leave(state).await;
        Ok(())
    }

    /// Takes the worker away: without its queue server it must not go on.
    async fn leave(&mut self, state: &State) {
        if let Some(worker) = state.environment.worker() {
            self.workers.abandon(worker).await;
        }
    }

    /// Reads the resources; when that fails, again after a while.
    async fn reload(&mut self, state: &mut State) {
        match self.store.load().await {
            Ok(snapshot) => {
                self.readiness.ready("kubernetes");
                Box::pin(self.handle(state, Event::Loaded(Box::new(snapshot)))).await;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read the queue");
                self.readiness.not_ready("kubernetes", "the queue cannot be read");
                self.reload_later();
            }
        }
    }

    fn reload_later(&mut self) {
        let (pause, sender) = (self.reload_pause, self.sender.clone());
        self.reload_pause = (pause * 2).min(RELOAD_PAUSE.1);
        self.tasks.spawn(async move {
            tokio::time::sleep(pause).await;
            // The actor is gone only when everything ends.
            let _ = sender.send(Signal::Relisted).await;
        });
    }

    /// Feeds one event and everything that follows from it.
    async fn handle(&mut self, state: &mut State, event: Event) {
        let mut events = VecDeque::from([event]);
        let mut reload = false;
        while let Some(event) = events.pop_front() {
            let moment = Moment { now: now(), seed: Uuid::new_v4() };
            let effects = step(state, event, moment);
            self.desk.show(state);
            self.reporter.report(state);
            for effect in effects {
                match effect {
                    Effect::Write(writes) => {
                        let written = self.store.write(writes).await;
                        match &written {
                            Ok(_) => {
                                self.failed_writes = 0;
                                self.reload_pause = RELOAD_PAUSE.0;
                            }
                            Err(error) => {
                                self.failed_writes += 1;
                                tracing::warn!(error = %error.text, "a write failed");
                            }
                        }
                        events.push_back(Event::Written(written));
                    }
                    Effect::Reload => reload = true,
                    other => self.perform(state, other).await,
                }
            }
        }
        // A write that keeps failing must not be tried in a hot loop.
        match reload {
            false => {}
            true if self.failed_writes > 1 => self.reload_later(),
            true => self.reload(state).await,
        }
    }

    async fn perform(&mut self, state: &State, effect: Effect) {
        match effect {
            Effect::Write(_) | Effect::Reload => {}
            Effect::Answer(ticket, reply) => {
                if let Some(waiting) = self.waiting.remove(&ticket) {
                    // The user may have gone; the answer then has no reader.
                    let _ = waiting.send(reply);
                }
            }
            Effect::OpenWorker(worker) => {
                let workers = self.workers.clone();
                self.tasks.spawn(async move { workers.open(&worker).await });
            }
            Effect::RemoveWorker(worker) => {
                let workers = self.workers.clone();
                self.tasks.spawn(async move {
                    workers.remove(&worker).await;
                    workers.tell(&worker, WorkerNews::Removed).await;
                });
            }
            Effect::Order(order) => {
                let command = Command { epoch: self.workers.epoch, order };
                let worker = state.environment.worker().unwrap_or_default();
                if !self.workers.door.send(worker, command) {
                    let news = WorkerNews::Gone("the connection to the worker is lost".to_owned());
                    let (workers, worker) = (self.workers.clone(), worker.to_owned());
                    self.tasks.spawn(async move { workers.tell(&worker, news).await });
                }
            }
            Effect::SaveCatalogue(catalogue) => {
                let (client, namespace, queue) = self.workers.place();
                self.tasks.spawn(async move {
                    catalogue::save(&client, &namespace, &queue, &catalogue).await;
                });
            }
            Effect::Console(text) => {
                tracing::info!(text = text.trim_end(), "console");
                self.desk.console.print(now(), text);
            }
        }
    }
}
