//! What the queue pod and a worker say to each other.
//!
//! The worker connects out to the queue pod's WebSocket `/worker/v1` with the header `Authorization: Bearer <one-time token>` and
//! the header [`INSTANCE`], by which the queue pod knows the process again: the token belongs to the first that brought it.
//! Every text frame is one JSON object with a `type`. The queue pod sends [`Command`]s, the worker sends [`Report`]s. The first
//! command is [`Order::Welcome`], the first report [`Report::Hello`]. Either side closes the socket when it reads a frame that it
//! does not understand.
//!
//! A command carries the epoch of the queue's lease. A worker refuses a command whose epoch is below the highest it has seen, so
//! that a queue pod which lost its lease cannot move hardware.
//!
//! A worker whose connection is lost goes on with its plan for as long as the welcome allowed, and looks for the present leader in
//! `Queue.status.leader`. Once connected it says [`Report::Hello`] and, when its environment is open, [`Report::Ready`] with what
//! it does now and how its last plan ended, so that nothing depends on frames that were lost. It runs an item once, whatever it is
//! told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of this protocol; a worker of another version is refused.
pub const VERSION: u32 = 6;
/// Path of the worker's WebSocket on the queue pod.
pub const PATH: &str = "/worker/v1";
/// Header with the name that a worker process gave itself at its start: 32 random hexadecimal digits.
pub const INSTANCE: &str = "beamline-worker-instance";

/// What the queue pod sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Epoch of the sender's lease.
    pub epoch: i64,
    /// What to do.
    #[serde(flatten)]
    pub order: Order,
}

/// What a worker is told to do.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one command at a time, and a box would be in every reader's way"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Order {
    /// First of a connection. One of an older epoch than the worker knows sends it on to look for the leader.
    Welcome {
        /// `metadata.name` of the queue.
        queue: String,
        /// How long the worker goes on with its plan without a connection, in seconds.
        orphan_grace_s: u64,
    },
    /// From the next plan on, the devices of the registry are these, all of them. For a worker that wants them.
    Devices {
        /// How each of them is made.
        devices: Vec<DeviceRecipe>,
    },
    /// Run a plan. Answered by [`Report::PlanFinished`], at once when the plan cannot start.
    RunPlan {
        /// The plan to run.
        plan: PlanCall,
    },
    /// From now on, plans get only those devices and plans for their names that the group of the user may use.
    Permit {
        /// What groups may use: `user_group_permissions`.
        permissions: Value,
    },
    /// Run a task. Answered by [`Report::TaskFinished`].
    RunTask {
        /// The task to run.
        task: TaskCall,
    },
    /// Say what the metadata of the Run Engine is. Answered by [`Report::Metadata`], one for each question, in order.
    ReadMetadata {
        /// Paths such as `/key/inner` of what may be told; `/` for everything.
        keys: Vec<String>,
    },
    /// Say how the profile makes its devices, also those that the registry has replaced. Answered by [`Report::OwnDevices`], one for
    /// each question.
    ReadDevices,
    /// Keep the IPython kernel for what is ordered next, for two seconds. Answered by [`Report::KernelReserved`], one for each order, in
    /// order.
    ReserveKernel,
    /// Leave the IPython kernel to its users.
    ReleaseKernel,
    /// Interrupt what the IPython kernel does.
    InterruptKernel {
        /// Also a task.
        interrupt_task: bool,
        /// Also a plan.
        interrupt_plan: bool,
    },
    /// Pause the running plan.
    Pause {
        /// Where to pause.
        option: PauseOption,
    },
    /// Continue a paused plan.
    Resume,
    /// End a paused plan as a success.
    Stop,
    /// End a paused plan as a failure, with clean-up.
    Abort,
    /// End a paused plan at once, without clean-up.
    Halt,
    /// Leave; answered by [`Report::Closing`] and the end of the connection, or by [`Report::CloseRefused`].
    Close,
}

/// How a device of the registry is made in Python.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceRecipe {
    /// Name in plans.
    pub name: String,
    /// Import path of the class.
    pub device_class: String,
    /// Positional arguments.
    #[serde(default)]
    pub args: Vec<Value>,
    /// Keyword arguments; `name` is the name in plans when it is not among them.
    #[serde(default)]
    pub kwargs: serde_json::Map<String, Value>,
    /// PVs of a device of the profile by the names of its signals.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pvs: BTreeMap<String, String>,
}

