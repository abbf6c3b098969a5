//! A client of one protocol: it hands out the one channel of each PV and owns the tasks that serve them. What the protocol adds
//! is its [`Wire`].

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::diagnosis::{Diagnosis, Outcome, Probe};
use crate::probe::PATIENCE;
use crate::search::Search;
use crate::shared::{Hold, Pvs, Served, SharedPv};
use crate::{Presence, PvChannel, PvClient};

/// How one protocol reaches PVs.
pub(crate) trait Wire: Sized + Send + Sync + 'static {
    /// One PV.
    type Pv: Served;

    /// Where its servers are searched.
    fn search(&self) -> &Search;

    /// How long the channel of a PV is kept after its last user.
    fn release_delay(&self) -> Duration;

    /// A PV that nobody serves yet.
    fn pv(client: &Arc<Client<Self>>, name: Arc<str>) -> Self::Pv;

    /// Keeps the PV connected and tells its users what comes over the wire. Ends with the client; dropped, it closes the channel.
    fn serve(client: Weak<Client<Self>>, pv: Arc<Self::Pv>) -> impl Future<Output = ()> + Send;

    /// Asks every place where the PV of that channel is searched.
    fn ask(&self, channel: &dyn PvChannel) -> impl Future<Output = Vec<Probe>> + Send;

    /// Closes what the PVs share, when none is served any more.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// What the client and the tasks of its PVs share. Whoever drops the last one stops them.
pub(crate) struct Client<W: Wire> {
    pub(crate) wire: W,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    runtime: Handle,
    pvs: Pvs<W::Pv>,
}

impl<W: Wire> fmt::Debug for Client<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("search", self.wire.search()).finish_non_exhaustive()
    }
}

impl<W: Wire> Client<W> {
    /// A client that works on the current runtime.
    ///
    /// # Panics
    /// Outside a runtime.
    pub(crate) fn new(wire: W) -> Arc<Self> {
        Arc::new(Self {
            wire,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            runtime: Handle::current(),
            pvs: Pvs::default(),
        })
    }

    /// Number of PVs that hold a channel on the wire or search for one.
    pub(crate) fn channel_count(&self) -> usize {
        self.pvs.count()
    }

    /// Closes all channels, telling the IOCs. Every user sees its PVs disconnect.
    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.wire.close().await;
    }

    /// Runs `task` as one of this client. It has to end with `stop`.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// What `hold` makes of the PV of that name, whose task is started if there is none yet.
    fn of<T>(self: &Arc<Self>, name: &str, hold: impl FnOnce(Arc<W::Pv>) -> T) -> T {
        let make = |name| W::pv(self, name);
        let start = |pv| self.spawn(own(Arc::downgrade(self), pv, self.stop.child_token()));
        self.pvs.of(name, make, start, hold)
    }
}

/// What hands out the PVs of a [`Client`].
pub(crate) trait Over: Send + Sync + 'static {
    /// Its protocol.
    type Wire: Wire;

    /// Its client.
    fn client(&self) -> &Arc<Client<Self::Wire>>;
}

#[async_trait]
impl<C: Over> PvClient for C {
    fn channel(&self, name: &str) -> Arc<dyn PvChannel> {
        self.client().of(name, |pv| Arc::new(SharedPv::new(pv)))
    }

    fn presence(&self, name: &str) -> Presence {
        self.client().of(name, Hold::presence)
    }

    /// The channel searches for as long as the places are asked.
    async fn diagnose(&self, name: &str) -> Diagnosis {
        let wire = &self.client().wire;
        let channel = self.channel(name);
        let probes = wire.ask(&*channel).await;
        let is_found =
            |probe: &Probe| matches!(probe.outcome, Outcome::Serves { found_by_search: true, .. });
        if probes.iter().any(is_found) {
            // What a search has just found the channel finds in a moment too.
            let _ = channel.connected(PATIENCE).await;
        }
        Diagnosis {
            search: wire.search().clone(),
            connection: channel.connection().borrow().clone(),
            turns: channel.turns(),
            probes,
        }
    }
}

impl<W: Wire> Drop for Client<W> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves one PV until nobody has used it for the release delay, or the client stops.
async fn own<W: Wire>(client: Weak<Client<W>>, pv: Arc<W::Pv>, stop: CancellationToken) {
    let Some(delay) = client.upgrade().map(|client| client.wire.release_delay()) else { return };
    metrics::gauge!("channels_pvs").increment(1.0);
    // There from the first PV on, so that an alert on the difference sees an IOC that never answered.
    metrics::gauge!("channels_pvs_connected").increment(0.0);
    {
        let mut unused = pin!(pv.users().unused_for(delay));
        let mut serving = pin!(W::serve(Weak::clone(&client), Arc::clone(&pv)));
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = &mut unused => match client.upgrade() {
                    Some(client) if !client.pvs.release(&pv) => {
                        unused.set(pv.users().unused_for(delay));
                    }
                    _ => break,
                },
                () = &mut serving => break,
            }
        }
    }
    metrics::gauge!("channels_pvs").decrement(1.0);
}
