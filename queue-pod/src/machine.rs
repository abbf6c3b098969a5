//! The queue as a pure state machine: events in, effects out; no I/O, no clock, no chance.
//!
//! What has to be durable is written before it takes effect: a step asks for a [`Effect::Write`] and remembers what to do with its
//! outcome; only [`Event::Written`] changes the state and answers the user. The driver delivers the outcome of a write before any
//! other event. After a write that failed, the state is rebuilt from the resources, by the same code that does so at start.

mod advance;
mod finish;
mod hold;
mod pending;
mod progress;
mod resources;
mod state;
mod worker;

pub(crate) use advance::{preparing, running_status};
pub use pending::{Change, Outcome, Writes};
pub(crate) use pending::{carry_out, rebalance};
pub use resources::Snapshot;
pub use state::{
    Environment, Execution, Manager, Mint, RegistryTrouble, Revisions, Running, Settings, Setup,
    State,
};

use crds::queue::QueueSpec;
use crds::queue_item::QueueItemStatus;
use crds::{QueueItem, QueueItemSpec};
use plan_worker::protocol::{DeviceRecipe, Order, Report};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::console::Print;
use crate::files::{Contents, Update};
use crate::inventory::{ProfileDevices, Strategy};
use crate::methods::{Method, Reply};
use crate::plans::Catalogue;
use crate::queue::Object;
use crate::{requests, status};

/// When an event happened, and the chance that it may use.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Unix time in seconds.
    pub now: f64,
    /// Random; uids are made from it.
    pub seed: Uuid,
}

/// Names the waiting user of a request.
pub type Ticket = u64;

/// A request that changes something.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who waits for the answer.
    pub ticket: Ticket,
    /// What is asked for.
    pub method: &'static Method,
    /// Its parameters, as they came.
    pub params: Map<String, Value>,
    /// Whether it was tried before and met a conflict.
    pub again: bool,
}

/// What happens to the machine.
#[allow(clippy::large_enum_variant, reason = "one exists at a time and is moved once")]
#[derive(Debug)]
pub enum Event {
    /// A user asks for a change.
    Request(Request),
    /// The outcome of the last [`Effect::Write`]: one entry for each write, in order.
    Written(Result<Vec<Stored>, WriteError>),
    /// The resources were read, as asked by [`Effect::Reload`].
    Loaded(Box<Snapshot>),
    /// A resource was created or changed, by whomever.
    ItemApplied(Box<QueueItem>),
    /// A resource was deleted.
    ItemDeleted(Box<QueueItem>),
    /// The `Queue` was changed, and is of that generation now.
    QueueApplied(Box<QueueSpec>, Option<i64>),
    /// News of the worker of that name.
    Worker(String, WorkerNews),
    /// The files of the profile were read.
    FilesRead(Box<Contents>),
    /// Time passes.
    Tick,
}

/// News of a worker.
#[allow(clippy::large_enum_variant, reason = "one exists at a time and is moved once")]
#[derive(Debug)]
pub enum WorkerNews {
    /// It connected and its token was good.
    Connected,
    /// It says something.
    Report(Report),
    /// Its connection broke, and it may come back; why.
    Lost(String),
    /// Its process ended, it left, or it could not be started; why.
    Gone(String),
    /// Its resource is gone, so its process is too.
    Removed,
    /// It was told the devices of the registry, or the registry those of its profile; or why that failed.
    Devices(Result<(), String>),
}

/// A worker that may come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// Name of its `PlanWorker`.
    pub worker: String,
    /// How long it goes on without a queue server, in seconds.
    pub grace_s: u64,
}

/// A written resource.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Identity and version after the write.
    pub object: Object,
    /// `metadata.creationTimestamp`, in seconds.
    pub created: i64,
}

/// Why a write failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteError {
    /// The resource is not what it was when it was last read.
    pub conflict: bool,
    /// The item cannot start now, since devices are locked by others or nobody knows which there are: nothing of it was written, and
    /// nothing is wrong with what is stored.
    pub not_now: bool,
    /// For the user.
    pub text: String,
}