/// A plan with its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanCall {
    /// `item_uid` of the queue item.
    pub item_uid: String,
    /// Name of the plan.
    pub name: String,
    /// Positional arguments; devices as strings.
    #[serde(default)]
    pub args: Vec<Value>,
    /// Keyword arguments.
    #[serde(default)]
    pub kwargs: serde_json::Map<String, Value>,
    /// Metadata for the start documents, already merged.
    #[serde(default)]
    pub meta: serde_json::Map<String, Value>,
    /// Group of the user.
    #[serde(default)]
    pub user_group: String,
}

/// A task: Python code that is no plan (contract queue-server §2.11).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskCall {
    /// Names the task.
    pub task_uid: String,
    /// Beside whatever else runs, instead of between plans.
    pub background: bool,
    /// What it does.
    pub work: TaskWork,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TaskWork {
    /// Execute a script in the namespace of the environment.
    LoadScript {
        /// The script; may be empty.
        script: String,
        /// Look for plans and devices again, and report them as [`Report::Lists`].
        update_lists: bool,
        /// Let the script replace `RE` and `db`.
        update_re: bool,
    },
    /// Call a function of the namespace.
    ExecuteFunction {
        /// Its name.
        name: String,
        /// Positional arguments.
        args: Vec<Value>,
        /// Keyword arguments.
        kwargs: serde_json::Map<String, Value>,
        /// Group of the user.
        user_group: String,
        /// What groups may call: `user_group_permissions`.
        permissions: Value,
    },
}

impl TaskWork {
    /// What tasks of this kind are called in messages.
    pub fn title(&self) -> &'static str {
        match self {
            Self::LoadScript { .. } => "Load script",
            Self::ExecuteFunction { .. } => "Execute function",
        }
    }
}

/// Where a plan pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseOption {
    /// At the next checkpoint.
    Deferred,
    /// Now; the plan goes back to its last checkpoint when it resumes.
    Immediate,
}

/// What a worker sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Report {
    /// First frame: who is there.
    Hello {
        /// [`VERSION`] of the worker.
        version: u32,
        /// Name of the engine, such as `native`.
        engine: String,
        /// Process id.
        pid: u32,
        /// Whether it waits for the devices of the registry: [`Order::Devices`].
        #[serde(default)]
        wants_devices: bool,
    },
    /// The environment is open: what it can run, in bluesky-queueserver's descriptions (contract queue-server §6.3, §6.4).
    Ready {
        /// `plans_existing`: name to plan description.
        plans: Value,
        /// `devices_existing`: name to device description.
        devices: Value,
        /// Whether there is a Run Engine: without one no plan runs.
        #[serde(default = "yes")]
        run_engine: bool,
        /// `item_uid` of the plan that is being run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        running: Option<String>,
        /// How the plan before ended, which may have been said before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<PlanOutcome>,
        /// How the last tasks ended, which may have been said before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ended_tasks: Vec<TaskOutcome>,
    },
    /// How the devices of the profile could be made: said when the registry has none, for it to begin with.
    ProfileDevices {
        /// Those of which it can be told.
        devices: Vec<DeviceRecipe>,
    },
    /// The plans and devices are others now; as in [`Report::Ready`].
    Lists {
        /// `plans_existing`.
        plans: Value,
        /// `devices_existing`.
        devices: Value,
    },
    /// A task ended.
    TaskFinished {
        /// How.
        outcome: TaskOutcome,
    },
    /// The environment could not be opened.
    OpenFailed {
        /// Why.
        message: String,
    },
    /// The state of the Run Engine changed.
    ReState {
        /// `idle`, `running`, `pausing`, `paused`, `stopping`, `aborting`, `halting` or `panicked`.
        state: String,
        /// A deferred pause was asked for and not yet reached.
        deferred_pause_requested: bool,
    },
    /// There is no Run Engine any more.
    NoRunEngine,
    /// The list of runs of the plan changed.
    Runs {
        /// All runs that the plan has opened.
        runs: Vec<RunEntry>,
    },
    /// How far the running plan is; a few times a second at most.
    Progress {
        /// So far.
        progress: PlanProgress,
    },
    /// The plan ended.
    PlanFinished {
        /// How.
        outcome: PlanOutcome,
    },
    /// The metadata of the Run Engine.
    Metadata {
        /// What may be told of it.
        #[serde(default)]
        metadata: serde_json::Map<String, Value>,
        /// Why there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// How the devices of the profile could be made.
    OwnDevices {
        /// Those of which it can be told.
        #[serde(default)]
        devices: Vec<DeviceRecipe>,
        /// Names of the others, and why it cannot.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        left_out: BTreeMap<String, String>,
        /// Why there is nothing to tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// One event-model document, as the engine emitted it.
    Document {
        /// `start`, `descriptor`, `event`, `event_page`, `datum`, `resource`, `stop` …
        name: String,
        /// The document.
        doc: Value,
    },
    /// Text for the console.
    Console {
        /// As printed, with its line ends.
        text: String,
    },
    /// Where users connect to the IPython kernel in which the profile is open. Before [`Report::Ready`].
    KernelConnection(KernelConnection),
    /// What the IPython kernel does.
    Kernel {
        /// Whether it executes a cell.
        phase: KernelPhase,
        /// Whether it is kept for the queue pod.
        captured: bool,
    },
    /// Whether the IPython kernel is kept for the queue pod.
    KernelReserved {
        /// Why not.
        #[serde(default)]
        error: Option<String>,
    },
    /// The worker stays, although it was told to leave.
    CloseRefused {
        /// Why.
        message: String,
    },
    /// A command was not carried out.
    Refused {
        /// Why.
        message: String,
    },
    /// The worker leaves.
    Closing,
}

fn yes() -> bool {
    true
}

/// What the IPython kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelPhase {
    /// It waits for cells.
    Idle,
    /// It executes one, of a user or for the queue pod.
    Busy,
}

