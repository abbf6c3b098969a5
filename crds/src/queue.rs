//! `Queue`: the settings of a plan queue, and the state that its server reports.

#![allow(unreachable_pub, reason = "KubeSchema derives a hidden twin of the leader")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan_worker::Engine;
use crate::profile::Profile;
use crate::publishers::Publishers;
use crate::queue_item::Approval;
use crate::schema::{FreeForm, conditions, free_form_object};
use crate::suspender::Suspender;

/// `metadata.name` of the queue that a beamline has when nobody says otherwise.
pub const DEFAULT_NAME: &str = "main";

/// A plan queue: how it runs its items and who may submit what.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "beamline.dev",
    version = "v1alpha1",
    kind = "Queue",
    namespaced,
    shortname = "q",
    category = "beamline-all",
    status = "QueueStatus",
    derive = "PartialEq",
    doc = "A plan queue: its settings, and the state of its manager and its worker environment.",
    printcolumn(
        name = "Manager",
        type_ = "string",
        json_path = ".status.managerState",
        description = "State of the manager"
    ),
    printcolumn(
        name = "Environment",
        type_ = "string",
        json_path = ".status.workerEnvironmentState",
        description = "State of the worker environment"
    ),
    printcolumn(
        name = "Autostart",
        type_ = "boolean",
        json_path = ".spec.autostart",
        description = "Whether items start by themselves"
    ),
    printcolumn(
        name = "Loop",
        type_ = "boolean",
        json_path = ".spec.mode.loop",
        description = "Whether finished items return to the back",
        priority = 1
    ),
    printcolumn(
        name = "Leader",
        type_ = "string",
        json_path = ".status.leader.holder",
        description = "Queue server that leads",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueSpec {
    /// How the queue treats finished and failed items.
    pub mode: QueueMode,
    /// Whether items that are submitted from now on wait at the front until somebody has approved them.
    pub approval: Approval,
    /// What becomes of an item whose plan was aborted or halted.
    pub on_abort: OnAbort,
    /// Whether the queue starts by itself whenever it has an item and an open, idle environment.
    pub autostart: bool,
    /// What runs the plans; holds for the next environment that is opened.
    pub engine: Engine,
    /// The profile that the bluesky engine opens; holds for the next environment that is opened.
    #[serde(skip_serializing_if = "Profile::is_default")]
    pub profile: Profile,
    /// Where the documents of the runs are published; holds for the next environment that is opened.
    #[serde(skip_serializing_if = "Publishers::is_default")]
    pub publishers: Publishers,
    /// What makes plans wait, such as too little current in the ring; holds for the next environment
    /// that is opened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub suspenders: Vec<Suspender>,
    /// Which devices of the registry are locked, and for how long; holds for the next environment that is opened.
    #[serde(skip_serializing_if = "LockScope::is_default")]
    pub lock_scope: LockScope,
    /// How many finished items are kept.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub history_limit: HistoryLimit,
    /// The user group permissions, as in bluesky-queueserver's `user_group_permissions.yaml`.
    /// Everything is allowed to the groups `root` and `primary` when empty.
    #[serde(skip_serializing_if = "FreeForm::is_empty")]
    #[schemars(schema_with = "free_form_object")]
    pub permissions: FreeForm,
}

/// Number of finished items that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct HistoryLimit(pub i32);

impl Default for HistoryLimit {
    fn default() -> Self {
        Self(10_000)
    }
}

/// What becomes of an item whose plan was aborted or halted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnAbort {
    /// It returns to the front and runs again at the next start, as in bluesky-queueserver.
    #[default]
    Requeue,
    /// It returns to the front and runs again once somebody has approved it.
    Hold,
    /// It stays in the history alone.
    Drop,
}

/// Which devices of the registry a queue locks, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LockScope {
    /// Those of a plan, while it runs.
    #[default]
    Plan,
    /// All that the environment has, while it is open.
    Environment,
}

impl LockScope {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How the queue treats finished and failed items (`plan_queue_mode` on the wire).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueMode {
    /// Completed items return to the back of the queue.
    #[serde(rename = "loop")]
    pub loop_: bool,
    /// A failed plan does not stop the queue.
    pub ignore_failures: bool,
}

/// What the queue server reports. Nothing here ticks: it is written on transitions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: a server has this queue in its hands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// `manager_state` of the queue server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub manager_state: Option<String>,
    /// `worker_environment_state` of the queue server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub worker_environment_state: Option<String>,
    /// Whether the queue was started and did not stop since: what the next leader goes on with.
    pub executing: bool,
    /// Whether `queue_stop` was asked for and not yet reached.
    pub stop_pending: bool,
    /// The queue server that leads, or led last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<QueueLeader>,
    /// Uids of batches whose items are being created. After a crash, one that is not whole is
    /// removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 64)))]
    pub open_batches: Vec<String>,
    /// The lock of the queue API; survives restarts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<QueueLock>,
}

/// The queue server that leads. Written once by each, right after it got the lease: whoever led before
/// cannot change this status any more.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.epoch >= oldSelf.epoch").message("a queue server of a later lease leads already"))]
pub struct QueueLeader {
    /// Holder of the lease: the name of its pod.
    #[schemars(length(max = 253))]
    pub holder: String,
    /// Epoch of the lease (`leaseTransitions`). Never goes back.
    pub epoch: i64,
    /// WebSocket address at which it takes workers.
    #[schemars(length(max = 1024))]
    pub connect_to: String,
}

/// The lock of the queue API (`lock`, `unlock`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueLock {
    /// The environment is locked.
    pub environment: bool,
    /// The queue is locked.
    pub queue: bool,
    /// SHA-256 of the key, in hex. The key itself is never stored.
    #[schemars(length(max = 64))]
    pub key_hash: String,
    /// Note of the user who locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub note: Option<String>,
    /// User who locked.
    #[schemars(length(max = 253))]
    pub user: String,
    /// Unix time of the lock, in seconds.
    pub time: f64,
    /// `lock_info_uid` on the wire.
    #[schemars(length(max = 64))]
    pub uid: String,
}
