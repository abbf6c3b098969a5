//! What the operator is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long a worker may take to end after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(15);

/// How a Python interpreter is told to be a worker.
pub(crate) const BLUESKY_MODULE: [&str; 2] = ["-m", "beamline_worker"];

/// How a Python interpreter is told to publish documents.
pub(crate) const PUBLISHER_MODULE: [&str; 3] = ["-m", "beamline_documents", "follow"];

/// Settings of the operator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What a `PlanWorker` with the native engine runs on this machine.
    pub worker: Program,
    /// What a `PlanWorker` with the bluesky engine runs on this machine.
    pub bluesky: Program,
    /// What publishes the documents of a worker on this machine, if its `PlanWorker` has `publishers`.
    pub publisher: Program,
    /// How long a worker may take to end after SIGTERM before it gets SIGKILL.
    pub grace: Duration,
}

impl Settings {
    /// Runs `worker`, or `bluesky`, with the usual grace of 15 seconds. Documents are published by the interpreter of `bluesky`.
    pub fn new(worker: Program, bluesky: Program) -> Self {
        let publisher =
            Program { args: PUBLISHER_MODULE.map(str::to_owned).to_vec(), ..bluesky.clone() };
        Self { worker, bluesky, publisher, grace: GRACE }
    }
}

/// A program with what it is always given.
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its first arguments; `--connect-to` and `--epoch` follow them.
    pub args: Vec<String>,
    /// Environment on top of the operator's own. The token is added to it.
    pub environment: BTreeMap<String, String>,
}

impl Program {
    /// `<this executable> worker`.
    ///
    /// # Errors
    /// When the path of this executable cannot be found out.
    pub fn this_executable() -> std::io::Result<Self> {
        let path = std::env::current_exe()?;
        Ok(Self { path, args: vec!["worker".to_owned()], environment: BTreeMap::new() })
    }

    /// `<python> -m beamline_worker`.
    pub fn bluesky(python: impl Into<PathBuf>) -> Self {
        let args = BLUESKY_MODULE.map(str::to_owned).to_vec();
        Self { path: python.into(), args, environment: BTreeMap::new() }
    }
}
