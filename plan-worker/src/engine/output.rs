//! What the engine tells the world.

use async_trait::async_trait;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::protocol::RunEntry;

/// State of the engine, in the Run Engine's words (`re_state`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No plan.
    #[default]
    Idle,
    /// A plan is being carried out.
    Running,
    /// On its way to [`State::Paused`].
    Pausing,
    /// Everything rests; the user decides.
    Paused,
    /// Everything comes to rest, because a condition is not met.
    Suspending,
    /// Ending as a success.
    Stopping,
    /// Ending as a failure, with clean-up.
    Aborting,
    /// Ending without clean-up.
    Halting,
}

impl State {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Suspending => "suspending",
            Self::Stopping => "stopping",
            Self::Aborting => "aborting",
            Self::Halting => "halting",
        }
    }
}

/// A document or a scan id could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct OutputError(pub String);

/// Where documents and states go.
#[async_trait]
pub trait Output: Send {
    /// A plan begins, with that metadata for its runs.
    async fn begins(&mut self, metadata: &Map<String, Value>);

    /// The plan waits until a condition is met, for that reason; or not any more.
    async fn waits(&mut self, reason: Option<&str>);

    /// The number of the next run, counted up for ever.
    ///
    /// # Errors
    /// When the number could not be kept.
    async fn next_scan_id(&mut self) -> Result<i64, OutputError>;

    /// One document.
    ///
    /// # Errors
    /// When the document could not be kept: the plan must not go on measuring.
    async fn document(&mut self, name: &'static str, document: Value) -> Result<(), OutputError>;

    /// The state changed.
    async fn state(&mut self, state: State, deferred_pause_requested: bool);

    /// The list of runs of the plan changed.
    async fn runs(&mut self, runs: &[RunEntry]);

    /// Text for the console.
    async fn console(&mut self, text: String);

    /// A request was not carried out.
    async fn refused(&mut self, why: String);
}
