//! The state machine without any I/O: a store in memory, and a worker that does what the test says.

use std::collections::BTreeMap;

use crds::queue::{QueueSpec, QueueStatus};
use crds::{Queue, QueueItem};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use plan_worker::protocol::{ExitStatus, Order, PlanOutcome, Report};
use queue_pod::machine::{
    Awaited, Effect, Event, Moment, Request, Setup, Snapshot, State, Stored, WorkerNews, Write,
    WriteError, step,
};
use queue_pod::manifest;
use queue_pod::methods::{Method, Reply};
use queue_pod::queue::Object;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What survives a crash.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) items: BTreeMap<String, QueueItem>,
    queue: Queue,
    version: u64,
}

impl Store {
    fn new() -> Self {
        let queue = Queue::new("main", QueueSpec::default());
        Self { items: BTreeMap::new(), queue, version: 0 }
    }

    fn touch(&mut self, item: &mut QueueItem) -> Stored {
        self.version += 1;
        item.metadata.resource_version = Some(self.version.to_string());
        Stored { object: manifest::object(item), created: manifest::created(item) }
    }

    pub(crate) fn create(&mut self, mut item: QueueItem) -> Stored {
        let name = item.metadata.name.clone().unwrap();
        if let Some(found) = self.items.get(&name) {
            assert_eq!(found.spec.item_uid, item.spec.item_uid, "a name is used for two items");
            return Stored { object: manifest::object(found), created: 0 };
        }
        item.metadata.uid = Some(format!("object-{}", self.version));
        item.metadata.creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        item.metadata.generation = Some(1);
        item.status = None;
        let stored = self.touch(&mut item);
        self.items.insert(name, item);
        stored
    }

    fn find(&mut self, object: &Object) -> Result<QueueItem, WriteError> {
        let item = self.items.get(&object.name).cloned();
        let fits = |item: &QueueItem| {
            let found = manifest::object(item);
            (object.uid.is_empty() || object.uid == found.uid)
                && (object.version.is_empty() || object.version == found.version)
        };
        let conflict = WriteError { conflict: true, not_now: false, text: "conflict".to_owned() };
        item.filter(fits).ok_or(conflict)
    }

    fn write(&mut self, write: Write) -> Result<Stored, WriteError> {
        match write {
            Write::Create(item) => Ok(self.create(*item)),
            Write::Spec(object, spec) => {
                let mut item = self.find(&object)?;
                item.spec = *spec;
                item.metadata.generation = item.metadata.generation.map(|last| last + 1);
                let stored = self.touch(&mut item);
                self.items.insert(object.name, item);
                Ok(stored)
            }
            Write::Status(object, status) => {
                let mut item = self.find(&object)?;
                item.status = Some(*status);
                if let Some(status) = &mut item.status {
                    status.observed_generation = item.metadata.generation;
                }
                let stored = self.touch(&mut item);
                self.items.insert(object.name, item);
                Ok(stored)
            }
            Write::Delete(object) => {
                self.items.remove(&object.name);
                Ok(Stored { object, created: 0 })
            }
            Write::Supply(_) | Write::Lock(_) | Write::Unlock(_) => Ok(Stored::default()),
            Write::QueueSpec(patch) => {
                let mut spec = json!(self.queue.spec);
                merge(&mut spec, patch);
                self.queue.spec = serde_json::from_value(spec).unwrap();
                Ok(Stored::default())
            }
            Write::QueueStatus(patch) => {
                let mut status = json!(self.queue.status.clone().unwrap_or_default());
                merge(&mut status, patch);
                let status: QueueStatus = serde_json::from_value(status).unwrap();
                self.queue.status = Some(status);
                Ok(Stored::default())
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            items: self.items.values().cloned().collect(),
            queue: self.queue.clone(),
            awaited: None,
            locked: Vec::new(),
        }
    }
}

fn merge(value: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else { unreachable!("patches are objects") };
    for (key, new) in patch {
        value[key] = new;
    }
}

/// A server on its store.
pub(crate) struct Simulation {
    pub(crate) state: State,
    pub(crate) store: Store,
    /// Item uids that the worker was told to run, in order.
    pub(crate) ran: Vec<String>,
    /// What else it was told, in order.
    pub(crate) orders: Vec<Order>,
    worker: Option<String>,
    /// The item whose plan the worker runs, and how its last one ended.
    doing: (Option<String>, Option<PlanOutcome>),
    /// Writes until the process dies; `None` when it lives on.
    pub(crate) fuse: Option<usize>,
    chance: u64,
    answer: Option<Reply>,
}

impl Simulation {
    pub(crate) fn new() -> Self {
        let mut simulation = Self {
            state: fresh(),
            store: Store::new(),
            ran: Vec::new(),
            orders: Vec::new(),
            worker: None,
            doing: (None, None),
            fuse: None,
            chance: 0,
            answer: None,
        };
        simulation.restart();
        simulation.open();
        simulation
    }

    /// Begins with nothing but the store.
    pub(crate) fn restart(&mut self) {
        self.state = fresh();
        (self.worker, self.doing) = (None, (None, None));
        self.fuse = None;
        self.feed(Event::Loaded(Box::new(self.store.snapshot())));
    }