/// Where users connect to the IPython kernel, as Jupyter's connection files have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those of Jupyter")]
pub struct KernelConnection {
    pub transport: String,
    pub ip: String,
    pub shell_port: u16,
    pub iopub_port: u16,
    pub stdin_port: u16,
    pub hb_port: u16,
    pub control_port: u16,
    pub signature_scheme: String,
    pub key: KernelKey,
}

/// What lets a user into the kernel; shown nowhere by itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KernelKey(pub String);

impl std::fmt::Debug for KernelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KernelKey(…)")
    }
}

/// One run of the running plan (`re_runs` on the wire).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEntry {
    /// Run uid.
    pub uid: String,
    /// Scan id.
    pub scan_id: i64,
    /// Whether the stop document is still to come.
    pub is_open: bool,
    /// `success`, `abort` or `fail`, once closed.
    pub exit_status: Option<String>,
}

/// How far a plan is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanProgress {
    /// `item_uid` of the queue item.
    pub item_uid: String,
    /// Points that its newest run has.
    pub points_done: u64,
    /// Points that the run will have: `num_points` of its start document.
    pub points_expected: Option<u64>,
    /// Seconds to the end of the run, by the pace so far.
    pub time_left_s: Option<f64>,
    /// What the plan waits for and tells of its way.
    #[serde(default)]
    pub moving: Vec<Movement>,
    /// Why the plan stands still until a condition is met, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
}

/// Something on its way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Movement {
    /// Name of the device.
    pub name: String,
    /// Unit of its position.
    pub unit: String,
    /// Where it was.
    pub initial: Option<f64>,
    /// Where it is.
    pub current: Option<f64>,
    /// Where it goes.
    pub target: Option<f64>,
    /// How much of the way is done.
    pub fraction: Option<f64>,
}

/// How a plan ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanOutcome {
    /// `item_uid` of the queue item.
    pub item_uid: String,
    /// `completed`, `failed`, `stopped`, `aborted` or `halted`.
    pub exit_status: ExitStatus,
    /// Uids of the runs that it opened, in order.
    pub run_uids: Vec<String>,
    /// Their scan ids.
    pub scan_ids: Vec<i64>,
    /// Why it failed, else empty.
    pub message: String,
    /// Where it failed, else empty.
    pub traceback: String,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// Names the task.
    pub task_uid: String,
    /// Whether it did what it should.
    pub success: bool,
    /// Why not, else empty.
    pub message: String,
    /// Where it failed, else empty.
    pub traceback: String,
    /// What the function returned.
    pub return_value: Value,
}

/// How a plan ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// To its end.
    Completed,
    /// By an error.
    Failed,
    /// By `re_stop`.
    Stopped,
    /// By `re_abort`.
    Aborted,
    /// By `re_halt`.
    Halted,
    /// By a user of the IPython kernel, and its runs do not say how.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_kernel_is_on_the_wire_and_nowhere_else() {
        let frame = r#"{"type":"kernel_connection","transport":"tcp","ip":"127.0.0.1","shell_port":1,
            "iopub_port":2,"stdin_port":3,"hb_port":4,"control_port":5,
            "signature_scheme":"hmac-sha256","key":"open sesame"}"#;
        let report: Report = serde_json::from_str(frame).unwrap();
        assert!(!format!("{report:?}").contains("sesame"));
        assert_eq!(serde_json::to_value(&report).unwrap()["key"], "open sesame");
    }
}
