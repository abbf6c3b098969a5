//! The words in which a plan speaks to the engine.

use std::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::devices::DeviceRef;

/// Moves and measurements that are waited for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group(pub u64);

/// How a run ended, in event-model's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// To its end, or stopped by the user.
    Success,
    /// Given up by the user.
    Abort,
    /// By an error.
    Fail,
}

impl RunStatus {
    /// The word in the stop document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Abort => "abort",
            Self::Fail => "fail",
        }
    }
}

/// One instruction of a plan.
#[derive(Clone, Debug)]
pub enum Message {
    /// Begin a run.
    OpenRun {
        /// Metadata of the plan for the start document.
        metadata: Map<String, Value>,
    },
    /// End the run.
    CloseRun {
        /// How it ended.
        status: RunStatus,
        /// Why, unless it succeeded.
        reason: String,
    },
    /// Begin an event of that stream.
    Create {
        /// Name of the stream.
        stream: String,
    },
    /// Read a device into the event.
    Read(DeviceRef),
    /// Ask what the event has in a field; answered by [`Response::Field`].
    Look {
        /// Name of the field.
        field: String,
    },
    /// Emit the event.
    Save,
    /// Forget the event.
    Drop,
    /// Start a measurement.
    Trigger {
        /// What measures.
        device: DeviceRef,
        /// What to wait for it with.
        group: Group,
    },
    /// Start a move.
    Set {
        /// What moves.
        device: DeviceRef,
        /// Where to.
        value: Value,
        /// What to wait for it with.
        group: Group,
    },
    /// Wait until everything of the group is done.
    Wait {
        /// The group.
        group: Group,
        /// Longest wait.
        timeout: Option<Duration>,
    },
    /// A point to which the engine may go back after a pause.
    Checkpoint,
    /// Do nothing for a while.
    Sleep(Duration),
    /// Prepare a device.
    Stage(DeviceRef),
    /// Undo the preparation.
    Unstage(DeviceRef),
    /// Ask where a device is; answered by [`Response::Position`].
    Locate(DeviceRef),
    /// Have a flyer start.
    Kickoff(DeviceRef),
    /// Wait until a flyer has arrived.
    Complete(DeviceRef),
    /// Emit what a flyer has measured.
    Collect(DeviceRef),
    /// Bring a device to rest.
    Stop(DeviceRef),
    /// Nothing.
    Null,
}

impl Message {
    /// Whether the message is carried out again when the engine goes back to a checkpoint.
    pub fn is_repeatable(&self) -> bool {
        !matches!(
            self,
            Self::OpenRun { .. } | Self::CloseRun { .. } | Self::Stage(_) | Self::Unstage(_)
        )
    }

    /// The message in a few words, for the trace of a failed plan.
    pub fn summary(&self) -> String {
        match self {
            Self::OpenRun { .. } => "open_run".into(),
            Self::CloseRun { status, .. } => format!("close_run {}", status.as_str()),
            Self::Create { stream } => format!("create {stream}"),
            Self::Read(device) => format!("read {}", device.name()),
            Self::Look { field } => format!("look at {field}"),
            Self::Save => "save".into(),
            Self::Drop => "drop".into(),
            Self::Trigger { device, .. } => format!("trigger {}", device.name()),
            Self::Set { device, value, .. } => format!("set {} to {value}", device.name()),
            Self::Wait { .. } => "wait".into(),
            Self::Checkpoint => "checkpoint".into(),
            Self::Sleep(time) => format!("sleep {} s", time.as_secs_f64()),
            Self::Stage(device) => format!("stage {}", device.name()),
            Self::Unstage(device) => format!("unstage {}", device.name()),
            Self::Locate(device) => format!("locate {}", device.name()),
            Self::Kickoff(device) => format!("kickoff {}", device.name()),
            Self::Complete(device) => format!("complete {}", device.name()),
            Self::Collect(device) => format!("collect {}", device.name()),
            Self::Stop(device) => format!("stop {}", device.name()),
            Self::Null => "null".into(),
        }
    }
}

/// What the engine answers to a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Response {
    /// Done.
    #[default]
    Done,
    /// Where the device is.
    Position(Value),
    /// What the event has in the field, if it has it.
    Field(Option<Value>),
}

/// What a plan is told instead of an answer. A plan that gets one cleans up and hands it on.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Thrown {
    /// Something failed.
    #[error("{0}")]
    Failed(String),
    /// The user ends the plan as a success.
    #[error("stopped")]
    Stopped,
    /// The user gives the plan up.
    #[error("{0}")]
    Aborted(String),
}

impl Thrown {
    /// How a run ends for which this is the reason.
    pub fn run_status(&self) -> RunStatus {
        match self {
            Self::Failed(_) => RunStatus::Fail,
            Self::Stopped => RunStatus::Success,
            Self::Aborted(_) => RunStatus::Abort,
        }
    }

    /// The reason in the stop document.
    pub fn reason(&self) -> String {
        match self {
            Self::Stopped => String::new(),
            Self::Failed(reason) | Self::Aborted(reason) => reason.clone(),
        }
    }
}