    /// Another server takes over; the worker goes on and comes back to it.
    pub(crate) fn fail_over(&mut self) {
        let Some(worker) = self.worker.clone() else { return self.restart() };
        self.state = fresh();
        self.fuse = None;
        let mut snapshot = self.store.snapshot();
        snapshot.awaited = Some(Awaited { worker: worker.clone(), grace_s: 60 });
        self.feed(Event::Loaded(Box::new(snapshot)));
        self.feed(Event::Worker(worker.clone(), WorkerNews::Connected));
        self.say_ready(worker);
    }

    /// The worker says what it can run, and what it does.
    fn say_ready(&mut self, worker: String) {
        let plans = json!({"p": {"name": "p", "parameters": []}});
        let (running, ended) = self.doing.clone();
        let ready = Report::Ready {
            plans,
            devices: json!({}),
            run_engine: true,
            running,
            ended,
            ended_tasks: Vec::new(),
        };
        self.feed(Event::Worker(worker, WorkerNews::Report(ready)));
    }

    pub(crate) fn open(&mut self) {
        self.call("environment_open", json!({}));
        let Some(worker) = self.worker.clone() else { return };
        self.feed(Event::Worker(worker.clone(), WorkerNews::Connected));
        self.say_ready(worker);
    }

    /// The plan that runs ends so.
    pub(crate) fn finish(&mut self, exit_status: ExitStatus) {
        let Some(item_uid) = self.doing.0.take() else { return };
        let outcome = PlanOutcome {
            item_uid,
            exit_status,
            run_uids: vec![],
            scan_ids: vec![],
            message: String::new(),
            traceback: String::new(),
        };
        self.doing.1 = Some(outcome.clone());
        let Some(worker) = self.worker.clone() else { return };
        let idle = Report::ReState { state: "idle".to_owned(), deferred_pause_requested: false };
        self.feed(Event::Worker(worker.clone(), WorkerNews::Report(idle)));
        let report = Report::PlanFinished { outcome };
        self.feed(Event::Worker(worker, WorkerNews::Report(report)));
    }

    /// The worker says something.
    pub(crate) fn say(&mut self, report: Report) {
        let Some(worker) = self.worker.clone() else { return };
        self.feed(Event::Worker(worker, WorkerNews::Report(report)));
    }

    /// The reply to a request that had to wait.
    pub(crate) fn answered(&mut self) -> Option<Reply> {
        self.answer.take()
    }

    /// The worker dies.
    pub(crate) fn lose_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.doing = (None, None);
            self.feed(Event::Worker(worker, WorkerNews::Gone("lost".to_owned())));
        }
    }

    /// One request; the reply, unless the process died before it.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Option<Reply> {
        let Value::Object(params) = params else { unreachable!("parameters are an object") };
        let mut full: Map<String, Value> = params;
        let method = Method::named(method).unwrap();
        for (key, value) in [("user", "u"), ("user_group", "primary")] {
            if method.params.contains(&key) {
                full.insert(key.to_owned(), json!(value));
            }
        }
        self.answer = None;
        self.feed(Event::Request(Request { ticket: 1, method, params: full, again: false }));
        self.answer.take()
    }

    pub(crate) fn feed(&mut self, event: Event) {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            if self.fuse == Some(0) {
                return;
            }
            self.chance += 1;
            let seed = Uuid::from_u128(u128::from(self.chance));
            let now = 1_000.0 + f64::from(u32::try_from(self.chance).unwrap());
            for effect in step(&mut self.state, event, Moment { now, seed }) {
                match effect {
                    Effect::Write(stages) => {
                        let Some(written) = self.write(stages) else { return };
                        events.push_back(Event::Written(written));
                    }
                    Effect::Answer(_, reply) => self.answer = Some(reply),
                    Effect::Reload => {
                        events.push_back(Event::Loaded(Box::new(self.store.snapshot())));
                    }
                    Effect::OpenWorker(worker) => {
                        (self.worker, self.doing) = (Some(worker), (None, None));
                    }
                    Effect::RemoveWorker(worker) if self.worker.as_ref() == Some(&worker) => {
                        (self.worker, self.doing) = (None, (None, None));
                    }
                    Effect::Order(Order::RunPlan { plan }) => {
                        self.doing.0 = Some(plan.item_uid.clone());
                        self.ran.push(plan.item_uid);
                    }
                    Effect::Order(order) => self.orders.push(order),
                    _ => {}
                }
            }
        }
    }

    /// Writes, until the fuse is burnt: then nothing happens any more.
    fn write(&mut self, stages: Vec<Vec<Write>>) -> Option<Result<Vec<Stored>, WriteError>> {
        let mut stored = Vec::new();
        for write in stages.into_iter().flatten() {
            if let Some(fuse) = &mut self.fuse {
                *fuse = fuse.checked_sub(1)?;
                if *fuse == 0 {
                    return None;
                }
            }
            match self.store.write(write) {
                Ok(one) => stored.push(one),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(stored))
    }

    pub(crate) fn queued(&self) -> Vec<String> {
        self.state.queue.iter().map(|entry| entry.item.uid().to_owned()).collect()
    }

    pub(crate) fn ended(&self) -> Vec<String> {
        self.state.history.iter().map(|record| record.item.uid().to_owned()).collect()
    }
}

fn fresh() -> State {
    let mut state = State::new(Setup { queue: "main".to_owned(), ..Setup::default() });
    let plans = json!({"p": {"name": "p", "parameters": []}});
    state.learn(queue_pod::plans::Catalogue::new(plans, json!({})));
    state
}
