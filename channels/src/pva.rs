//! PVs over PVAccess: the one place that names the protocol library `epics-pva-rs`.
//!
//! Each PV has one channel on the wire and one monitor, owned by one task ([`driver`]). The monitor ends when nobody has read
//! the PV for [`Settings::release_delay`]; the task ends, and with it the channel, when nobody has held the PV for that long.
//! Nothing is opened before the first PV is asked for.

mod driver;
mod image;
mod normative;
mod outgoing;
mod probe;
mod pv;
mod settings;

use std::sync::{Arc, Weak};
use std::time::Duration;

use epics_base_rs::runtime::task::Reactor;
use epics_pva_rs::client_native::channel::ConnectionPool;
use epics_pva_rs::client_native::search_engine::SearchEngine;
use parking_lot::Once;
use tokio::sync::watch;

use self::probe::PvAccess;
use self::pv::Pv;
pub use self::settings::Settings;
use crate::PvChannel;
use crate::client::{Client, Over, Wire};
use crate::diagnosis::{Probe, Search};
use crate::search::SettingsError;

/// Longest message that a server may send: an image of 16 million pixels of 8 bytes.
const MAX_MESSAGE: usize = 128 << 20;

/// PVAccess client of the whole process. Clones share everything; the last one that goes closes all channels.
#[derive(Clone, Debug)]
pub struct PvaClient {
    inner: Arc<Client<Pva>>,
}

/// What all PVs over PVAccess share.
pub(crate) struct Pva {
    settings: Settings,
    /// The connections to servers.
    pool: Arc<ConnectionPool>,
    /// What searches; another one when the places to search at are others.
    engine: watch::Sender<Option<SearchEngine>>,
    /// Whether the search has been started.
    searching: Once,
}

impl Drop for Pva {
    fn drop(&mut self) {
        self.pool.clear();
    }
}

impl PvaClient {
    /// A client that works on the current runtime. Nothing is opened or sent until the first channel is asked for.
    ///
    /// # Errors
    /// [`SettingsError`] when the settings cannot be followed.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let pool = ConnectionPool::new();
        pool.set_max_message_size(Some(MAX_MESSAGE));
        let (engine, searching) = (watch::Sender::new(None), Once::new());
        Ok(Self { inner: Client::new(Pva { settings, pool, engine, searching }) })
    }

    /// Number of PVs that hold a channel on the wire or search for one.
    pub fn channel_count(&self) -> usize {
        self.inner.channel_count()
    }

    /// Closes all channels, telling the IOCs. Every user sees its PVs disconnect.
    pub async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

impl Over for PvaClient {
    type Wire = Pva;

    fn client(&self) -> &Arc<Client<Pva>> {
        &self.inner
    }
}

impl Wire for Pva {
    type Pv = Pv;

    fn search(&self) -> &Search {
        &self.settings.search
    }

    fn release_delay(&self) -> Duration {
        self.settings.release_delay
    }

    fn pv(client: &Arc<Client<Self>>, name: Arc<str>) -> Pv {
        client.wire.searching.call_once(|| {
            client.spawn(settings::search(Arc::downgrade(client), client.stop.child_token()));
        });
        Pv::new(name)
    }

    async fn serve(client: Weak<Client<Self>>, pv: Arc<Pv>) {
        driver::serve(client, pv).await;
    }

    async fn ask(&self, channel: &dyn PvChannel) -> Vec<Probe> {
        let Some(reactor) = Reactor::current() else { return Vec::new() };
        let search = self.search();
        let ask = PvAccess { reactor, server_port: search.server_port };
        let port = self.settings.broadcast_port;
        crate::probe::all(&ask, search, port, channel.name()).await
    }

    async fn close(&self) {
        self.pool.clear();
    }
}

/// A structure as a server tells it: what its value can hold at most and does hold, if it is one that can be shown. What is shown
/// is also made a value to write.
#[cfg(any(test, fuzzing))]
pub(crate) fn most_and_held(bytes: &[u8], big_endian: bool) -> Option<(usize, usize)> {
    use epics_pva_rs::proto::ByteOrder;
    let order = if big_endian { ByteOrder::Big } else { ByteOrder::Little };
    let (shape, reading) = normative::shown(bytes, order)?;
    let labels = reading.metadata.enum_labels.unwrap_or_default();
    let _ = outgoing::field(&reading.value, shape, &labels);
    Some((shape.max_count(), reading.value.count()))
}
