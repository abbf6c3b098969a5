//! Everything that the queue server knows.

use std::collections::VecDeque;
use std::sync::Arc;

use crds::FreeForm;
use crds::QueueItem;
use crds::queue::{LockScope, OnAbort, QueueLock, QueueMode};
use crds::queue_item::ItemResult;
use plan_worker::protocol::{Order, RunEntry};
use uuid::Uuid;

use super::hold::Hold;
use super::pending::Pending;
use super::progress::Progress;
use super::{Effect, Request};
use crate::console::{Level, Print};
use crate::files::{Contents, Reload};
use crate::kernel::Kernel;
use crate::manifest::Record;
use crate::plans::{Allowed, Catalogue, Permissions};
use crate::queue::{Entry, Object, Queue};
use crate::tasks::Tasks;

/// What is fixed for the life of the process.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// `metadata.name` of the queue.
    pub queue: String,
    /// `msg` of the status.
    pub banner: String,
    /// SHA-256 of the emergency lock key, in hex.
    pub emergency_key_hash: Option<String>,
    /// How long a new worker goes on without us, in seconds.
    pub orphan_grace: f64,
    /// Paths of what may be told of the metadata of the Run Engine.
    pub metadata_keys: Vec<String>,
    /// When permissions are read from their file.
    pub reload: Reload,
    /// Whether a user may end this server.
    pub can_be_stopped: bool,
}

/// `manager_state` of the protocol (contract queue-server §1.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the protocol")]
pub enum Manager {
    #[default]
    Initializing,
    Idle,
    Paused,
    CreatingEnvironment,
    StartingQueue,
    ExecutingQueue,
    ExecutingTask,
    ClosingEnvironment,
    DestroyingEnvironment,
}

impl Manager {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Idle => "idle",
            Self::Paused => "paused",
            Self::CreatingEnvironment => "creating_environment",
            Self::StartingQueue => "starting_queue",
            Self::ExecutingQueue => "executing_queue",
            Self::ExecutingTask => "executing_task",
            Self::ClosingEnvironment => "closing_environment",
            Self::DestroyingEnvironment => "destroying_environment",
        }
    }
}

/// The worker environment. `worker` names the `PlanWorker`; times are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the variants are documented, their fields are the same everywhere")]
pub enum Environment {
    /// There is none.
    #[default]
    Closed,
    /// The worker was asked for; `connected` once it has reported in.
    Opening { worker: String, since: f64, connected: bool },
    /// It takes plans. `grace`: how long it goes on without us, in seconds.
    Open { worker: String, grace: f64 },
    /// The connection is lost, or was that of an earlier leader: it may come back within the grace. `inherited` from an earlier leader.
    Awaited { worker: String, since: f64, grace: f64, inherited: bool },
    /// It was asked to leave.
    Closing { worker: String, since: f64 },
}

impl Environment {
    /// Name of the `PlanWorker`.
    pub fn worker(&self) -> Option<&str> {
        match self {
            Self::Closed => None,
            Self::Opening { worker, .. }
            | Self::Open { worker, .. }
            | Self::Awaited { worker, .. }
            | Self::Closing { worker, .. } => Some(worker),
        }
    }

    /// Whether it takes plans.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Whether it may come back.
    pub fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited { .. })
    }
}

/// The item that is being executed.
#[derive(Clone, Debug)]
pub struct Running {
    /// The item, already out of the queue.
    pub entry: Arc<Entry>,
    /// Unix time of the start.
    pub time_start: f64,
    /// Whether it was executed past the queue.
    pub immediate: bool,
    /// How it ended, until that is stored.
    pub ending: Option<ItemResult>,
}

/// What was asked of the queue, as stored for the leader to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// It was started and did not stop since.
    pub executing: bool,
    /// It is to stop behind the present item.
    pub stop_pending: bool,
}

/// What is still to be stored, besides what the user waits for.
#[derive(Clone, Debug)]
pub(super) enum Chore {
    /// An item was running when the server went away.
    FinishOrphan {
        /// The resource.
        resource: Box<QueueItem>,
        /// What is known of its end.
        result: Box<ItemResult>,
    },
    /// Resources that must not be queued: parts of a batch that was never complete, and items that were to be executed at once but
    /// never started.
    Discard(Vec<Object>),
    /// Batches whose creation ended one way or the other.
    CloseBatches,
    /// An item that was created by other means.
    TakeUp(Box<QueueItem>),
    /// The devices of an item that is not executed any more.
    Unlock(String),
}

