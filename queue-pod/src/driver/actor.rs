//! The actor that owns the state machine during one tenure: feeds it events one at a time and performs what it asks for.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use plan_worker::protocol::Command;
use service::health::Readiness;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::fill::fill;
use super::report::Reporter;
use super::store::{LoadError, Store};
use super::watch::SeenWorker;
use super::workers::Keeper;
use super::{Signal, catalogue};
use crate::desk::{Desk, now};
use crate::files::Files;
use crate::machine::{
    Effect, Environment, Event, Manager, Moment, Request, Snapshot, State, Ticket, WorkerNews, step,
};
use crate::methods::{Act, Kind, Reply};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_secs(1);
/// First and longest pause before the resources are read again after that failed.
const RELOAD_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Why the actor left.
#[derive(Debug)]
pub(super) enum Left {
    /// It was asked to.
    Shutdown,
    /// A leader of that later epoch was there before.
    Behind(i64),
    /// A user asked for its end.
    Stopped,
    /// A user asked for it to begin anew.
    Killed,
    /// A task around it ended by itself.
    TaskEnded(&'static str),
}

/// The actor of one tenure.
pub(super) struct Actor {
    store: Store,
    reporter: Reporter,
    workers: Keeper,
    desk: Desk,
    readiness: Readiness,
    /// Work that nobody waits for; at most a handful at a time.
    tasks: JoinSet<()>,
    waiting: HashMap<Ticket, oneshot::Sender<Reply>>,
    last_ticket: Ticket,
    reload_pause: Duration,
    /// Writes that failed since the last one that did not.
    failed_writes: usize,
    behind: Option<i64>,
    files: Arc<Files>,
    is_stopped: bool,
}

impl Actor {
    /// An actor that performs with these; `tasks` are owned by it.
    pub(super) fn new(
        store: Store,
        reporter: Reporter,
        workers: Keeper,
        desk: Desk,
        readiness: Readiness,
        tasks: JoinSet<()>,
        files: Arc<Files>,
    ) -> Self {
        Self {
            store,
            reporter,
            workers,
            desk,
            readiness,
            tasks,
            waiting: HashMap::new(),
            last_ticket: 0,
            reload_pause: RELOAD_PAUSE.0,
            failed_writes: 0,
            behind: None,
            files,
            is_stopped: false,
        }
    }

    /// Runs until `shutdown`, or until it must not go on.
    pub(super) async fn run(
        mut self,
        state: &mut State,
        signals: &mut mpsc::Receiver<Signal>,
        shutdown: &CancellationToken,
    ) -> Left {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.reload(state).await;
        loop {
            if let Some(epoch) = self.behind {
                return Left::Behind(epoch);
            }
            if self.is_stopped {
                self.end(state).await;
                return Left::Stopped;
            }
            let signal = tokio::select! {
                () = shutdown.cancelled() => break,
                Some(signal) = signals.recv() => signal,
                _ = tick.tick() => {
                    self.follow_registry(state);
                    Signal::Event(Event::Tick)
                }
                Some(_) = self.tasks.join_next() => continue,
            };
            match signal {
                Signal::Event(event) => self.handle(state, event).await,
                Signal::Relisted => self.reload(state).await,
                Signal::Kill => return Left::Killed,
                Signal::Worker { epoch, worker, news } if epoch == self.workers.tenure.epoch() => {
                    self.handle(state, Event::Worker(worker, news)).await;
                }
                // Said under an earlier tenure.
                Signal::Worker { .. } => {}
                Signal::WorkerSeen(seen) => self.worker_seen(state, seen).await,
                Signal::Request { method, params, reply } => {
                    if method.kind == Kind::Act(Act::ReloadPermissions) && self.files.is_any() {
                        let contents = self.files.read().await;
                        self.handle(state, Event::FilesRead(Box::new(contents))).await;
                    }
                    self.last_ticket += 1;
                    let ticket = self.last_ticket;
                    self.waiting.insert(ticket, reply);
                    let request = Request { ticket, method, params, again: false };
                    self.handle(state, Event::Request(request)).await;
                }
            }
        }
        self.leave(state).await;
        Left::Shutdown
    }

    /// Takes the worker away if it cannot go on without its queue server. Any other waits for the next leader.
    async fn leave(&mut self, state: &State) {
        let worker = match &state.environment {
            Environment::Open { grace, .. } | Environment::Awaited { grace, .. }
                if *grace > 0.0 =>
            {
                None
            }
            environment => environment.worker(),
        };
        if let Some(worker) = worker {
            self.workers.abandon(worker).await;
        }
    }

    /// Takes the worker away, whatever it is: nobody comes back to it.
    async fn end(&mut self, state: &State) {
        if let Some(worker) = state.environment.worker() {
            self.workers.abandon(worker).await;
        }
    }

