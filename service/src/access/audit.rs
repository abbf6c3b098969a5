//! What is noted of decisions: a line in the log for refusals and writes, and a count of all.

use metrics::{counter, describe_counter};

use super::caller::Caller;
use super::gate::Asked;
use super::refusal::Refusal;

/// Where the lines go: a target of their own, so that they can be kept apart.
pub const TARGET: &str = "beamline::access";

/// Longest path that is noted.
const PATH: usize = 200;

/// Tells the recorder what is counted, in words.
pub(crate) fn describe() {
    describe_counter!(
        "access_decisions_total",
        metrics::Unit::Count,
        "Requests that were let in or refused, by `service`, `decision` (`granted` or `refused`) and `reason`: by what the caller is known, or why it is refused."
    );
}

/// Notes a decision. `worth_a_line` is false for refusals beyond what one address is allowed: they are only counted.
pub(super) fn note(
    service: &'static str,
    asked: &Asked,
    decided: Result<&Caller, &Refusal>,
    worth_a_line: bool,
) {
    let (decision, reason) = match decided {
        Ok(caller) => ("granted", caller.by().label()),
        Err(refusal) => ("refused", refusal.reason()),
    };
    counter!(
        "access_decisions_total",
        "service" => service, "decision" => decision, "reason" => reason,
    )
    .increment(1);
    let is_quiet = decided.is_ok() && !asked.scope.is_write();
    if is_quiet || !worth_a_line {
        return;
    }
    let from = asked.from.map(|from| from.to_string()).unwrap_or_default();
    let path: String = asked.path.chars().take(PATH).collect();
    let user = decided.map(Caller::user).unwrap_or_default();
    tracing::info!(
        target: TARGET,
        service,
        decision,
        reason,
        user,
        scope = asked.scope.name(),
        method = asked.method,
        path,
        from,
        "access"
    );
}
