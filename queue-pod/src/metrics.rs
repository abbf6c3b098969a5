//! What the queue server measures beside what every service does, in words.

use metrics::{Unit, describe_counter, describe_gauge};

/// Tells the recorder of this process.
pub fn describe() {
    describe_gauge!("queue_items", Unit::Count, "Items that wait in the queue.");
    describe_gauge!("queue_running_items", Unit::Count, "1 while an item runs.");
    describe_gauge!("queue_history_items", Unit::Count, "Items in the history.");
    describe_counter!(
        "queue_requests_total",
        Unit::Count,
        "Requests over 0MQ and HTTP that the leader took up, by `method`."
    );
    describe_counter!(
        "queue_requests_refused_total",
        Unit::Count,
        "Requests refused because this server does not lead, or cannot be sure that it does."
    );
    describe_counter!(
        "queue_writes_total",
        Unit::Count,
        "Writes to the Kubernetes API, by `kind` of what is written."
    );
    describe_counter!(
        "queue_console_unseen_total",
        Unit::Count,
        "Pieces of the console that the terminal did not take in time."
    );
    describe_counter!(
        "queue_profile_pulls_total",
        Unit::Count,
        "Pulls of the profile's git checkout, by `outcome`: changed, unchanged, refused or failed."
    );
    describe_counter!("queue_terms_total", Unit::Count, "How often this process began to lead.");
}