/// What stands between the queue and the registry of devices (`config_service_sync_error`, contract queue-server §5.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryTrouble {
    /// Why the last plan could not start: its devices are locked, or nobody knows which there are.
    pub start: Option<String>,
    /// Why worker and registry did not hear of each other's devices, the last time.
    pub devices: Option<String>,
}

impl RegistryTrouble {
    /// What is worst of it.
    pub fn reason(&self) -> Option<&str> {
        self.start.as_deref().or(self.devices.as_deref())
    }
}

/// Uids by which clients see what changed (contract queue-server §1.8).
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the names are those of the protocol")]
pub struct Revisions {
    pub status: String,
    pub runs: String,
    pub queue: String,
    pub history: String,
    pub devices_existing: String,
    pub plans_existing: String,
    pub devices_allowed: String,
    pub plans_allowed: String,
    pub task_results: String,
    /// Of a lock that was never set; a set lock has its own.
    pub lock: String,
}

/// What is configured on the `Queue` resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What happens to finished items.
    pub mode: QueueMode,
    /// Whether items start by themselves.
    pub autostart: bool,
    /// Whether items that are submitted need an approval.
    pub approval: bool,
    /// What becomes of an item that was aborted or halted.
    pub on_abort: OnAbort,
    /// Which devices are locked, and for how long.
    pub lock_scope: LockScope,
    /// How many finished items are kept.
    pub history_limit: usize,
    /// Who may submit what.
    pub permissions: Permissions,
}

/// Everything that the queue server knows. Changed by [`super::step`] only.
#[derive(Debug, Default)]
pub struct State {
    /// What is fixed for the life of the process.
    pub setup: Setup,
    /// Items that wait.
    pub queue: Queue,
    /// The item that is being executed.
    pub running: Option<Running>,
    /// Finished items, oldest first.
    pub history: Arc<VecDeque<Arc<Record>>>,
    /// What is configured on the `Queue` resource.
    pub settings: Settings,
    /// The lock of the queue API.
    pub lock: Option<QueueLock>,
    /// What the manager does.
    pub manager: Manager,
    /// The worker environment.
    pub environment: Environment,
    /// `re_state`, while the environment is open.
    pub re_state: Option<String>,
    /// A pause was asked for and not yet reached.
    pub pause_pending: bool,
    /// The queue stops after the current item.
    pub stop_pending: bool,
    /// Runs of the running plan.
    pub runs: Vec<RunEntry>,
    /// How far the running plan is.
    pub progress: Progress,
    /// The worker is to be told the devices of the registry.
    pub wants_devices: bool,
    /// What the environment holds as a whole.
    pub(super) hold: Hold,
    /// What goes wrong with the registry of devices.
    pub registry_trouble: RegistryTrouble,
    /// The IPython kernel of the worker.
    pub kernel: Kernel,
    /// What the worker can run.
    pub catalogue: Arc<Catalogue>,
    /// What of it each user group may use.
    pub allowed: Arc<Allowed>,
    /// Tasks of the worker.
    pub tasks: Arc<Tasks>,
    /// Uids by which clients see what changed.
    pub revisions: Revisions,
    /// Time at which the status was last made, Unix seconds.
    pub status_time: f64,
    /// Time of the current event, Unix seconds.
    pub(crate) now: f64,
    pub(crate) mint: Mint,
    pub(crate) effects: Vec<Effect>,
    pub(super) pending: Option<Pending>,
    /// The resources have to be read again before anything is written.
    pub(super) stale: bool,
    /// A request that is tried again after the resources were read again.
    pub(super) retry: Option<Request>,
    pub(super) chores: VecDeque<Chore>,
    /// Items by other means that wait until the plans are known or their batch is complete.
    pub(super) waiting: Vec<QueueItem>,
    /// Whether a `TakeUp` is worth trying again.
    pub(super) reconsider: bool,
    /// Batches that were being created when something failed; what still appears of them is discarded.
    pub(crate) open_batches: Vec<String>,
    /// The permissions of the files are to be stored.
    pub(super) adopts_permissions: bool,
    /// Autostart is to be switched off before anything else starts.
    pub(super) autostart_ends: bool,
    /// What is stored of what was asked of the queue.
    pub(crate) execution: Execution,
    pub(super) next_number: i64,
    /// `metadata.generation` of the `Queue` that the settings are from.
    pub(super) generation: i64,
    /// What was in the files of the profile when they were read last.
    pub(crate) files: Contents,
    /// Requests that the worker is to answer, in the order in which it was asked.
    pub(super) asked: VecDeque<Request>,
}

