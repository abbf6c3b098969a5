//! Where the simulated profile of bluesky-queueserver is: in the Python environment of the workers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// Finds the package without importing it.
const SCRIPT: &str = "import importlib.util as u; print(*u.find_spec('bluesky_queueserver').submodule_search_locations)";
/// Name of the folder within the package.
const FOLDER: &str = "profile_collection_sim";
/// Longest wait for the interpreter.
const DEADLINE: Duration = Duration::from_secs(10);

/// The folder with the permissions, plans and devices of the simulated profile. Without the package there is none, and no environment
/// opens either; the log says why.
pub(super) async fn folder(python: &Path) -> Option<PathBuf> {
    let asked = Command::new(python).args(["-c", SCRIPT]).kill_on_drop(true).output();
    let why = match timeout(DEADLINE, asked).await {
        Ok(Ok(told)) if told.status.success() => {
            let package = String::from_utf8_lossy(&told.stdout).trim().to_owned();
            return Some(Path::new(&package).join(FOLDER));
        }
        Ok(Ok(told)) => {
            let said = String::from_utf8_lossy(&told.stderr).into_owned();
            said.lines().last().unwrap_or("it failed").to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it does not answer".to_owned(),
    };
    tracing::warn!(
        python = %python.display(),
        why,
        "bluesky-queueserver is not found there: its simulated profile has no permissions and lists"
    );
    None
}
