//! The shared monitors: one per PV for the whole process, whoever looks at it.

pub(crate) mod heard;
pub(crate) mod load;
pub(crate) mod monitor;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use channels::PvClient;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub(crate) use monitor::Monitor;

use crate::monitors::load::PvLoad;
use crate::socket::dialect::Dialect;
use crate::socket::frames::Words;

/// All monitors of this process, by PV.
pub(crate) struct Monitors {
    client: Arc<dyn PvClient>,
    by_pv: Mutex<BTreeMap<String, Arc<Monitor>>>,
    /// Of PVs that another one sets, by both.
    pairs: Mutex<BTreeMap<(String, String), Arc<Monitor>>>,
    /// Longest frame that is sent, in bytes.
    frame_limit: usize,
    tasks: TaskTracker,
}

/// What sockets follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Followed {
    /// PVs that a pv-socket follows.
    pub(crate) pvs: usize,
    /// Devices that a device-socket follows.
    pub(crate) devices: usize,
    /// PVs of those devices.
    pub(crate) device_pvs: usize,
}

impl std::fmt::Debug for Monitors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitors").field("pvs", &self.by_pv.lock().len()).finish_non_exhaustive()
    }
}

impl Monitors {
    /// No monitors yet. Updates whose frame would be longer than `frame_limit` bytes are replaced
    /// by an error.
    pub(crate) fn new(client: Arc<dyn PvClient>, frame_limit: usize) -> Self {
        let (by_pv, pairs) = (Mutex::default(), Mutex::default());
        Self { client, by_pv, pairs, frame_limit, tasks: TaskTracker::new() }
    }

    /// The monitor of `pv`, started if there is none yet.
    pub(crate) fn of(&self, pv: &str) -> Arc<Monitor> {
        let mut by_pv = self.by_pv.lock();
        if let Some(monitor) = by_pv.get(pv) {
            monitor.touch();
            return Arc::clone(monitor);
        }
        let monitor =
            Arc::new(Monitor::start(self.client.channel(pv), None, self.frame_limit, &self.tasks));
        by_pv.insert(pv.to_owned(), Arc::clone(&monitor));
        monitor
    }

    /// The monitor of `pv` together with `setpoint`, which sets it: what it tells of limits and
    /// access is of that one. Both have the channels that all others use.
    pub(crate) fn of_pair(&self, pv: &str, setpoint: &str) -> Arc<Monitor> {
        let mut pairs = self.pairs.lock();
        let key = (pv.to_owned(), setpoint.to_owned());
        if let Some(monitor) = pairs.get(&key) {
            monitor.touch();
            return Arc::clone(monitor);
        }
        let (channel, other) = (self.client.channel(pv), self.client.channel(setpoint));
        let monitor = Arc::new(Monitor::start(channel, Some(other), self.frame_limit, &self.tasks));
        pairs.insert(key, Arc::clone(&monitor));
        monitor
    }

    /// The monitor of `pv`, if somebody has started one.
    pub(crate) fn existing(&self, pv: &str) -> Option<Arc<Monitor>> {
        self.by_pv.lock().get(pv).cloned()
    }

    /// Names of the monitored PVs that are connected.
    pub(crate) fn connected(&self) -> Vec<String> {
        let by_pv = self.by_pv.lock();
        let connected = by_pv.iter().filter(|(_, monitor)| monitor.is_connected());
        connected.map(|(pv, _)| pv.clone()).collect()
    }

    /// What sockets follow.
    pub(crate) fn followed(&self) -> Followed {
        let mut devices = BTreeSet::new();
        let (mut pvs, mut device_pvs) = (0, 0);
        for monitor in self.by_pv.lock().values() {
            let dialects = monitor.dialects();
            pvs += usize::from(dialects.contains(&Dialect::Direct(Words::Pv)));
            let of_devices = dialects.into_iter().filter_map(|dialect| match dialect {
                Dialect::Direct(Words::Device { device, .. }) => Some(device),
                Dialect::Direct(Words::Pv) | Dialect::Oas(_) => None,
            });
            let of_devices: Vec<String> = of_devices.collect();
            device_pvs += usize::from(!of_devices.is_empty());
            devices.extend(of_devices);
        }
        Followed { pvs, devices: devices.len(), device_pvs }
    }

