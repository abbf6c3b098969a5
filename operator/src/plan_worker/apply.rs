//! Starts and ends what a worker stands for.

use crds::PlanWorker;

use super::PlanWorkers;
use super::validate::{Saying, failed_to_start, saying};
use crate::error::Error;
use crate::launch::Order;

/// Starts the worker and answers how it is. That it cannot be started is an answer and no reason to
/// try again.
///
/// # Errors
/// When the launcher does not know, because the API did not answer it.
pub(super) async fn start(
    workers: &PlanWorkers,
    worker: &PlanWorker,
    token: Option<String>,
) -> Result<Saying, Error> {
    let order = Order { worker: worker.clone(), token };
    match workers.launcher.start(order).await {
        Ok(phase) => Ok(saying(&phase, worker, workers.launcher.nature())),
        Err(error) if error.is_passing() => Err(Error::Look(error)),
        Err(error) => Ok(failed_to_start(&error)),
    }
}

/// Ends the worker; returns when it is gone.
pub(super) async fn take_down(workers: &PlanWorkers, worker: &PlanWorker) -> Result<(), Error> {
    workers.launcher.stop(worker).await.map_err(Error::Stop)
}
