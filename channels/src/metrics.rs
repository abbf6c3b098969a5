//! What this crate measures, in words.

use metrics::{Unit, describe_counter, describe_gauge};

/// Tells the recorder of this process.
pub fn describe() {
    describe_gauge!("channels_pvs", Unit::Count, "PVs that somebody uses.");
    describe_gauge!("channels_pvs_connected", Unit::Count, "PVs of those that an IOC answers for.");
    describe_counter!(
        "channels_updates_total",
        Unit::Count,
        "Values that came from IOCs: each once, whatever the number of clients."
    );
}
