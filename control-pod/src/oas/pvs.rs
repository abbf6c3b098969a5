//! The PVs that REST clients of this process have connected (contract §2.7).

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// Most PVs; they stay until the process ends, so there must be an end to them.
const MOST: usize = 10_000;

/// The connected PVs by name.
#[derive(Debug, Default)]
pub(crate) struct ConnectedPvs(Mutex<BTreeSet<String>>);

/// Why a PV was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAdded {
    /// It is there.
    Known,
    /// There are too many.
    Full,
}

impl ConnectedPvs {
    /// All names, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().iter().cloned().collect()
    }

    /// Whether somebody has connected the PV.
    pub(crate) fn contains(&self, pv: &str) -> bool {
        self.0.lock().contains(pv)
    }

    /// Adds a PV.
    ///
    /// # Errors
    /// [`NotAdded`].
    pub(crate) fn add(&self, pv: &str) -> Result<(), NotAdded> {
        let mut pvs = self.0.lock();
        if pvs.contains(pv) {
            return Err(NotAdded::Known);
        }
        if pvs.len() >= MOST {
            return Err(NotAdded::Full);
        }
        pvs.insert(pv.to_owned());
        Ok(())
    }
}
