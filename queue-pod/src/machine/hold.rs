//! Devices that an environment holds for as long as it is open (`lockScope: environment`, contract queue-server §5.6).

use crds::queue::LockScope;

use super::pending::{Change, begin};
use super::state::{Chore, State};
use super::{Claim, Write};

/// What stands in the lock table as the plan of an environment.
pub(super) const PLAN: &str = "__environment__";

/// The devices of an environment. The text is what stands in the lock table as their item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Hold {
    /// Plans lock theirs.
    #[default]
    None,
    /// They are to be locked before the environment takes plans.
    Wanted(String),
    /// They are locked.
    Held(String),
}

impl Hold {
    /// What stands in the lock table as the item of the environment of a worker.
    fn item(worker: &str) -> String {
        format!("env:{worker}")
    }

    /// The devices of the environment of `worker` are to be locked, if the queue is set so. Whether they are.
    pub(super) fn begin(state: &mut State, worker: &str) -> bool {
        let wanted = state.settings.lock_scope == LockScope::Environment;
        if wanted {
            state.hold = Self::Wanted(Self::item(worker));
        }
        wanted
    }

    /// Finds a lock again that stands in the table; whether it is that of the present environment.
    pub(super) fn find(state: &mut State, item: &str) -> bool {
        let is_present = state.environment.worker().is_some_and(|one| Self::item(one) == item);
        if is_present {
            state.hold = Self::Held(item.to_owned());
        }
        is_present
    }

    /// Locks what is to be locked; whether there was something.
    pub(super) fn take(state: &mut State) -> bool {
        let Self::Wanted(item) = &state.hold else { return false };
        let lock = Write::Lock(claim(state, item));
        begin(state, vec![vec![lock]], Change::Hold);
        true
    }

    /// They are locked.
    pub(super) fn is_taken(state: &mut State) {
        if let Self::Wanted(item) = &state.hold {
            state.hold = Self::Held(item.clone());
        }
    }

    /// Whether something is still to be locked.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(self, Self::Wanted(_))
    }

    /// Gives back what is locked, or may be.
    pub(super) fn end(state: &mut State) {
        if let Self::Wanted(item) | Self::Held(item) = std::mem::take(&mut state.hold) {
            state.chores.push_back(Chore::Unlock(item));
        }
    }

    /// What is locked for whatever plan: all that the environment has by now.
    pub(super) fn claim(state: &State) -> Option<Claim> {
        match &state.hold {
            Self::Held(item) => Some(claim(state, item)),
            Self::None | Self::Wanted(_) => None,
        }
    }
}

fn claim(state: &State, item: &str) -> Claim {
    let names = state.catalogue.devices.keys().cloned().collect();
    Claim { item_uid: item.to_owned(), plan: PLAN.to_owned(), names }
}
