//! What direct control measures beside what every service does, in words.

use metrics::{Unit, describe_counter, describe_gauge};

/// Tells the recorder of this process.
pub fn describe() {
    describe_gauge!("control_sockets", Unit::Count, "WebSockets that are open, by `kind`.");
    describe_counter!(
        "control_updates_replaced_total",
        Unit::Count,
        "Updates that a newer one replaced before a slow client had taken them."
    );
    describe_counter!(
        "control_monitor_samples_missed_total",
        Unit::Count,
        "Values that came faster than this process could pass them on; the newest is never one of them."
    );
}
