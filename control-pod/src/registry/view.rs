//! The latest snapshot of the registry, and whether it can be trusted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::registry::Snapshot;

/// How much of the registry has been heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Not everything has been listed since the start.
    Loading,
    /// The watches follow.
    Following,
    /// The API does not answer; the snapshot is what was last known.
    Stale {
        /// When the first watch failed.
        since: Instant,
        /// What it said.
        detail: String,
    },
}

/// The registry as this process knows it now. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    snapshot: Arc<ArcSwap<Snapshot>>,
    trust: Arc<Mutex<Trust>>,
}

impl Default for View {
    fn default() -> Self {
        Self { snapshot: Arc::default(), trust: Arc::new(Mutex::new(Trust::Loading)) }
    }
}

impl View {
    /// The registry now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Whether the watches follow.
    pub(crate) fn trust(&self) -> Trust {
        self.trust.lock().clone()
    }

    /// Why a write must not rely on the snapshot: the watches have been failing for longer than
    /// `bound`.
    pub(crate) fn outage(&self, bound: Duration) -> Option<String> {
        match &*self.trust.lock() {
            Trust::Stale { since, detail } if since.elapsed() > bound => Some(detail.clone()),
            _ => None,
        }
    }

    /// Puts a newer snapshot in place. Only the watch task calls this.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Everything has been listed and the watches follow.
    pub(crate) fn follows(&self) {
        *self.trust.lock() = Trust::Following;
    }

    /// A watch failed. The time of the first failure stands until all watches follow again.
    pub(crate) fn failed(&self, detail: String) {
        let mut trust = self.trust.lock();
        match &*trust {
            Trust::Loading | Trust::Stale { .. } => {}
            Trust::Following => *trust = Trust::Stale { since: Instant::now(), detail },
        }
    }
}
