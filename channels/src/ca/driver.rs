//! The task that owns one PV's channel on the wire and turns its events into samples.
//!
//! Everything that belongs to one connection is a [`Session`] and goes with it, so nothing of an old connection can
//! be taken for news of the next one. Within a session the order is: metadata, then the monitor, whose first event is
//! the first sample; so every sample has its metadata. Both are asked for only while the PV has readers: who merely looks
//! whether an IOC is there costs it no traffic.

use std::sync::{Arc, Weak};
use std::time::Duration;

use epics_base_rs::server::snapshot::Snapshot;
use epics_ca_rs::client::{CaChannel as WireChannel, ConnectionEvent, EnumReadback, MonitorHandle};
use epics_ca_rs::protocol::{DBE_ALARM, DBE_PROPERTY, DBE_VALUE};
use epics_ca_rs::{CaError, CaResult};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::broadcast::{self, error::RecvError};
use tracing::{debug, warn};

use super::pv::Pv;
use super::{Ca, wire};
use crate::client::{Client, Wire};
use crate::shared::Served;
use crate::{ConnectedInfo, Metadata};

/// How long a new connection waits for the metadata before it goes on without.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps the PV connected and tells its users what comes.
pub(super) async fn serve(client: Weak<Client<Ca>>, pv: Arc<Pv>) {
    let Some(delay) = client.upgrade().map(|client| client.wire.release_delay()) else { return };
    let mut driver = Driver::new(client, pv, delay);
    // The channel may have connected before this task listened.
    driver.connected().await;
    loop {
        let event = driver.next_event().await;
        driver.handle(event).await;
    }
}

struct Driver {
    client: Weak<Client<Ca>>,
    pv: Arc<Pv>,
    wire: WireChannel,
    events: broadcast::Receiver<ConnectionEvent>,
    session: Option<Session>,
    /// Whether values are followed.
    reading: bool,
    /// How long values are followed after the last reader went.
    delay: Duration,
    /// Done when [`Driver::reading`] has to change.
    turn: BoxFuture<'static, ()>,
    /// The library is gone, and no event will come any more.
    orphaned: bool,
}

/// What lives as long as one connection.
struct Session {
    info: ConnectedInfo,
    /// The metadata on their way; the monitor starts when they are there.
    metadata: Option<BoxFuture<'static, CaResult<Metadata>>>,
    values: Option<MonitorHandle>,
    properties: Option<Properties>,
}

/// The monitor of units, limits and labels.
struct Properties {
    monitor: MonitorHandle,
    /// The first event comes with the subscription and tells nothing new.
    seen_first: bool,
}

/// What the driver waits for.
enum Event {
    /// The first reader came, or the last one went some time ago.
    Turn,
    Connection(Result<ConnectionEvent, RecvError>),
    Metadata(CaResult<Metadata>),
    Properties(Option<CaResult<Snapshot>>),
    Value(Option<CaResult<Snapshot>>),
}