/// What the machine asks the driver to do, in order.
#[derive(Debug)]
pub enum Effect {
    /// Write these stages one after the other, the writes of a stage side by side; then report [`Event::Written`].
    Write(Writes),
    /// Answer a user.
    Answer(Ticket, Reply),
    /// Read the resources again and report [`Event::Loaded`].
    Reload,
    /// Ask for a worker of that name.
    OpenWorker(String),
    /// Take the worker away, whatever it does, and report [`WorkerNews::Removed`].
    RemoveWorker(String),
    /// Send an order to the worker.
    Order(Order),
    /// Tell the worker of that name the devices of the registry.
    Supply(String),
    /// Put these devices of the profile into the registry, if it has none.
    FillRegistry(Vec<DeviceRecipe>),
    /// Compare the devices of the profile with those of the registry, and answer a user.
    Compare(Ticket, Comparison),
    /// Keep the catalogue for the time before the next environment is open.
    SaveCatalogue(std::sync::Arc<Catalogue>, Update),
    /// End this server, and the worker with it.
    Stop,
    /// Text or a line for the console.
    Print(Print),
}

/// What a user wants to know of the devices of the profile and those of the registry.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// What was asked for.
    pub method: &'static Method,
    /// The devices of the profile.
    pub profile: ProfileDevices,
    /// Which differences are to go away first, if any.
    pub strategy: Option<Strategy>,
}

/// One write of one resource.
#[derive(Clone, Debug)]
pub enum Write {
    /// Create an item; finding it there already, with the same `itemUid`, is success.
    Create(Box<QueueItem>),
    /// Replace the spec.
    Spec(Object, Box<QueueItemSpec>),
    /// Replace the status.
    Status(Object, Box<QueueItemStatus>),
    /// Delete; finding it gone is success.
    Delete(Object),
    /// Merge into the spec of the `Queue`.
    QueueSpec(Value),
    /// Merge into the status of the `Queue`.
    QueueStatus(Value),
    /// Tell the worker of that name the devices of the registry, if they are others than it was told last. Not stored.
    Supply(String),
    /// Take the devices of a plan in the lock table; no write when it uses none of the registry.
    Lock(Claim),
    /// Give back what the item with that uid has locked; no write when that is nothing.
    Unlock(String),
}

/// Devices that a plan takes, or an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `item_uid` of the item.
    pub item_uid: String,
    /// Name of the plan.
    pub plan: String,
    /// What its arguments name; those that are devices of the registry are locked.
    pub names: Vec<String>,
}

impl Claim {
    /// Whether it is that of an environment, and not of one plan.
    pub fn is_of_environment(&self) -> bool {
        self.plan == hold::PLAN
    }
}

/// Takes one event.
pub fn step(state: &mut State, event: Event, moment: Moment) -> Vec<Effect> {
    state.now = moment.now;
    state.mint = Mint::new(moment.seed);
    let before = status::facts(state);
    let mut asked = false;
    match event {
        Event::Request(request) => {
            asked = true;
            requests::handle(state, request);
        }
        Event::Written(outcome) => pending::written(state, outcome),
        Event::Loaded(snapshot) => resources::load(state, *snapshot),
        Event::ItemApplied(item) => resources::applied(state, *item),
        Event::ItemDeleted(item) => resources::deleted(state, &item),
        Event::QueueApplied(spec, generation) => resources::configured(state, &spec, generation),
        Event::Worker(worker, news) => worker::heard(state, &worker, news),
        Event::FilesRead(contents) => state.take_files(*contents, false),
        Event::Tick => worker::check_deadlines(state),
    }
    advance::advance(state);
    if asked || before != status::facts(state) {
        state.revisions.status = state.mint.uid();
        state.status_time = moment.now;
    }
    std::mem::take(&mut state.effects)
}
