//! What publishes the documents of a worker that is a child process: another child beside it.

use std::time::Duration;

use crds::PlanWorker;
use kube::ResourceExt;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::process::{command, end};
use crate::settings::Program;

/// Pause until one that ended by itself is started again.
const AGAIN: Duration = Duration::from_secs(10);

/// Keeps a publisher running for `worker` until that is `over`; then it may deliver what is left, for `grace`.
///
/// Nothing that happens to it reaches the worker: documents are on disk, and the next publisher goes on.
pub(super) async fn accompany(
    program: Program,
    worker: PlanWorker,
    over: CancellationToken,
    grace: Duration,
) {
    let name = worker.name_any();
    while !over.is_cancelled() {
        match command(&program).envs(worker.spec.publishers.environment()).spawn() {
            Ok(mut child) => tokio::select! {
                status = child.wait() => {
                    tracing::error!(worker = name, ?status, "the publisher of documents ended; they wait on disk");
                }
                () = over.cancelled() => {
                    let ended = end(child, grace).await;
                    tracing::info!(worker = name, ?ended, "the publisher of documents ended");
                }
            },
            Err(error) => {
                let program = program.path.display();
                tracing::error!(worker = name, %program, %error, "the publisher of documents does not start; they wait on disk");
            }
        }
        tokio::select! {
            () = over.cancelled() => {}
            () = sleep(AGAIN) => {}
        }
    }
}
