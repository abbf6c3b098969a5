//! What can go wrong with a PV.

use std::time::Duration;

use thiserror::Error;

/// What went wrong, told so that a user can act on it.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PvError {
    /// Nobody answers for the name.
    #[error("{pv} could not connect within {}-second timeout.", .timeout.as_secs_f64())]
    NotFound {
        /// PV name.
        pv: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// The IOC was there and is gone.
    #[error("{pv} is disconnected")]
    Disconnected {
        /// PV name.
        pv: String,
    },
    /// The IOC did not answer in time.
    #[error("{pv} did not answer within {} s", .timeout.as_secs_f64())]
    Timeout {
        /// PV name.
        pv: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// The PV may not be written.
    #[error("{pv}: write access denied")]
    ReadOnly {
        /// PV name.
        pv: String,
    },
    /// The IOC refused the value.
    #[error("{pv}: the IOC refused the value (ECA status {status})")]
    Rejected {
        /// PV name.
        pv: String,
        /// Channel Access status code.
        status: u32,
    },
    /// The server refused, in its own words.
    #[error("{pv}: the server refused: {reason}")]
    Refused {
        /// PV name.
        pv: String,
        /// What it said.
        reason: String,
    },
    /// The value does not fit the PV.
    #[error("{pv}: {reason}")]
    BadValue {
        /// PV name.
        pv: String,
        /// Why it does not fit.
        reason: String,
    },
    /// Anything else that the protocol library reports.
    #[error("{pv}: {message}")]
    Protocol {
        /// PV name.
        pv: String,
        /// The library's words.
        message: String,
    },
}
