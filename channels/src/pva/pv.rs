//! One PV over PVAccess: reading and writing it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use epics_pva_rs::PvaError;
use epics_pva_rs::client_native::channel::Channel;
use epics_pva_rs::client_native::ops_v2::{PutLeaf, op_get, op_put_begin};
use epics_pva_rs::pv_request::PvRequestBuilder;
use epics_pva_rs::pvdata::PvField;
use parking_lot::Mutex;
use tracing::{debug, warn};

use super::normative::{self, Reading, Shape};
use super::outgoing;
use crate::feed::Feed;
use crate::shared::{Served, Users};
use crate::{PutMode, PvError, PvValue, Sample, Want};

/// How long a server may take to refuse a write that nobody waits for. It has been handed over then.
const REFUSAL: Duration = Duration::from_millis(200);

/// What the task of a PV and all its users share.
pub(crate) struct Pv {
    feed: Feed,
    users: Users,
    current: Mutex<Option<Current>>,
}

/// What is there while the PV is connected.
#[derive(Clone)]
pub(super) struct Current {
    pub(super) wire: Arc<Channel>,
    /// What its value is, or why that cannot be shown.
    pub(super) shape: Result<Shape, String>,
}

impl Pv {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self { feed: Feed::new(name), users: Users::default(), current: Mutex::default() }
    }

    pub(super) fn name(&self) -> &str {
        self.feed.name()
    }

    /// A server serves it.
    pub(super) fn connected(&self, now: Current) {
        let info = normative::connected_info(&now);
        let mut current = self.current.lock();
        *current = Some(now);
        self.feed.connected(info);
    }

    /// The server is gone.
    pub(super) fn disconnected(&self) {
        let mut current = self.current.lock();
        *current = None;
        self.feed.disconnected();
    }

    /// The server of that channel sent a structure. One that comes after the loss of its connection tells nothing any more.
    pub(super) fn arrived(&self, wire: &Arc<Channel>, structure: &PvField) {
        let reading = match normative::reading(structure) {
            Ok(reading) => reading,
            Err(reason) => {
                warn!(pv = self.name(), reason, "an update that cannot be understood");
                return;
            }
        };
        metrics::counter!("channels_updates_total").increment(1);
        // Held while it is told, so that nothing of an old connection comes after the news of its loss.
        let current = self.current.lock();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.wire, wire)) {
            let Reading { value, time, alarm, metadata } = reading;
            self.feed.described(metadata, value, time, alarm);
        }
    }

    fn current(&self) -> Result<(Arc<Channel>, Shape), PvError> {
        let pv = || self.name().to_owned();
        match &*self.current.lock() {
            None => Err(PvError::Disconnected { pv: pv() }),
            Some(Current { wire, shape: Ok(shape) }) => Ok((Arc::clone(wire), *shape)),
            Some(Current { shape: Err(message), .. }) => {
                Err(PvError::Protocol { pv: pv(), message: message.clone() })
            }
        }
    }

    async fn reading(&self, wire: &Arc<Channel>, timeout: Duration) -> Result<Reading, PvError> {
        let (_, structure) =
            op_get(wire, &[], timeout).await.map_err(|error| self.error(error, timeout))?;
        normative::reading(&structure)
            .map_err(|message| PvError::Protocol { pv: self.name().to_owned(), message })
    }

    /// The labels of an enum, from memory when they have arrived already.
    async fn labels(
        &self,
        wire: &Arc<Channel>,
        shape: Shape,
        timeout: Duration,
    ) -> Result<Arc<[String]>, PvError> {
        if let Some(fixed) = shape.fixed_labels() {
            return Ok(fixed);
        }
        let known = self.feed.metadata().and_then(|known| known.enum_labels.clone());
        if let Some(labels) = known {
            return Ok(labels);
        }
        Ok(self.reading(wire, timeout).await?.metadata.enum_labels.unwrap_or_default())
    }

    /// The library's error in our words. `timeout` is how long the caller would have waited.
    fn error(&self, error: PvaError, timeout: Duration) -> PvError {
        let pv = self.name().to_owned();
        match error {
            PvaError::Timeout => PvError::Timeout { pv, timeout },
            PvaError::RemoteError(status) => {
                let reason = status.message().unwrap_or("without a reason").to_owned();
                PvError::Refused { pv, reason }
            }
            PvaError::Disconnected | PvaError::ConnectionRefused | PvaError::Io(_) => {
                PvError::Disconnected { pv }
            }
            other => PvError::Protocol { pv, message: other.to_string() },
        }
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

    /// One structure has it all, so `want` makes no difference.
    async fn read(&self, _want: Want, timeout: Duration) -> Result<Sample, PvError> {
        let info = self.feed.wait_connected().await?;
        let (wire, _) = self.current()?;
        let Reading { value, time, alarm, metadata } = self.reading(&wire, timeout).await?;
        let (read_access, write_access) = (info.read_access, info.write_access);
        let metadata = Some(Arc::new(metadata));
        Ok(Sample { value, time, alarm, connected: true, read_access, write_access, metadata })
    }

    async fn write(
        &self,
        value: &PvValue,
        mode: PutMode,
        timeout: Duration,
    ) -> Result<(), PvError> {
        self.feed.wait_connected().await?;
        let (wire, shape) = self.current()?;
        let labels = self.labels(&wire, shape, timeout).await?;
        let value = outgoing::field(value, shape, &labels)
            .map_err(|reason| PvError::BadValue { pv: self.name().to_owned(), reason })?;
        let path = shape.path();
        let request = PvRequestBuilder::new().field(path);
        let request = match mode {
            PutMode::NoWait => request,
            // A server of records answers then when they have been processed.
            PutMode::Completion => request.record("block", true),
        };
        let put = op_put_begin(&wire, Some(&request.build()), false, timeout).await;
        let put = put.map_err(|error| self.error(error, timeout))?;
        let value = [(path.to_owned(), PutLeaf::Typed(value))];
        let written = put.commit_fields_typed(&value);
        let answer = match mode {
            PutMode::Completion => written.await,
            PutMode::NoWait => {
                tokio::time::timeout(REFUSAL.min(timeout), written).await.unwrap_or_else(|_| {
                    debug!(pv = self.name(), "a write that nobody waits for goes on");
                    Ok(())
                })
            }
        };
        answer.map_err(|error| self.error(error, timeout))
    }
}
