//! Writes the status of a worker, only when it says something else.

use crds::PlanWorker;

use super::build::Wanted;
use crate::context::Context;
use crate::error::Error;
use crate::report;

/// Brings the status to `wanted`.
pub(super) async fn update(
    context: &Context,
    worker: &PlanWorker,
    wanted: &Wanted,
) -> Result<(), Error> {
    if worker.status.as_ref() == Some(&wanted.status) {
        return Ok(());
    }
    let before = worker.status.as_ref().map(|status| status.conditions.as_slice());
    let before = before.unwrap_or_default();
    report::write(context, worker, before, &wanted.status, &wanted.verdict).await
}

/// Brings the status to `wanted` and answers the worker with it.
pub(super) async fn update_to(
    context: &Context,
    worker: &PlanWorker,
    wanted: &Wanted,
) -> Result<PlanWorker, Error> {
    update(context, worker, wanted).await?;
    Ok(PlanWorker { status: Some(wanted.status.clone()), ..worker.clone() })
}
