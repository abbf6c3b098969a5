//! What the operator is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long a worker may take to end after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(15);

/// Settings of the operator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What a `PlanWorker` runs on this machine.
    pub worker: Program,
    /// How long a worker may take to end after SIGTERM before it gets SIGKILL.
    pub grace: Duration,
}

impl Settings {
    /// Runs `worker` with the usual grace of 15 seconds.
    pub fn new(worker: Program) -> Self {
        Self { worker, grace: GRACE }
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
}
