//! Where a plan worker runs: as a child process on one machine, as a pod on a cluster.

mod last_words;
pub(crate) mod pod;
pub(crate) mod process;
mod publisher;

use std::fmt;

use async_trait::async_trait;
use crds::PlanWorker;
use tokio::sync::watch;

use crate::error::Call;

/// Environment variable in which a worker finds its one-time token: a command line is for all to
/// see.
pub const TOKEN_VARIABLE: &str = "BEAMLINE_WORKER_TOKEN";
/// Key of the token in its Secret.
pub(crate) const TOKEN_KEY: &str = "token";
/// Longest description of an end, in characters; the schema of the resource has the same limit.
pub(crate) const LONGEST_EXIT: usize = 253;

/// Starts workers, knows how they are, and ends them. A worker is known by the uid of its
/// `PlanWorker`.
#[async_trait]
pub trait Launcher: fmt::Debug + Send + Sync + 'static {
    /// How the worker is, as far as this launcher knows.
    ///
    /// # Errors
    /// When it cannot be found out now.
    async fn phase(&self, worker: &PlanWorker) -> Result<Phase, LaunchError>;

    /// Starts the worker, once: a second start of the same uid only answers how it is.
    ///
    /// # Errors
    /// When it cannot be started.
    async fn start(&self, order: Order) -> Result<Phase, LaunchError>;

    /// Ends the worker; at once when there is none.
    ///
    /// # Errors
    /// When it cannot be ended, or takes its time to end.
    async fn stop(&self, worker: &PlanWorker) -> Result<(), LaunchError>;

    /// Ends every worker that cannot outlive the operator and returns when all are gone; how they
    /// ended is remembered.
    async fn stop_all(&self);

    /// Changes whenever a worker ended.
    fn changes(&self) -> watch::Receiver<u64>;

    /// What this launcher is to workers.
    fn nature(&self) -> Nature;
}

/// What a launcher is to workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nature {
    /// Whether a start that is repeated by a later life of the operator finds the first one. If not,
    /// a worker whose start was not seen to succeed is lost.
    pub finds_again: bool,
    /// Whether [`Order::token`] must be there. A pod is given its token by reference.
    pub needs_token: bool,
    /// What became of a worker that should be there and is not.
    pub loss: &'static str,
}

/// How a worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It was never started, is not there any more, or was ended on request.
    Absent,
    /// It is on its way.
    Starting {
        /// Fixed word: what it waits for.
        reason: &'static str,
        /// The same for people.
        message: String,
    },
    /// It runs.
    Running {
        /// Process id, where it has one on this machine.
        pid: Option<i32>,
        /// Where it runs, for people.
        place: String,
    },
    /// It ended.
    Ended {
        /// Exit code or signal, in words.
        exit: String,
        /// Whether that is what a worker does when its work is done.
        clean: bool,
    },
}

/// What a worker is started with.
#[derive(Clone)]
pub struct Order {
    /// The worker: its address, epoch and queue.
    pub worker: PlanWorker,
    /// One-time token that admits the worker, where the launcher needs it.
    pub token: Option<String>,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worker, token: _ } = self;
        f.debug_struct("Order").field("worker", worker).finish_non_exhaustive()
    }
}

/// A worker could not be started or ended.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The program does not start.
    #[error("failed to start '{program}': {source}")]
    Spawn {
        /// The executable.
        program: String,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// There is no token.
    #[error("the worker has no token")]
    NoToken,
    /// The operator is ending and starts nothing any more.
    #[error("the operator is ending")]
    Ending,
    /// It was asked to end and is about to.
    #[error("the worker is still ending")]
    StillEnding,
    /// The Kubernetes API cannot be asked.
    #[error("failed to reach the pod of the worker")]
    Api(#[source] Call),
    /// The pod cannot be described.
    #[error("{0}")]
    Unfit(String),
    /// A pod of that name exists that is not this worker's.
    #[error("the pod '{0}' exists and is not of this worker")]
    Foreign(String),
}

impl LaunchError {
    /// Whether it may work later without any edit.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Api(_) | Self::StillEnding)
    }
}
