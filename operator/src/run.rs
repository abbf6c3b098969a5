//! The operator on one machine: the same controllers, with workers as child processes and no pods.

use std::sync::Arc;

use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::controllers::Parts;
use crate::error::RunError;
use crate::launch::Launcher;
use crate::launch::process::ProcessLauncher;
use crate::mirrors::Mirrors;
use crate::plan_worker::PlanWorkers;
use crate::progress::Board;
use crate::scope::Scope;
use crate::settings::Settings;
use crate::tasks::Tasks;

/// Runs the operator for `namespace` until `shutdown`, with workers as child processes. Returns
/// when the last of them is gone.
///
/// # Errors
/// When a part of the operator ends by itself; everything else is ended first.
pub async fn run(
    settings: Settings,
    client: Client,
    namespace: &str,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let launcher = Arc::new(ProcessLauncher::new(&settings));
    run_with(launcher, client, namespace, shutdown).await
}

/// As [`run`], with workers wherever `launcher` puts them.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    launcher: Arc<dyn Launcher>,
    client: Client,
    namespace: &str,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let scope = Scope::Namespace(namespace.to_owned());
    let board = Board::default();
    // A part that ends early must end the others, but is not a wish of the caller to shut down
    // everything else of his.
    let mut tasks = Tasks::new(shutdown.child_token());
    let mirrors = Mirrors::start(&mut tasks, &client, &scope, &board, false);
    let parts = Parts {
        client: &client,
        scope: &scope,
        board: &board,
        mirrors,
        launcher: launcher.clone(),
        cluster: None,
    };
    parts.start(&mut tasks);
    let outcome = tasks.supervise().await;
    launcher.stop_all().await;
    PlanWorkers { context: Context::new(&client, &scope), launcher }.farewell().await;
    outcome
}
