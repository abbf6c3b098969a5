//! `QueueItem`: one plan, instruction or function call: queued, running, or history.

#![allow(unreachable_pub, reason = "KubeSchema derives a hidden twin of the spec")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::queue::DEFAULT_NAME;
use crate::schema::{FreeForm, any_value, conditions, free_form_list, free_form_object};

/// Once an item has left the queue, its spec is a record of what was run.
const FROZEN: &str = "!has(oldSelf.status) || !has(oldSelf.status.state) \
    || oldSelf.status.state == 'Queued' || oldSelf.status.state == 'Rejected' \
    || self.spec == oldSelf.spec";

/// One item of a plan queue.
///
/// Items run in the order of `(priority descending, rank, creationTimestamp, uid)`. An item applied
/// without a rank goes to the back. A running or finished item cannot be changed any more.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "beamline.dev",
    version = "v1alpha1",
    kind = "QueueItem",
    namespaced,
    shortname = "qi",
    category = "beamline-all",
    cel,
    status = "QueueItemStatus",
    derive = "PartialEq",
    doc = "One plan, instruction or function call: queued, running, or history.",
    selectable = ".spec.queue",
    selectable = ".spec.itemUid",
    validation = Rule::new(FROZEN).message("a running or finished item cannot be changed any more"),
    printcolumn(
        name = "Plan",
        type_ = "string",
        json_path = ".spec.name",
        description = "Plan, instruction or function"
    ),
    printcolumn(
        name = "User",
        type_ = "string",
        json_path = ".spec.user",
        description = "Who submitted it"
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".status.state",
        description = "Queued, Running, or how it ended"
    ),
    printcolumn(
        name = "Approval",
        type_ = "string",
        json_path = ".spec.approval",
        description = "Whether somebody has to approve it before it runs",
        priority = 1
    ),
    printcolumn(
        name = "Approved-By",
        type_ = "string",
        json_path = ".spec.approved.by",
        description = "Who approved it",
        priority = 1
    ),
    printcolumn(
        name = "Queue",
        type_ = "string",
        json_path = ".spec.queue",
        description = "Queue that it belongs to",
        priority = 1
    ),
    printcolumn(
        name = "Rank",
        type_ = "string",
        json_path = ".spec.rank",
        description = "Place among items of the same priority",
        priority = 1
    ),
    printcolumn(
        name = "Progress",
        type_ = "string",
        json_path = ".status.progress.shown",
        description = "Points of its newest run that are done",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.result.msg",
        description = "Why it failed",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct QueueItemSpec {
    /// `metadata.name` of the queue.
    #[serde(default = "default_queue")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("an item stays in its queue"))]
    pub queue: String,
    /// Plan, instruction or function.
    #[serde(default)]
    pub item_type: ItemType,
    /// Name of the plan, instruction (`queue_stop`) or function.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Positional arguments. Devices are named as strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form_list")]
    pub args: Option<Vec<Value>>,
    /// Keyword arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form_object")]
    pub kwargs: Option<FreeForm>,
    /// Metadata of the run: an object, or a list of objects of which the first wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_value")]
    pub meta: Option<Value>,
    /// Who submitted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub user: Option<String>,
    /// Group whose permissions apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub user_group: Option<String>,
    /// `item_uid` on the wire. The object's own uid when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub item_uid: Option<String>,
    /// Items of higher priority run first.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Fractional rank: a string that sorts between those of its neighbours, so that a move is one
    /// write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub rank: Option<String>,
    /// The batch that it was submitted in. An incomplete batch never runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// Free properties of the item (`properties` on the wire).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form_object")]
    pub properties: Option<FreeForm>,
    /// Whether it waits at the front until somebody has approved it.
    #[serde(default, skip_serializing_if = "Approval::is_default")]
    pub approval: Approval,
    /// The approval that it got. Written by the queue server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Approved>,
    /// Result of the previous attempt, on an item that was pushed back after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form_object")]
    pub last_result: Option<FreeForm>,
    /// Names of the submitted keys in their order, so that the item reads back as it was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    pub key_order: Vec<String>,
}

fn default_queue() -> String {
    DEFAULT_NAME.to_owned()
}

/// What an item is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemType {
    /// A plan for the Run Engine.
    #[default]
    Plan,
    /// An instruction to the queue, such as `queue_stop`.
    Instruction,
    /// A function of the worker's namespace.
    Function,
}

/// Whether somebody has to approve an item before it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    /// It runs when its turn comes.
    #[default]
    NotRequired,
    /// The queue stops before it until it is approved.
    Required,
}

impl Approval {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// That somebody has looked at an item as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approved {
    /// Who.
    #[schemars(length(max = 253))]
    pub by: String,
    /// Digest of what was approved: another plan, other arguments, metadata, user or group need a new approval.
    #[schemars(length(max = 64))]
    pub digest: String,
}

/// The batch that an item was submitted in.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.index < self.size").message("the index of an item lies below the size of its batch"))]
pub struct Batch {
    /// The same for all items of the batch.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// How many items the batch has.
    #[schemars(range(min = 1))]
    pub size: i32,
    /// Place of this item in the batch, from 0.
    #[schemars(range(min = 0))]
    pub index: i32,
}

/// What became of an item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueItemStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the item is in its life.
    pub state: ItemState,
    /// `Accepted`, `Running`, `Finished`; `Stalled` when only an edit can help.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Unix time at which it was started, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_start: Option<f64>,
    /// Whether it was executed at once, past the queue.
    pub immediate: bool,
    /// Place in the history: grows by one with every finished item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_number: Option<i64>,
    /// How far it is, or was when it ended. Written every few seconds at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ItemProgress>,
    /// How it ended (`result` on the wire).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<ItemResult>,
}

/// How far an item is, by the points of its newest run.
// What is absent is written as `null`: in a merge patch that takes away what was there before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ItemProgress {
    /// Points that are done.
    pub points_done: i64,
    /// Points that the run will have, if it says so.
    pub points_expected: Option<i64>,
    /// Both as a text, such as `3/11`; `3/11 waits` when it does.
    #[schemars(length(max = 64))]
    pub shown: String,
    /// Why its plan stands still until a condition is met, if it does.
    #[schemars(length(max = 1024))]
    pub waiting: Option<String>,
}

/// Where an item is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ItemState {
    /// Waiting in the queue.
    #[default]
    Queued,
    /// Being executed.
    Running,
    /// Ended well.
    Completed,
    /// Raised an error.
    Failed,
    /// Stopped by the user, as a success.
    Stopped,
    /// Aborted by the user.
    Aborted,
    /// Halted by the user.
    Halted,
    /// The server was restarted while it ran and cannot know how it ended.
    Unknown,
    /// Never runs: refused on arrival.
    Rejected,
}

impl ItemState {
    /// Whether the item is history.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// How an item ended. Names and values are those of the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ItemResult {
    /// `completed`, `failed`, `stopped`, `aborted`, `halted` or `unknown`.
    #[schemars(length(max = 32))]
    pub exit_status: String,
    /// Uids of the runs that it opened, in order.
    #[schemars(length(max = 10_000), inner(length(max = 64)))]
    pub run_uids: Vec<String>,
    /// Scan ids of those runs.
    #[schemars(length(max = 10_000))]
    pub scan_ids: Vec<i64>,
    /// Unix time of the start, in seconds.
    pub time_start: f64,
    /// Unix time of the end, in seconds.
    pub time_stop: f64,
    /// Why it failed, else empty.
    #[schemars(length(max = 65_536))]
    pub msg: String,
    /// Where it failed, else empty.
    #[schemars(length(max = 262_144))]
    pub traceback: String,
}
