//! Where a plan worker runs. On one machine it is a child process; a cluster makes it a pod behind
//! the same trait.

pub(crate) mod process;

use std::fmt;

use async_trait::async_trait;
use tokio::sync::watch;

/// Environment variable in which a worker finds its one-time token: a command line is for all to
/// see.
pub const TOKEN_VARIABLE: &str = "BEAMLINE_WORKER_TOKEN";

/// Starts workers, knows how they are, and ends them. A worker is known by the uid of its
/// `PlanWorker`.
#[async_trait]
pub trait Launcher: fmt::Debug + Send + Sync + 'static {
    /// How the worker is, as far as this launcher knows.
    async fn phase(&self, uid: &str) -> Phase;

    /// Starts the worker, once: a second start of the same uid only answers how it is.
    ///
    /// # Errors
    /// When it cannot be started.
    async fn start(&self, order: Order) -> Result<Phase, LaunchError>;

    /// Ends the worker and returns when it is gone; at once when there is none.
    ///
    /// # Errors
    /// When it cannot be ended.
    async fn stop(&self, uid: &str) -> Result<(), LaunchError>;

    /// Ends every worker and returns when all are gone; how they ended is remembered.
    async fn stop_all(&self);

    /// Changes whenever a worker ended.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// How a worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// This launcher never started it, or it was ended on request.
    Absent,
    /// It runs.
    Running {
        /// Process id, where it has one on this machine.
        pid: Option<i32>,
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
    /// Uid of the `PlanWorker`.
    pub uid: String,
    /// Name of the `PlanWorker`, for logs.
    pub name: String,
    /// Address of the queue pod.
    pub connect_to: String,
    /// Epoch of the queue's lease.
    pub epoch: i64,
    /// One-time token that admits the worker.
    pub token: String,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uid, name, connect_to, epoch, token: _ } = self;
        f.debug_struct("Order")
            .field("uid", uid)
            .field("name", name)
            .field("connect_to", connect_to)
            .field("epoch", epoch)
            .finish_non_exhaustive()
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
    /// The operator is ending and starts nothing any more.
    #[error("the operator is ending")]
    Ending,
}
