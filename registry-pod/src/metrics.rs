//! What the registry measures beside what every service does, in words.

use metrics::{Unit, describe_counter};

/// Tells the recorder of this process.
pub fn describe() {
    describe_counter!(
        "registry_watch_errors_total",
        Unit::Count,
        "Watches that broke off and were begun again, by `kind` of what is watched."
    );
}