impl Driver {
    fn new(client: Weak<Client<Ca>>, pv: Arc<Pv>, delay: Duration) -> Self {
        let wire = pv.wire();
        let events = wire.connection_events();
        let reading = pv.users().is_read();
        let turn = next_turn(pv.clone(), reading, delay);
        Self { client, pv, wire, events, session: None, reading, delay, turn, orphaned: false }
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Turn => self.turn_reading(),
            Event::Connection(Ok(ConnectionEvent::Connected)) => self.connected().await,
            Event::Connection(Ok(ConnectionEvent::Disconnected)) => self.disconnected().await,
            Event::Connection(Ok(ConnectionEvent::AccessRightsChanged { read, write })) => {
                self.access_changed(read, write);
            }
            // Comes right after `Connected`, which has read the new type already.
            Event::Connection(Ok(ConnectionEvent::NativeTypeChanged { .. })) => {}
            Event::Connection(Err(RecvError::Lagged(missed))) => {
                debug!(pv = self.pv.name(), missed, "connection events missed");
                self.disconnected().await;
                self.connected().await;
            }
            Event::Connection(Err(RecvError::Closed)) => self.library_gone(),
            Event::Metadata(metadata) => self.described(metadata).await,
            Event::Properties(event) => self.properties_changed(event.as_ref()),
            Event::Value(Some(Ok(snapshot))) => self.value(snapshot),
            Event::Value(Some(Err(error))) => self.monitor_failed(&error),
            Event::Value(None) => self.library_gone(),
        }
    }

    /// Dropping it while it waits loses nothing.
    async fn next_event(&mut self) -> Event {
        if self.orphaned {
            return std::future::pending().await;
        }
        let Some(session) = &mut self.session else {
            return tokio::select! {
                event = self.events.recv() => Event::Connection(event),
                () = &mut self.turn => Event::Turn,
            };
        };
        // Connection events first: the library announces a connection before it delivers anything of it.
        tokio::select! {
            biased;
            event = self.events.recv() => Event::Connection(event),
            () = &mut self.turn => Event::Turn,
            metadata = arrival(&mut session.metadata) => Event::Metadata(metadata),
            event = property_event(&mut session.properties) => Event::Properties(event),
            event = value_event(&mut session.values) => Event::Value(event),
        }
    }

    async fn connected(&mut self) {
        if self.session.is_some() {
            return;
        }
        // Gone again already when this fails; the event for that is on its way.
        let Ok(info) = self.wire.info().await else { return };
        let info = wire::connected_info(&info);
        self.pv.feed.connected(info.clone());
        metrics::gauge!("channels_pvs_connected").increment(1.0);
        let may_read = self.reading && info.read_access;
        let metadata = may_read.then(|| read_metadata(self.pv.clone(), &info));
        self.session = Some(Session { info, metadata, values: None, properties: None });
    }

    /// Begins or ends to follow values.
    fn turn_reading(&mut self) {
        self.reading = !self.reading;
        self.turn = next_turn(self.pv.clone(), self.reading, self.delay);
        if !self.reading {
            self.pv.feed.forget();
        }
        let Some(session) = &mut self.session else { return };
        if !self.reading {
            (session.metadata, session.values, session.properties) = (None, None, None);
        } else if session.info.read_access {
            session.metadata = Some(read_metadata(self.pv.clone(), &session.info));
        }
    }

    async fn disconnected(&mut self) {
        self.end_session();
        // The library keeps a channel whose IOC merely stopped answering, but never gives it its access rights
        // back when the IOC goes on: a new channel gets them.
        if self.wire.info().await.is_ok()
            && let Some(client) = self.client.upgrade()
        {
            self.wire = client.wire.library.create_channel(self.pv.name());
            self.events = self.wire.connection_events();
            self.pv.replace_wire(self.wire.clone());
            self.connected().await;
        }
    }

    /// Delivers what arrived before the loss, then tells the loss.
    fn end_session(&mut self) {
        let Some(mut session) = self.session.take() else { return };
        metrics::gauge!("channels_pvs_connected").decrement(1.0);
        while let Some(Ok(snapshot)) = session.values.as_mut().and_then(arrived) {
            publish(&self.pv, &session.info, snapshot);
        }
        self.pv.feed.disconnected();
    }

    fn access_changed(&mut self, read: bool, write: bool) {
        let Some(session) = &mut self.session else { return };
        self.pv.feed.access(read, write);
        let may_read_now = read && !session.info.read_access;
        (session.info.read_access, session.info.write_access) = (read, write);
        let follows = session.values.is_some() || session.metadata.is_some();
        if may_read_now && self.reading && !follows {
            session.metadata = Some(read_metadata(self.pv.clone(), &session.info));
        }
    }

    async fn described(&mut self, metadata: CaResult<Metadata>) {
        match metadata {
            Ok(metadata) => self.pv.feed.describe(metadata),
            Err(error) => debug!(pv = self.pv.name(), %error, "no metadata"),
        }
        let Some(session) = &mut self.session else { return };
        session.metadata = None;
        if session.values.is_some() {
            return;
        }
        match subscribe(&self.wire).await {
            Ok((values, properties)) => {
                session.values = Some(values);
                session.properties = Some(properties);
            }
            Err(error) => warn!(pv = self.pv.name(), %error, "cannot monitor"),
        }
    }

    fn properties_changed(&mut self, event: Option<&CaResult<Snapshot>>) {
        let Some(session) = &mut self.session else { return };
        let Some(properties) = &mut session.properties else { return };
        match event {
            Some(Ok(_)) if !properties.seen_first => properties.seen_first = true,
            Some(Ok(_)) => {
                session.metadata = Some(read_metadata(self.pv.clone(), &session.info));
            }
            Some(Err(_)) => {}
            None => session.properties = None,
        }
    }

    fn value(&self, snapshot: Snapshot) {
        if let Some(session) = &self.session {
            publish(&self.pv, &session.info, snapshot);
        }
    }

    fn monitor_failed(&self, error: &CaError) {
        debug!(pv = self.pv.name(), %error, "monitor reports an error");
    }

    /// Only a library that stops closes its queues.
    fn library_gone(&mut self) {
        self.end_session();
        self.orphaned = true;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.end_session();
    }
}

