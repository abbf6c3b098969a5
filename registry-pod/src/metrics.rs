//! What the registry measures beside what every service does, in words.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

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
    describe_histogram!(
        "registry_lock_batch_size",
        Unit::Count,
        "Requests to lock, release or renew that one write of the lock table was for."
    );
}
