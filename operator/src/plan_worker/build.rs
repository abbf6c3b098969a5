//! The status that a worker should have. Deterministic, no client.

use crds::PlanWorker;
use crds::conditions::{Verdict, types};
use crds::plan_worker::PlanWorkerStatus;

use super::validate::Saying;
use crate::report::readiness;

/// Our part of the status, and the verdict that it expresses.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The status.
    pub(super) status: PlanWorkerStatus,
    /// The verdict behind the `Ready` condition.
    pub(super) verdict: Verdict,
}

/// Builds what the status should say.
pub(super) fn build(worker: &PlanWorker, saying: &Saying) -> Wanted {
    let Saying { ready, reason, message, pid, exit } = saying;
    let verdict =
        Verdict { type_: types::READY, status: Some(*ready), reason, message: message.clone() };
    let present = worker.status.as_ref().map(|status| status.conditions.as_slice());
    let generation = worker.metadata.generation;
    let status = PlanWorkerStatus {
        observed_generation: generation,
        conditions: readiness(present.unwrap_or_default(), &verdict, generation),
        pid: *pid,
        exit: exit.clone(),
    };
    Wanted { status, verdict }
}