fn publish(pv: &Pv, info: &ConnectedInfo, snapshot: Snapshot) {
    let (value, time, alarm) = wire::reading(snapshot, info.max_count);
    metrics::counter!("channels_updates_total").increment(1);
    pv.feed.value(value, time, alarm);
}

fn read_metadata(pv: Arc<Pv>, info: &ConnectedInfo) -> BoxFuture<'static, CaResult<Metadata>> {
    let native = info.native;
    async move {
        let reading = pv.read_metadata(native);
        tokio::time::timeout(METADATA_TIMEOUT, reading).await.unwrap_or(Err(CaError::Timeout))
    }
    .boxed()
}

async fn subscribe(wire: &WireChannel) -> CaResult<(MonitorHandle, Properties)> {
    let values = monitor(wire, DBE_VALUE | DBE_ALARM, None).await?;
    // The event is what counts: one element keeps it small.
    let monitor = monitor(wire, DBE_PROPERTY, Some(1)).await?;
    Ok((values, Properties { monitor, seen_first: false }))
}

async fn monitor(wire: &WireChannel, mask: u16, count: Option<u32>) -> CaResult<MonitorHandle> {
    const NO_DEADBAND: f64 = 0.0;
    wire.subscribe_with_mask_readback_count(NO_DEADBAND, mask, EnumReadback::Native, false, count)
        .await
}

/// Waits until values have to be followed, or need not be any more.
fn next_turn(pv: Arc<Pv>, reading: bool, delay: Duration) -> BoxFuture<'static, ()> {
    async move { pv.users().turn(reading, delay).await }.boxed()
}

async fn arrival(
    metadata: &mut Option<BoxFuture<'static, CaResult<Metadata>>>,
) -> CaResult<Metadata> {
    match metadata {
        Some(metadata) => metadata.await,
        None => std::future::pending().await,
    }
}

async fn property_event(properties: &mut Option<Properties>) -> Option<CaResult<Snapshot>> {
    match properties {
        Some(properties) => properties.monitor.recv().await,
        None => std::future::pending().await,
    }
}

async fn value_event(values: &mut Option<MonitorHandle>) -> Option<CaResult<Snapshot>> {
    match values {
        Some(values) => values.recv().await,
        None => std::future::pending().await,
    }
}

/// An event that is there already.
fn arrived(values: &mut MonitorHandle) -> Option<CaResult<Snapshot>> {
    values.recv().now_or_never().flatten()
}