impl State {
    /// The state before anything was read.
    pub fn new(setup: Setup) -> Self {
        let mut state = Self { setup, stale: true, ..Self::default() };
        state.allow();
        state
    }

    /// `item_uid` of the running item.
    pub fn running_uid(&self) -> Option<&str> {
        self.running.as_ref().map(|running| running.entry.item.uid())
    }

    /// `worker_environment_state` of the protocol.
    pub fn worker_state(&self) -> &'static str {
        match &self.environment {
            Environment::Closed | Environment::Opening { connected: false, .. } => "closed",
            Environment::Opening { .. } => "initializing",
            Environment::Closing { .. } => "closing",
            Environment::Awaited { .. } if self.running.is_some() => "executing_plan",
            Environment::Awaited { .. } => "idle",
            // What users run in the kernel is no plan of ours.
            Environment::Open { .. } if !self.kernel.is_ours() => "idle",
            Environment::Open { .. } if self.manager == Manager::ExecutingTask => "executing_task",
            Environment::Open { .. } if self.kernel.is_captured() => match self.manager {
                Manager::ExecutingQueue if self.running.is_some() => "executing_plan",
                _ => "reserved",
            },
            Environment::Open { .. } => match self.re_state.as_deref() {
                Some("idle" | "paused") | None => "idle",
                Some(_) => "executing_plan",
            },
        }
    }

    /// Whether every write is refused until the resources could be read again.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Takes the plans and devices of a worker.
    pub fn learn(&mut self, catalogue: Catalogue) {
        self.catalogue = Arc::new(catalogue);
        self.allow();
    }

    /// Takes note of what is in the files. With `adopt`, the permissions become those of the queue as soon as it is known.
    pub(crate) fn take_files(&mut self, contents: Contents, adopt: bool) {
        self.files = contents;
        self.adopts_permissions |= adopt;
    }

    /// The permissions as stored.
    pub(super) fn set_permissions(&mut self, permissions: &FreeForm) {
        if self.settings.permissions.0 != *permissions {
            self.settings.permissions = Permissions(permissions.clone());
            self.reload_permissions();
        }
    }

    /// Applies the permissions anew; clients see that they were.
    pub(crate) fn reload_permissions(&mut self) {
        self.allow();
        if self.environment.is_open() {
            self.permit();
        }
        self.revisions.plans_allowed = self.mint.uid();
        self.revisions.devices_allowed = self.mint.uid();
    }

    /// Tells the worker what groups may use.
    pub(super) fn permit(&mut self) {
        let permissions = self.settings.permissions.effective();
        self.effects.push(Effect::Order(Order::Permit { permissions }));
    }

    fn allow(&mut self) {
        self.allowed = Arc::new(Allowed::new(&self.catalogue, &self.settings.permissions));
    }

    /// A line of the manager on the console.
    pub(crate) fn say(&mut self, level: Level, line: impl Into<String>) {
        self.effects.push(Effect::Print(Print::Line(level, line.into())));
    }
}

/// Makes uids from the seed that came with the event, so that the machine itself stays free of chance.
#[derive(Clone, Debug, Default)]
pub struct Mint {
    seed: Uuid,
    made: u64,
}

impl Mint {
    /// A mint that makes the same uids for the same seed.
    pub fn new(seed: Uuid) -> Self {
        Self { seed, made: 0 }
    }

    /// A new uid in the form of a random one.
    pub fn uid(&mut self) -> String {
        self.made += 1;
        let mixed = Uuid::new_v5(&self.seed, &self.made.to_be_bytes());
        uuid::Builder::from_random_bytes(*mixed.as_bytes()).into_uuid().to_string()
    }
}
