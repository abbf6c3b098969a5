//! What the registry measures beside what every service does, in words.

use metrics::{Unit, describe_counter, describe_gauge};

/// Tells the recorder of this process.
pub fn describe() {
    describe_counter!(
        "registry_watch_errors_total",
        Unit::Count,
        "Watches that broke off and were begun again, by `kind` of what is watched."
    );
    describe_gauge!(
        "registry_change_listeners",
        Unit::Count,
        "Clients that have the change feed sent to them."
    );
}