    /// Number of subscriptions of all sockets together.
    pub(crate) fn subscriptions(&self) -> usize {
        let alone: usize = self.by_pv.lock().values().map(|monitor| monitor.subscribers()).sum();
        let pairs: usize = self.pairs.lock().values().map(|monitor| monitor.subscribers()).sum();
        alone + pairs
    }

    /// PVs that the client of that session follows, by name.
    pub(crate) fn followed_by(&self, session: u64) -> Vec<String> {
        let of_session = |monitor: &Arc<Monitor>| {
            monitor.is_followed_by(session).then(|| monitor.pv().to_owned())
        };
        let mut names: Vec<_> = self.all().iter().filter_map(of_session).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Measures how fast each PV changes, since the look before.
    pub(crate) fn look(&self, now: Instant) {
        self.all().iter().for_each(|monitor| monitor.load().look(now));
    }

    /// The `most` PVs that change most often.
    pub(crate) fn busiest(&self, most: usize) -> Vec<PvLoad> {
        load::busiest(self.loads(), most)
    }

    /// The `most` PVs of which clients have missed most updates.
    pub(crate) fn most_overwritten(&self, most: usize) -> Vec<PvLoad> {
        load::most_overwritten(self.loads(), most)
    }

    fn loads(&self) -> Vec<PvLoad> {
        let told =
            |monitor: &Arc<Monitor>| monitor.load().told(monitor.pv(), monitor.subscribers());
        self.all().iter().map(told).collect()
    }

    fn all(&self) -> Vec<Arc<Monitor>> {
        let mut all: Vec<_> = self.by_pv.lock().values().cloned().collect();
        all.extend(self.pairs.lock().values().cloned());
        all
    }

    /// Ends every monitor that nobody follows and that nobody has asked for since `ttl`.
    pub(crate) fn sweep(&self, ttl: Duration) {
        self.by_pv.lock().retain(|_, monitor| !monitor.is_idle(ttl));
        self.pairs.lock().retain(|_, monitor| !monitor.is_idle(ttl));
    }

    /// Whether `pv` may be one more of at most `most` monitored PVs that are not known. When there
    /// are too many, those that nobody follows make room.
    pub(crate) fn has_room(&self, pv: &str, most: usize, is_known: impl Fn(&str) -> bool) -> bool {
        let mut by_pv = self.by_pv.lock();
        if by_pv.len() < most || by_pv.contains_key(pv) {
            return true;
        }
        let count = |by_pv: &BTreeMap<String, Arc<Monitor>>| {
            by_pv.keys().filter(|known| !is_known(known)).count()
        };
        if count(&by_pv) < most {
            return true;
        }
        by_pv.retain(|pv, monitor| is_known(pv) || monitor.subscribers() > 0);
        count(&by_pv) < most
    }

    /// Ends all monitors and waits until their tasks have stopped.
    pub(crate) async fn stop(&self) {
        self.by_pv.lock().clear();
        self.pairs.lock().clear();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use channels::Fake;

    use super::*;
    use crate::socket::outbox::Outbox;

    #[tokio::test]
    async fn unknown_pvs_that_nobody_follows_make_room_for_others() {
        let monitors = Monitors::new(Arc::new(Fake::default()), 1_000);
        let is_known = |pv: &str| pv.starts_with("known");
        let (dialect, outbox) = (Dialect::Direct(Words::Pv), Arc::new(Outbox::default()));
        let followed = [monitors.of("a"), monitors.of("b")];
        monitors.of("known");
        followed[0].subscribe(&dialect, 1, &outbox);
        assert!(monitors.has_room("c", 2, is_known), "b goes");
        assert!(monitors.existing("b").is_none() && monitors.existing("known").is_some());
        monitors.of("c").subscribe(&dialect, 1, &outbox);
        assert!(!monitors.has_room("d", 2, is_known));
        assert!(monitors.has_room("c", 2, is_known), "it is there already");
        drop(followed);
        monitors.stop().await;
    }
}
