//! Writes the status of a PV, only when it says something else.

use crds::ProcessVariable;
use crds::conditions::Verdict;
use crds::process_variable::ProcessVariableStatus;

use crate::context::Context;
use crate::error::Error;
use crate::report;

/// Brings the status to `wanted`.
pub(super) async fn update(
    context: &Context,
    pv: &ProcessVariable,
    wanted: &ProcessVariableStatus,
    verdict: &Verdict,
) -> Result<(), Error> {
    let mut ours = pv.status.clone().unwrap_or_default();
    let before = ours.conditions.clone();
    ours.conditions.retain(report::is_readiness);
    if ours == *wanted {
        return Ok(());
    }
    report::write(context, pv, &before, wanted, verdict).await
}
