//! One PV over Channel Access: reading and writing it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use epics_base_rs::server::snapshot::DbrClass;
use epics_ca_rs::CaError;
use epics_ca_rs::client::{CaChannel as WireChannel, ReqCount};
use parking_lot::Mutex;

use super::completions::Completions;
use super::wire;
use crate::convert::{Target, convert};
use crate::feed::Feed;
use crate::shared::{Served, Users};
use crate::{ConnectedInfo, Metadata, NativeType, PutMode, PvError, PvValue, Sample, Want};

/// Bytes of a text PV, without the closing zero.
const MAX_TEXT: usize = 39;

/// What the task of a PV and all its users share.
pub(crate) struct Pv {
    pub(super) feed: Feed,
    users: Users,
    /// Replaced by the task when the library's channel cannot recover.
    wire: Mutex<WireChannel>,
    completions: Completions,
}

impl Pv {
    pub(super) fn new(name: Arc<str>, wire: WireChannel, completions: Completions) -> Self {
        let wire = Mutex::new(wire);
        Self { feed: Feed::new(name), users: Users::default(), wire, completions }
    }

    pub(super) fn name(&self) -> &str {
        self.feed.name()
    }

    pub(super) fn wire(&self) -> WireChannel {
        self.wire.lock().clone()
    }

    pub(super) fn replace_wire(&self, wire: WireChannel) {
        *self.wire.lock() = wire;
    }

    /// Reads units, limits and labels alone: one element is enough for them.
    pub(super) async fn read_metadata(&self, native: NativeType) -> Result<Metadata, CaError> {
        let wire = self.wire();
        let snapshot = wire.get_with_metadata_count(DbrClass::Ctrl, ReqCount::Fixed(1)).await?;
        Ok(wire::metadata(&snapshot, native))
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

#[async_trait]
impl Served for Pv {
    fn feed(&self) -> &Feed {
        &self.feed
    }

    fn users(&self) -> &Users {
        &self.users
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
        let target = Target {
            native: info.native,
            max_count: info.max_count,
            labels: &labels,
            max_text: MAX_TEXT,
        };
        let value = convert(value, &target)
            .map_err(|reason| PvError::BadValue { pv: self.name().to_owned(), reason })?;
        let value = wire::outgoing(value);
        let wire = self.wire();
        let written = match mode {
            PutMode::NoWait => wire.put_nowait(&value).await,
            PutMode::Completion => self.completions.put(wire, value, timeout).await,
        };
        written.map_err(|error| wire::error(self.name(), &error, timeout))
    }
}
