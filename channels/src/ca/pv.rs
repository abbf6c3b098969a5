//! One PV as its users see it: reading, writing and waiting for the connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use epics_base_rs::server::snapshot::DbrClass;
use epics_ca_rs::CaError;
use epics_ca_rs::client::{CaChannel as WireChannel, ReqCount};
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use super::wire;
use crate::convert::{Target, convert};
use crate::diagnosis::Turns;
use crate::feed::Feed;
use crate::{
    ConnectedInfo, Connection, Metadata, NativeType, PutMode, PvChannel, PvError, PvValue, Sample,
    Want,
};

/// What the task of a PV and all its users share.
pub(super) struct Pv {
    pub(super) feed: Feed,
    /// Replaced by the task when the library's channel cannot recover.
    wire: Mutex<WireChannel>,
    /// Those who hold the channel, the readers among them.
    users: watch::Sender<usize>,
    /// Those who may ask for values.
    readers: watch::Sender<usize>,
}

impl Pv {
    pub(super) fn new(name: Arc<str>, wire: WireChannel) -> Self {
        Self {
            feed: Feed::new(name),
            wire: Mutex::new(wire),
            users: watch::Sender::new(0),
            readers: watch::Sender::new(0),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.feed.name()
    }

    pub(super) fn is_unused(&self) -> bool {
        *self.users.borrow() == 0
    }

    pub(super) fn wire(&self) -> WireChannel {
        self.wire.lock().clone()
    }

    pub(super) fn replace_wire(&self, wire: WireChannel) {
        *self.wire.lock() = wire;
    }

    /// Returns when nobody has used the PV for `delay`.
    pub(super) async fn unused_for(&self, delay: Duration) {
        nobody_for(&self.users, delay).await;
    }

    /// Whether anybody may ask for values.
    pub(super) fn is_read(&self) -> bool {
        *self.readers.borrow() > 0
    }

    /// Returns when somebody may ask for values.
    pub(super) async fn is_to_be_read(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.readers.subscribe().wait_for(|count| *count > 0).await;
    }

    /// Returns when nobody has been a reader for `delay`.
    pub(super) async fn unread_for(&self, delay: Duration) {
        nobody_for(&self.readers, delay).await;
    }

    /// Reads units, limits and labels alone: one element is enough for them.
    pub(super) async fn read_metadata(&self, native: NativeType) -> Result<Metadata, CaError> {
        let wire = self.wire();
        let snapshot = wire.get_with_metadata_count(DbrClass::Ctrl, ReqCount::Fixed(1)).await?;
        Ok(wire::metadata(&snapshot, native))
    }

    async fn read(&self, want: Want, timeout: Duration) -> Result<Sample, PvError> {
        let info = self.feed.wait_connected().await?;
        let wire = self.wire();
        let value = wire.get_with_metadata_count(DbrClass::Time, ReqCount::Autosize(0));
        let (snapshot, metadata) = match want {
            Want::Time => (value.await, self.feed.metadata()),
            Want::Control => {
                let (value, metadata) = tokio::join!(value, self.read_metadata(info.native));
                let metadata =
                    metadata.map_err(|error| wire::error(self.name(), &error, timeout))?;
                (value, Some(Arc::new(metadata)))
            }
        };
        let snapshot = snapshot.map_err(|error| wire::error(self.name(), &error, timeout))?;
        let (value, time, alarm) = wire::reading(snapshot, info.max_count);
        let (read_access, write_access) = (info.read_access, info.write_access);
        Ok(Sample { value, time, alarm, connected: true, read_access, write_access, metadata })
    }

    async fn write(
        &self,
        value: &PvValue,
        mode: PutMode,
        timeout: Duration,
    ) -> Result<(), PvError> {
        let info = self.feed.wait_connected().await?;
        if !info.write_access {
            return Err(PvError::ReadOnly { pv: self.name().to_owned() });
        }
        let labels = self.labels(&info, timeout).await?;
        let target = Target { native: info.native, max_count: info.max_count, labels: &labels };
        let value = convert(value, &target)
            .map_err(|reason| PvError::BadValue { pv: self.name().to_owned(), reason })?;
        let value = wire::outgoing(value);
        let wire = self.wire();
        let written = match mode {
            PutMode::NoWait => wire.put_nowait(&value).await,
            PutMode::Completion => wire.put_with_timeout(&value, timeout).await,
        };
        written.map_err(|error| wire::error(self.name(), &error, timeout))
    }

    /// Labels of an enum, from memory when they have arrived already.
    async fn labels(
        &self,
        info: &ConnectedInfo,
        timeout: Duration,
    ) -> Result<Arc<[String]>, PvError> {
        if info.native != NativeType::Enum {
            return Ok(Arc::default());
        }
        if let Some(labels) = self.feed.metadata().and_then(|known| known.enum_labels.clone()) {
            return Ok(labels);
        }
        let metadata = self.read_metadata(info.native).await;
        let metadata = metadata.map_err(|error| wire::error(self.name(), &error, timeout))?;
        Ok(metadata.enum_labels.unwrap_or_default())
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
pub(super) struct Hold(Arc<Pv>);

impl Hold {
    pub(super) fn new(pv: Arc<Pv>) -> Self {
        pv.users.send_modify(|count| *count += 1);
        Self(pv)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.users.send_modify(|count| *count -= 1);
    }
}

/// One reader's hold on a PV.
pub(super) struct SharedPv {
    pv: Arc<Pv>,
    _hold: Hold,
}

impl SharedPv {
    pub(super) fn new(pv: Arc<Pv>) -> Self {
        pv.readers.send_modify(|count| *count += 1);
        Self { _hold: Hold::new(pv.clone()), pv }
    }
}

impl Drop for SharedPv {
    fn drop(&mut self) {
        self.pv.readers.send_modify(|count| *count -= 1);
    }
}

#[async_trait]
impl PvChannel for SharedPv {
    fn name(&self) -> &str {
        self.pv.name()
    }

    fn turns(&self) -> Turns {
        self.pv.feed.turns()
    }

    fn connection(&self) -> watch::Receiver<Connection> {
        self.pv.feed.connection()
    }

    async fn connected(&self, timeout: Duration) -> Result<ConnectedInfo, PvError> {
        self.pv.feed.connected_within(timeout).await
    }

    async fn get(&self, want: Want, timeout: Duration) -> Result<Sample, PvError> {
        self.pv.feed.within(timeout, self.pv.read(want, timeout)).await
    }

    async fn put(&self, value: PvValue, mode: PutMode, timeout: Duration) -> Result<(), PvError> {
        self.pv.feed.within(timeout, self.pv.write(&value, mode, timeout)).await
    }

    fn monitor(&self) -> watch::Receiver<Option<Arc<Sample>>> {
        self.pv.feed.latest()
    }

    fn updates(&self) -> broadcast::Receiver<Arc<Sample>> {
        self.pv.feed.updates()
    }
}
