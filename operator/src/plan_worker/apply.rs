//! Starts and ends what a worker stands for.

use crds::PlanWorker;
use kube::ResourceExt;

use super::PlanWorkers;
use super::validate::{Saying, failed_to_start, saying};
use crate::error::Error;
use crate::launch::Order;

/// Starts the worker and answers how it is. That it does not start is an answer and no reason to
/// try again.
pub(super) async fn start(workers: &PlanWorkers, worker: &PlanWorker, token: String) -> Saying {
    let order = Order {
        uid: worker.uid().unwrap_or_default(),
        name: worker.name_any(),
        connect_to: worker.spec.connect_to.clone(),
        epoch: worker.spec.epoch,
        token,
    };
    match workers.launcher.start(order).await {
        Ok(phase) => saying(&phase, worker),
        Err(error) => failed_to_start(&error),
    }
}

/// Ends the worker; returns when it is gone.
pub(super) async fn take_down(workers: &PlanWorkers, worker: &PlanWorker) -> Result<(), Error> {
    let uid = worker.uid().unwrap_or_default();
    workers.launcher.stop(&uid).await.map_err(Error::Stop)
}
