//! What the protocols have in common: one PV for all its users, who hold it and read it, and the PVs of a client by name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use crate::diagnosis::Turns;
use crate::feed::Feed;
use crate::{
    ConnectedInfo, Connection, Presence, PutMode, PvChannel, PvError, PvValue, Sample, Want,
};

/// One PV as a protocol serves it.
#[async_trait]
pub(crate) trait Served: Send + Sync + 'static {
    /// What its users see.
    fn feed(&self) -> &Feed;

    /// Who uses it.
    fn users(&self) -> &Users;

    /// Reads it from the IOC; waits for the connection first.
    async fn read(&self, want: Want, timeout: Duration) -> Result<Sample, PvError>;

    /// Writes it; waits for the connection first.
    async fn write(&self, value: &PvValue, mode: PutMode, timeout: Duration)
    -> Result<(), PvError>;
}

/// Counts those who use a PV.
#[derive(Debug, Default)]
pub(crate) struct Users {
    /// Those who hold the channel, the readers among them.
    held: watch::Sender<usize>,
    /// Those who may ask for values.
    read: watch::Sender<usize>,
}

impl Users {
    pub(crate) fn is_unused(&self) -> bool {
        *self.held.borrow() == 0
    }

    /// Returns when nobody has used the PV for `delay`.
    pub(crate) async fn unused_for(&self, delay: Duration) {
        nobody_for(&self.held, delay).await;
    }

    /// Whether anybody may ask for values.
    pub(crate) fn is_read(&self) -> bool {
        *self.read.borrow() > 0
    }

    /// Waits until values have to be followed, or, while they are `followed`, need not be any more since `delay`.
    pub(crate) async fn turn(&self, followed: bool, delay: Duration) {
        if followed {
            nobody_for(&self.read, delay).await;
        } else {
            // The sender lives as long as `self`, so waiting cannot fail.
            let _ = self.read.subscribe().wait_for(|count| *count > 0).await;
        }
    }
}

/// Returns when `count` has been zero for `delay`.
async fn nobody_for(count: &watch::Sender<usize>, delay: Duration) {
    let mut count = count.subscribe();
    loop {
        // The sender outlives this wait, so waiting cannot fail.
        let _ = count.wait_for(|count| *count == 0).await;
        let back = count.wait_for(|count| *count > 0);
        if tokio::time::timeout(delay, back).await.is_err() {
            return;
        }
    }
}

/// One user's hold on the channel of a PV.
pub(crate) struct Hold<P: Served>(Arc<P>);

impl<P: Served> Hold<P> {
    fn new(pv: Arc<P>) -> Self {
        pv.users().held.send_modify(|count| *count += 1);
        Self(pv)
    }

    /// A look at the connection that holds the channel and reads nothing.
    pub(crate) fn presence(pv: Arc<P>) -> Presence {
        Presence::new(pv.feed().connection(), Self::new(pv))
    }
}

impl<P: Served> Drop for Hold<P> {
    fn drop(&mut self) {
        self.0.users().held.send_modify(|count| *count -= 1);
    }
}

/// One reader's hold on a PV.
pub(crate) struct SharedPv<P: Served> {
    pv: Arc<P>,
    _hold: Hold<P>,
}

impl<P: Served> SharedPv<P> {
    pub(crate) fn new(pv: Arc<P>) -> Self {
        pv.users().read.send_modify(|count| *count += 1);
        Self { _hold: Hold::new(Arc::clone(&pv)), pv }
    }
}

impl<P: Served> Drop for SharedPv<P> {
    fn drop(&mut self) {
        self.pv.users().read.send_modify(|count| *count -= 1);
    }
}

#[async_trait]
impl<P: Served> PvChannel for SharedPv<P> {
    fn name(&self) -> &str {
        self.pv.feed().name()
    }

    fn turns(&self) -> Turns {
        self.pv.feed().turns()
    }

    fn connection(&self) -> watch::Receiver<Connection> {
        self.pv.feed().connection()
    }

    async fn connected(&self, timeout: Duration) -> Result<ConnectedInfo, PvError> {
        self.pv.feed().connected_within(timeout).await
    }

    async fn get(&self, want: Want, timeout: Duration) -> Result<Sample, PvError> {
        self.pv.feed().within(timeout, self.pv.read(want, timeout)).await
    }

    async fn put(&self, value: PvValue, mode: PutMode, timeout: Duration) -> Result<(), PvError> {
        self.pv.feed().within(timeout, self.pv.write(&value, mode, timeout)).await
    }

    fn monitor(&self) -> watch::Receiver<Option<Arc<Sample>>> {
        self.pv.feed().latest()
    }

    fn updates(&self) -> broadcast::Receiver<Arc<Sample>> {
        self.pv.feed().updates()
    }
}

/// The PVs of a client that hold a channel or search for one, by name.
pub(crate) struct Pvs<P>(Mutex<HashMap<Arc<str>, Arc<P>>>);

impl<P> Default for Pvs<P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<P: Served> Pvs<P> {
    pub(crate) fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// What `hold` makes of the PV of that name. One that is not there yet is made and then `start`ed, when it counts as used.
    pub(crate) fn of<T>(
        &self,
        name: &str,
        make: impl FnOnce(Arc<str>) -> P,
        start: impl FnOnce(Arc<P>),
        hold: impl FnOnce(Arc<P>) -> T,
    ) -> T {
        let mut pvs = self.0.lock();
        if let Some(pv) = pvs.get(name) {
            return hold(Arc::clone(pv));
        }
        let name: Arc<str> = name.into();
        let pv = Arc::new(make(Arc::clone(&name)));
        pvs.insert(name, Arc::clone(&pv));
        let held = hold(Arc::clone(&pv));
        start(pv);
        held
    }

    /// Forgets a PV that nobody uses. False when somebody has come back to it.
    pub(crate) fn release(&self, pv: &P) -> bool {
        let mut pvs = self.0.lock();
        let unused = pv.users().is_unused();
        if unused {
            pvs.remove(pv.feed().name());
        }
        unused
    }
}
