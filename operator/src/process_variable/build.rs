//! The status that a judged PV should have. Deterministic, no client.

use crds::ProcessVariable;
use crds::conditions::Verdict;
use crds::process_variable::ProcessVariableStatus;

use crate::report::readiness;

/// Builds what the status should say.
pub(super) fn build(pv: &ProcessVariable, verdict: &Verdict) -> ProcessVariableStatus {
    let present = pv.status.as_ref().map(|status| status.conditions.as_slice());
    let generation = pv.metadata.generation;
    ProcessVariableStatus {
        observed_generation: generation,
        conditions: readiness(present.unwrap_or_default(), verdict, generation),
    }
}