    /// Reads the resources; when that fails, again after a while.
    async fn reload(&mut self, state: &mut State) {
        match self.read(state).await {
            Ok(snapshot) => {
                self.readiness.ready("kubernetes");
                Box::pin(self.handle(state, Event::Loaded(Box::new(snapshot)))).await;
            }
            Err(LoadError::Behind(epoch)) => self.behind = Some(epoch),
            Err(error) => {
                tracing::warn!(%error, "cannot read the queue");
                self.readiness.not_ready("kubernetes", "the queue cannot be read");
                self.reload_later();
            }
        }
    }

    async fn read(&mut self, state: &State) -> Result<Snapshot, LoadError> {
        let mut snapshot = self.store.load().await?;
        if state.manager == Manager::Initializing {
            let left = tokio::time::timeout(super::store::DEADLINE, self.workers.left()).await??;
            snapshot.awaited = left.awaited;
            for worker in left.others {
                self.remove(worker);
            }
        }
        Ok(snapshot)
    }

    /// Has an open environment follow the registry.
    fn follow_registry(&mut self, state: &State) {
        if state.wants_devices
            && let Environment::Open { worker, .. } = &state.environment
        {
            let (workers, worker) = (self.workers.clone(), worker.clone());
            self.tasks.spawn(async move {
                if let Some(outcome) = workers.supply.follow(&worker).await {
                    workers.tell(&worker, WorkerNews::Devices(outcome)).await;
                }
            });
        }
    }

    /// Removes a worker that is of no use any more.
    fn remove(&mut self, worker: String) {
        let workers = self.workers.clone();
        self.tasks.spawn(async move { workers.remove(&worker).await });
    }

    fn reload_later(&mut self) {
        let (pause, sender) = (self.reload_pause, self.workers.signals.clone());
        self.reload_pause = (pause * 2).min(RELOAD_PAUSE.1);
        self.tasks.spawn(async move {
            tokio::time::sleep(pause).await;
            // The actor is gone only when everything ends.
            let _ = sender.send(Signal::Relisted).await;
        });
    }

    async fn worker_seen(&mut self, state: &mut State, seen: SeenWorker) {
        let SeenWorker { name, epoch, is_there, exit } = seen;
        if state.environment.worker() == Some(name.as_str()) {
            let news = match exit {
                Some(exit) => WorkerNews::Gone(format!("the worker process ended ({exit})")),
                None if is_there => return,
                None => WorkerNews::Removed,
            };
            self.handle(state, Event::Worker(name, news)).await;
        } else if is_there
            && epoch < self.workers.tenure.epoch()
            && state.manager != Manager::Initializing
        {
            // An earlier leader asked for it, perhaps only just now, and nobody would ever use it.
            self.remove(name);
        }
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
                let command = Command { epoch: self.workers.tenure.epoch(), order };
                let worker = state.environment.worker().unwrap_or_default();
                if !self.workers.door.send(worker, command) {
                    let news = WorkerNews::Lost("the connection to the worker is lost".to_owned());
                    let (workers, worker) = (self.workers.clone(), worker.to_owned());
                    self.tasks.spawn(async move { workers.tell(&worker, news).await });
                }
            }
            Effect::Supply(worker) => {
                let (workers, console) = (self.workers.clone(), self.desk.console.clone());
                self.tasks.spawn(async move {
                    workers.equip(&worker, &console).await;
                });
            }
            Effect::FillRegistry(devices) => {
                let (workers, console) = (self.workers.clone(), self.desk.console.clone());
                let worker = state.environment.worker().unwrap_or_default().to_owned();
                self.tasks.spawn(async move {
                    let (client, namespace, _) = workers.place();
                    let outcome = fill(&client, &namespace, devices, &console).await;
                    workers.tell(&worker, WorkerNews::Devices(outcome)).await;
                });
            }
            Effect::Compare(ticket, comparison) => {
                let Some(waiting) = self.waiting.remove(&ticket) else { return };
                let (workers, console) = (self.workers.clone(), self.desk.console.clone());
                let worker = state.environment.worker().unwrap_or_default().to_owned();
                self.tasks.spawn(async move {
                    let (reply, outcome) = workers.inventories.answer(comparison, &console).await;
                    if let Some(outcome) = outcome {
                        workers.tell(&worker, WorkerNews::Devices(outcome)).await;
                    }
                    // The user may have gone; the answer then has no reader.
                    let _ = waiting.send(reply);
                });
            }
            Effect::SaveCatalogue(catalogue, occasion) => {
                // Written before the next event: whoever sees the environment open finds the file as it is then.
                self.files.write(&catalogue, occasion).await;
                let (client, namespace, queue) = self.workers.place();
                self.tasks.spawn(async move {
                    catalogue::save(&client, &namespace, &queue, &catalogue).await;
                });
            }
            Effect::Stop => self.is_stopped = true,
            Effect::Print(print) => self.desk.console.print(now(), print),
        }
    }
}
