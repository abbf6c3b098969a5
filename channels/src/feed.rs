//! What all users of one PV see: its connection, its latest sample and every update.
//!
//! The side that talks to the IOC (or the fake) reports events here; this turns them into samples. It has one writer at a time.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use crate::diagnosis::Turns;
use crate::{Alarm, ConnectedInfo, Connection, Metadata, PvError, PvValue, Sample};

/// Samples that a reader of [`Feed::updates`] may fall behind: 6 s of a 10 Hz PV, or 64 MB of 1 Mpixel frames.
const UPDATES: usize = 64;

/// The writing side of a PV's connection, latest sample and updates.
#[derive(Debug)]
pub(crate) struct Feed {
    name: Arc<str>,
    connection: watch::Sender<Connection>,
    metadata: watch::Sender<Option<Arc<Metadata>>>,
    latest: watch::Sender<Option<Arc<Sample>>>,
    updates: broadcast::Sender<Arc<Sample>>,
    turns: Mutex<Turns>,
}

impl Feed {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            connection: watch::Sender::new(Connection::Never),
            metadata: watch::Sender::new(None),
            latest: watch::Sender::new(None),
            updates: broadcast::Sender::new(UPDATES),
            turns: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn turns(&self) -> Turns {
        *self.turns.lock()
    }

    pub(crate) fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.subscribe()
    }

    pub(crate) fn latest(&self) -> watch::Receiver<Option<Arc<Sample>>> {
        self.latest.subscribe()
    }

    pub(crate) fn updates(&self) -> broadcast::Receiver<Arc<Sample>> {
        self.updates.subscribe()
    }

    pub(crate) fn metadata(&self) -> Option<Arc<Metadata>> {
        self.metadata.borrow().clone()
    }

    /// Waits for the connection, without end.
    pub(crate) async fn wait_connected(&self) -> Result<ConnectedInfo, PvError> {
        let mut connection = self.connection();
        let connected = connection.wait_for(|state| matches!(state, Connection::Connected(_)));
        match connected.await.as_deref() {
            Ok(Connection::Connected(info)) => Ok(info.clone()),
            _ => Err(PvError::Disconnected { pv: self.name.to_string() }),
        }
    }

    /// Waits for the connection for some time.
    pub(crate) async fn connected_within(
        &self,
        timeout: Duration,
    ) -> Result<ConnectedInfo, PvError> {
        let waiting = tokio::time::timeout(timeout, self.wait_connected()).await;
        waiting.unwrap_or_else(|_| Err(PvError::NotFound { pv: self.name.to_string(), timeout }))
    }

    /// Bounds an operation, and says what it was waiting for when the time is over.
    pub(crate) async fn within<T>(
        &self,
        timeout: Duration,
        operation: impl Future<Output = Result<T, PvError>>,
    ) -> Result<T, PvError> {
        if let Ok(result) = tokio::time::timeout(timeout, operation).await {
            return result;
        }
        let pv = self.name.to_string();
        Err(match &*self.connection.borrow() {
            Connection::Never => PvError::NotFound { pv, timeout },
            Connection::Disconnected => PvError::Disconnected { pv },
            Connection::Connected(_) => PvError::Timeout { pv, timeout },
        })
    }

    /// The IOC is there. After a loss the last value is repeated as connected until the IOC sends a newer one.
    pub(crate) fn connected(&self, info: ConnectedInfo) {
        let (read_access, write_access) = (info.read_access, info.write_access);
        self.turns.lock().connected = Some(SystemTime::now());
        self.connection.send_replace(Connection::Connected(info));
        self.repeat(|sample| {
            sample.connected = true;
            sample.time = SystemTime::now();
            sample.read_access = read_access;
            sample.write_access = write_access;
        });
    }

    /// The IOC is gone: the last value is repeated as disconnected, without access and with the time of the loss.
    pub(crate) fn disconnected(&self) {
        let was_connected = self.connection.send_if_modified(|connection| {
            let was_connected = matches!(connection, Connection::Connected(_));
            if was_connected {
                *connection = Connection::Disconnected;
            }
            was_connected
        });
        if was_connected {
            self.turns.lock().lost = Some(SystemTime::now());
            self.repeat(|sample| {
                sample.connected = false;
                sample.time = SystemTime::now();
                sample.read_access = false;
                sample.write_access = false;
            });
        }
    }

    /// The IOC grants other access than before.
    pub(crate) fn access(&self, read_access: bool, write_access: bool) {
        let changed = self.connection.send_if_modified(|connection| match connection {
            Connection::Connected(info) => {
                let changed = (info.read_access, info.write_access) != (read_access, write_access);
                (info.read_access, info.write_access) = (read_access, write_access);
                changed
            }
            Connection::Never | Connection::Disconnected => false,
        });
        if changed {
            self.repeat(|sample| {
                sample.read_access = read_access;
                sample.write_access = write_access;
            });
        }
    }

    /// Nobody follows the values any more: whoever comes back waits for a new one, not for what was true long ago.
    pub(crate) fn forget(&self) {
        self.metadata.send_replace(None);
        self.latest.send_replace(None);
    }

    /// Units, limits or labels are known, or are others than before.
    pub(crate) fn describe(&self, metadata: Metadata) {
        if self.learn(metadata) {
            let metadata = self.metadata();
            self.repeat(|sample| sample.metadata = metadata);
        }
    }

    /// The IOC sent a value together with all that describes it, so that neither is ever told with an older other.
    pub(crate) fn described(
        &self,
        metadata: Metadata,
        value: PvValue,
        time: SystemTime,
        alarm: Alarm,
    ) {
        self.learn(metadata);
        self.value(value, time, alarm);
    }

    /// Keeps what describes the values; whether it is another than before.
    fn learn(&self, metadata: Metadata) -> bool {
        self.metadata.send_if_modified(|known| {
            let is_new = known.as_deref() != Some(&metadata);
            if is_new {
                *known = Some(Arc::new(metadata));
            }
            is_new
        })
    }

    /// The IOC sent a value.
    pub(crate) fn value(&self, value: PvValue, time: SystemTime, alarm: Alarm) {
        let (connected, read_access, write_access) = match &*self.connection.borrow() {
            Connection::Connected(info) => (true, info.read_access, info.write_access),
            Connection::Never | Connection::Disconnected => (false, false, false),
        };
        let metadata = self.metadata();
        self.publish(Sample { value, time, alarm, connected, read_access, write_access, metadata });
    }

    /// Publishes the latest sample again with a change; nothing when there is none yet.
    fn repeat(&self, change: impl FnOnce(&mut Sample)) {
        let latest = self.latest.borrow().as_deref().cloned();
        if let Some(mut sample) = latest {
            change(&mut sample);
            self.publish(sample);
        }
    }

    fn publish(&self, sample: Sample) {
        let sample = Arc::new(sample);
        self.latest.send_replace(Some(sample.clone()));
        // An error only says that nobody listens at the moment.
        let _ = self.updates.send(sample);
    }
}
