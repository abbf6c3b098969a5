//! What one socket follows, by the name under which its client asked for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::monitors::Monitor;
use crate::socket::dialect::Dialect;
use crate::socket::outbox::Outbox;

/// One followed PV.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    /// In whose words it is told.
    pub(crate) dialect: Dialect,
    /// Where it is heard.
    pub(crate) monitor: Arc<Monitor>,
}

/// The subscriptions of one socket, or those of one kind where it has PVs and devices. All end when
/// it is dropped.
#[derive(Debug)]
pub(crate) struct Following {
    kind: Kind,
    of_socket: Arc<OfSocket>,
}

/// Which subscriptions of a socket; those of different kinds may have the same name.
#[derive(Clone, Copy, Debug)]
enum Kind {
    First,
    Second,
}

/// What all kinds of one socket share.
#[derive(Debug)]
struct OfSocket {
    session: u64,
    outbox: Arc<Outbox>,
    /// Most PVs of all kinds; 0 is unlimited.
    cap: usize,
    state: Mutex<[State; 2]>,
    /// Something that was pending is no longer.
    decided: Notify,
}

#[derive(Debug, Default)]
struct State {
    live: BTreeMap<String, Vec<Followed>>,
    /// Being connected; the number of PVs counts against the cap already.
    pending: BTreeMap<String, usize>,
}

impl State {
    fn count(&self) -> usize {
        self.live.values().map(Vec::len).chain(self.pending.values().copied()).sum()
    }

    fn knows(&self, name: &str) -> bool {
        self.live.contains_key(name) || self.pending.contains_key(name)
    }
}

impl OfSocket {
    fn unfollow<'a>(&self, all: impl IntoIterator<Item = &'a Followed>) {
        for followed in all {
            followed.monitor.unsubscribe(&followed.dialect, self.session);
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let ended = std::mem::take(&mut self.state().live);
        self.of_socket.unfollow(ended.values().flatten());
    }
}

impl Following {
    /// Nothing yet, for the client behind `outbox`; of at most `cap` PVs.
    pub(crate) fn new(session: u64, outbox: &Arc<Outbox>, cap: usize) -> Self {
        let of_socket = OfSocket {
            session,
            outbox: Arc::clone(outbox),
            cap,
            state: Mutex::default(),
            decided: Notify::new(),
        };
        Self { kind: Kind::First, of_socket: Arc::new(of_socket) }
    }

    /// Those of another kind of the same socket, under the same cap.
    pub(crate) fn of_another_kind(&self) -> Self {
        Self { kind: Kind::Second, of_socket: Arc::clone(&self.of_socket) }
    }

    fn state(&self) -> MappedMutexGuard<'_, State> {
        MutexGuard::map(self.of_socket.state.lock(), |kinds| &mut kinds[self.kind as usize])
    }

    /// Makes room for names with their number of PVs, for all of them or for none. Names that are
    /// followed need no room.
    ///
    /// # Errors
    /// The number of PVs that are followed, when there is no room.
    pub(crate) fn reserve<'a>(
        &self,
        wanted: impl IntoIterator<Item = (&'a str, usize)>,
    ) -> Result<(), usize> {
        let mut kinds = self.of_socket.state.lock();
        let current: usize = kinds.iter().map(State::count).sum();
        let state = &mut kinds[self.kind as usize];
        let new: Vec<_> = wanted.into_iter().filter(|(name, _)| !state.knows(name)).collect();
        let more: usize = new.iter().map(|(_, count)| count).sum();
        if self.cap() > 0 && current + more > self.cap() {
            return Err(current);
        }
        state.pending.extend(new.into_iter().map(|(name, count)| (name.to_owned(), count)));
        Ok(())
    }

    /// Gives back room that was reserved.
    pub(crate) fn release(&self, name: &str) {
        self.state().pending.remove(name);
        self.of_socket.decided.notify_waiters();
    }

    /// Follows all PVs of a name, from their latest samples on.
    pub(crate) fn start(&self, name: &str, all: Vec<Followed>) {
        let OfSocket { session, outbox, .. } = &*self.of_socket;
        let mut state = self.state();
        state.pending.remove(name);
        for followed in &all {
            followed.monitor.subscribe(&followed.dialect, *session, outbox);
        }
        state.live.insert(name.to_owned(), all);
        drop(state);
        self.of_socket.decided.notify_waiters();
    }

    /// Waits while the name is being connected.
    pub(crate) async fn settled(&self, name: &str) {
        loop {
            let decided = self.of_socket.decided.notified();
            if !self.state().pending.contains_key(name) {
                return;
            }
            decided.await;
        }
    }

    /// Follows the name no longer; whether it was followed.
    pub(crate) fn end(&self, name: &str) -> bool {
        let ended = self.state().live.remove(name);
        self.of_socket.unfollow(ended.iter().flatten());
        ended.is_some()
    }

    /// Sends the latest of a name once more, with the metadata if wanted; whether it is followed.
    pub(crate) fn refresh(&self, name: &str, with_meta: bool) -> bool {
        let state = self.state();
        let Some(all) = state.live.get(name) else { return false };
        for followed in all {
            followed.monitor.refresh(&followed.dialect, &self.of_socket.outbox, with_meta);
        }
        true
    }

    /// The PVs of a followed name.
    pub(crate) fn get(&self, name: &str) -> Option<Vec<Followed>> {
        self.state().live.get(name).cloned()
    }

    /// Whether the name is followed.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.state().live.contains_key(name)
    }

    /// All names, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state().live.keys().cloned().collect()
    }

    /// The refusal for want of room.
    pub(crate) fn full(&self) -> String {
        let cap = self.cap();
        format!("Subscribe would exceed max_subscriptions_per_client (cap={cap}).")
    }

    /// Most PVs; 0 is unlimited.
    pub(crate) fn cap(&self) -> usize {
        self.of_socket.cap
    }
}
