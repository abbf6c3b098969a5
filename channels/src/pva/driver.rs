//! The task that owns one PV's channel on the wire and turns what comes over it into samples.
//!
//! Everything that belongs to one connection is a [`Session`] and goes with it. Values are asked for only while the PV has
//! readers: who merely looks whether a server is there costs it no traffic.

use std::sync::{Arc, Weak};
use std::time::Duration;

use epics_base_rs::runtime::task::Reactor;
use epics_pva_rs::auth::{authnz_default_host, authnz_default_user};
use epics_pva_rs::client_native::channel::{Channel, ChannelState};
use epics_pva_rs::client_native::ops_v2::{
    MonitorConnEvent, SubscriptionHandle, op_get_field, op_monitor_handle,
};
use epics_pva_rs::client_native::search_engine::SearchEngine;
use epics_pva_rs::client_native::server_conn::{ServerConn, heartbeat_timeout};
use epics_pva_rs::proto::{Command, PvaHeader, WriteExt};
use tokio::sync::watch;
use tracing::debug;

use super::Pva;
use super::normative::Shape;
use super::pv::{Current, Pv};
use crate::client::{Client, Wire};
use crate::shared::Served;

/// How long a server may take to open a channel and to tell its type.
const OPENING: Duration = Duration::from_secs(5);

/// The subfield whose type is asked for: none, so that of everything.
const WHOLE: &str = "";

/// Pause after a connection that failed or was lost, so that a server that fails at once is not asked all the time.
const PAUSE: Duration = Duration::from_millis(250);

/// One channel after the other. Ends with the client.
pub(super) async fn serve(client: Weak<Client<Pva>>, pv: Arc<Pv>) {
    let begun = client
        .upgrade()
        .map(|client| (client.wire.engine.subscribe(), client.wire.release_delay()));
    let Some((mut engines, delay)) = begun else { return };
    loop {
        let engine = match engines.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(engine)) => engine.clone(),
            Ok(None) | Err(_) => return,
        };
        let Some(wire) = channel(&client, &pv, engine) else { return };
        tokio::select! {
            () = follow(&wire, &pv, delay) => {}
            // A connection that lives is kept; the next one is searched at the new places.
            () = moved(&mut engines, &pv) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until servers are searched elsewhere and the PV is not connected.
async fn moved(engines: &mut watch::Receiver<Option<SearchEngine>>, pv: &Pv) {
    if engines.changed().await.is_err() {
        return std::future::pending().await;
    }
    let mut connection = pv.feed().connection();
    // The sender lives as long as the PV.
    let _ = connection.wait_for(|now| !matches!(now, crate::Connection::Connected(_))).await;
}

fn channel(client: &Weak<Client<Pva>>, pv: &Pv, engine: SearchEngine) -> Option<Arc<Channel>> {
    let client = client.upgrade()?;
    Some(Arc::new(Channel::new(
        Reactor::current()?,
        pv.name().to_owned(),
        authnz_default_user(),
        authnz_default_host(),
        OPENING,
        heartbeat_timeout(),
        Arc::clone(&client.wire.pool),
        engine,
    )))
}

/// Connects again and again, until the channel is closed.
async fn follow(wire: &Arc<Channel>, pv: &Arc<Pv>, delay: Duration) {
    while !matches!(wire.current_state(), ChannelState::Closed) {
        match wire.ensure_active().await {
            Err(error) => debug!(pv = pv.name(), %error, "not connected"),
            Ok((server, sid)) => {
                let open = Open { wire: Arc::clone(wire), server, sid };
                match op_get_field(wire, WHOLE, OPENING).await {
                    Err(error) => debug!(pv = pv.name(), %error, "does not tell its type"),
                    Ok(description) => {
                        let shape = Shape::of(&description);
                        Session::new(pv, open, shape).last(delay).await;
                    }
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A channel that a server has opened. Once it is not needed any more it is closed, and the server told: the library tells it not.
struct Open {
    wire: Arc<Channel>,
    server: Arc<ServerConn>,
    sid: u32,
}

impl Open {
    /// Returns when the connection or the channel is gone.
    async fn gone(&self) {
        tokio::select! {
            () = self.server.wait_closed() => {}
            () = self.wire.wait_until_inactive() => {}
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.wire.is_active() {
            return;
        }
        let order = self.server.byte_order();
        let command = Command::DestroyChannel.code();
        let mut frame = Vec::new();
        PvaHeader::application(false, order, command, 8).write_into(&mut frame);
        frame.put_u32(self.sid, order);
        frame.put_u32(self.wire.cid, order);
        // A queue that is full is that of a server that will not miss it.
        self.server.try_send(frame);
        self.wire.close();
    }
}

/// What lives as long as one connection.
struct Session<'a> {
    pv: &'a Arc<Pv>,
    shape: Result<Shape, String>,
    monitor: Option<SubscriptionHandle>,
    open: Open,
}

impl<'a> Session<'a> {
    fn new(pv: &'a Arc<Pv>, open: Open, shape: Result<Shape, String>) -> Self {
        if let Err(reason) = &shape {
            debug!(pv = pv.name(), reason, "cannot be shown");
        }
        metrics::gauge!("channels_pvs_connected").increment(1.0);
        pv.connected(Current { wire: Arc::clone(&open.wire), shape: shape.clone() });
        Self { pv, shape, monitor: None, open }
    }

    /// Until the connection is gone.
    async fn last(mut self, delay: Duration) {
        let mut reading = self.pv.users().is_read();
        if reading {
            self.monitor = self.subscribe();
        }
        loop {
            tokio::select! {
                biased;
                () = self.open.gone() => return,
                () = self.pv.users().turn(reading, delay) => {
                    reading = !reading;
                    self.monitor = if reading { self.subscribe() } else { None };
                    if !reading {
                        self.pv.feed().forget();
                    }
                }
            }
        }
    }

    /// Follows the values. The library ends the subscription when the handle goes.
    fn subscribe(&self) -> Option<SubscriptionHandle> {
        const NO_PIPELINE: u32 = 0;
        self.shape.as_ref().ok()?;
        let (pv, wire) = (Arc::clone(self.pv), Arc::clone(&self.open.wire));
        let refused = Arc::clone(self.pv);
        Some(op_monitor_handle(
            Arc::clone(&self.open.wire),
            &[],
            NO_PIPELINE,
            move |_, structure| pv.arrived(&wire, structure),
            move |event| {
                if event != MonitorConnEvent::Disconnected {
                    return;
                }
                debug!(pv = refused.name(), "the subscription ended");
            },
        ))
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.monitor = None;
        metrics::gauge!("channels_pvs_connected").decrement(1.0);
        self.pv.disconnected();
    }
}
