//! Leader election by a Lease: one process of several works, the others wait.
//!
//! A lease is not a fence. Whoever holds it may be paused between looking at it and acting, so the
//! holder asks [`Tenure::is_sure`] before every effect, its writes carry preconditions, and
//! commands to hardware carry [`Tenure::epoch`], which only grows.
//!
//! Only the own monotonic clock counts: a record that did not change for its whole duration *as
//! seen from here* has expired, whatever time it carries. The holder counts from before it asked
//! for a renewal, the others from after they saw it, and the holder stops being sure well before
//! the others may take over.

mod election;
mod held;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use election::Election;
pub use held::{Held, Loss};

/// Longest time of one request to the API: several fit into the time for which a holder is sure.
const TRY: Duration = Duration::from_secs(3);
/// Pause after a request that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Which lease, and who asks for it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `metadata.name` of the Lease.
    pub name: String,
    /// Who asks. Unique among those that run; a process that finds itself as the holder takes this
    /// for an earlier life of its own, and takes over at once under a new epoch.
    pub holder: String,
    /// How long it holds.
    pub times: Times,
}

/// How long a lease holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How long others wait for a holder that shows no sign of life.
    pub duration: Duration,
    /// How long the holder is sure after a renewal. Shorter than `duration` by what clocks and
    /// effects under way may differ.
    pub sure: Duration,
    /// Pause between renewals.
    pub period: Duration,
}

impl Default for Times {
    /// 15 s, of which the holder is sure for 10 s, renewed every 5 s.
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            sure: Duration::from_secs(10),
            period: Duration::from_secs(5),
        }
    }
}

/// Name of this process as a holder: that of its pod, which outlives a restart of the process, or
/// one that nobody else has.
pub fn identity(pod: Option<&str>) -> String {
    match pod.filter(|pod| !pod.is_empty()) {
        Some(pod) => pod.to_owned(),
        None => format!("process-{}-{}", std::process::id(), uuid::Uuid::new_v4().simple()),
    }
}

/// One time of holding a lease, as seen by those who act under it. Clones share it.
#[derive(Clone, Debug)]
pub struct Tenure {
    epoch: i64,
    sure_until: Arc<Mutex<Instant>>,
    lost: CancellationToken,
}

impl Tenure {
    fn new(epoch: i64, sure_until: Instant) -> Self {
        let sure_until = Arc::new(Mutex::new(sure_until));
        Self { epoch, sure_until, lost: CancellationToken::new() }
    }

    /// Counts the holders of this lease (`leaseTransitions`): an order under a lower one is not to
    /// be followed.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Whether the lease is certainly still held. Ask right before every effect.
    pub fn is_sure(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < *self.sure_until.lock()
    }

    /// Fires when the lease is lost or given back. It may fire late in a process that was paused:
    /// [`Tenure::is_sure`] never says yes late.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    fn extend(&self, until: Instant) {
        *self.sure_until.lock() = until;
    }
}
