//! What the operator measures, in words.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Tells the recorder of this process.
pub fn describe() {
    describe_counter!(
        "operator_reconciles_total",
        Unit::Count,
        "Looks at an object, by `controller`."
    );
    describe_counter!(
        "operator_reconcile_failures_total",
        Unit::Count,
        "Looks at an object that failed, by `controller` and `reason`; the object is tried again, later each time."
    );
    describe_histogram!(
        "operator_reconcile_duration_seconds",
        Unit::Seconds,
        "How long a look at an object takes, by `controller`."
    );
    describe_gauge!(
        "operator_reconciles_running",
        Unit::Count,
        "Looks at an object that are under way, by `controller`; at most 8."
    );
    describe_counter!(
        "operator_status_writes_total",
        Unit::Count,
        "Statuses written, by `kind` of the object. None when nothing changes."
    );
    describe_counter!(
        "operator_children_applied_total",
        Unit::Count,
        "Objects made or changed for a Beamline, by their `kind`. None when nothing changes."
    );
}
