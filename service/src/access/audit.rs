//! What is noted of decisions: a line in the log for refusals and writes, and a count of all.

use std::net::IpAddr;

use metrics::{counter, describe_counter};

use super::gate::Asked;
use super::pages::Foreign;
use super::refusal::Refusal;
use super::scope::Scope;

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

/// Notes a decision: who gets in and by what, or why not. `worth_a_line` is false for refusals beyond what one address is allowed: they are only counted.
pub(super) fn note(
    service: &'static str,
    asked: &Asked,
    decided: Result<(&str, &'static str), &Refusal>,
    worth_a_line: bool,
) {
    let (decision, reason) = match decided {
        Ok((_, by)) => ("granted", by),
        Err(refusal) => ("refused", refusal.reason()),
    };
    counter!(
        "access_decisions_total",
        "service" => service, "decision" => decision, "reason" => reason,
    )
    .increment(1);
    let is_quiet = decided.is_ok() && !asked.changes;
    if is_quiet || !worth_a_line {
        return;
    }
    let from = asked.from.map(|from| from.to_string()).unwrap_or_default();
    let path: String = asked.path.chars().take(PATH).collect();
    let user = decided.map(|(user, _)| user).unwrap_or_default();
    tracing::info!(
        target: TARGET,
        service,
        decision,
        reason,
        user,
        scope = asked.scope.map(Scope::name).unwrap_or_default(),
        method = asked.method,
        path,
        from,
        "access"
    );
}

/// Notes that a browser was refused what the page of somebody else asked it to send. `worth_a_line` as in [`note`].
pub(crate) fn note_foreign(
    service: &'static str,
    (method, path): (&str, &str),
    from: Option<IpAddr>,
    refused: &Foreign,
    worth_a_line: bool,
) {
    let reason = refused.reason();
    counter!(
        "access_decisions_total",
        "service" => service, "decision" => "refused", "reason" => reason,
    )
    .increment(1);
    if worth_a_line {
        let path: String = path.chars().take(PATH).collect();
        let from = from.map(|from| from.to_string()).unwrap_or_default();
        tracing::info!(
            target: TARGET, service, decision = "refused", reason, method, path, from, why = %refused, "access"
        );
    }
}
