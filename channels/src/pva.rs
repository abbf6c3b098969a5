//! PVs over PVAccess: the one place that names the protocol library `epics-pva-rs`.
//!
//! Each PV has one channel on the wire and one monitor, owned by one task ([`driver`]). The monitor ends when nobody has read
//! the PV for [`Settings::release_delay`]; the task ends, and with it the channel, when nobody has held the PV for that long.
//! Nothing is opened before the first PV is asked for.

mod driver;
mod image;
mod normative;
mod outgoing;
mod pv;
mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use epics_pva_rs::client_native::channel::ConnectionPool;
use epics_pva_rs::client_native::search_engine::SearchEngine;
use parking_lot::Once;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::pv::Pv;
pub use self::settings::Settings;
use crate::diagnosis::{Diagnosis, Search};
use crate::search::SettingsError;
use crate::shared::{Hold, Pvs, SharedPv};
use crate::{Presence, Protocol, PvChannel, PvClient};

/// Longest message that a server may send: an image of 16 million pixels of 8 bytes.
const MAX_MESSAGE: usize = 128 << 20;

/// PVAccess client of the whole process. Clones share everything; the last one that goes closes all channels.
#[derive(Clone, Debug)]
pub struct PvaClient {
    inner: Arc<Inner>,
}

/// What the client and the tasks of its PVs share.
struct Inner {
    settings: Settings,
    runtime: Handle,
    /// The connections to servers, which PVs share.
    pool: Arc<ConnectionPool>,
    /// What searches; another one when the places to search at are others.
    engine: watch::Sender<Option<SearchEngine>>,
    /// Whether the search has been started.
    searching: Once,
    pvs: Pvs<Pv>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("settings", &self.settings).finish_non_exhaustive()
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
        let inner = Inner {
            settings,
            runtime: Handle::current(),
            pool,
            engine: watch::Sender::new(None),
            searching: Once::new(),
            pvs: Pvs::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Number of PVs that hold a channel on the wire or search for one.
    pub fn channel_count(&self) -> usize {
        self.inner.pvs.count()
    }

    /// Closes all channels, telling the IOCs. Every user sees its PVs disconnect.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.pool.clear();
    }
}

#[async_trait]
impl PvClient for PvaClient {
    fn channel(&self, name: &str) -> Arc<dyn PvChannel> {
        self.inner.of(name, |pv| Arc::new(SharedPv::new(pv)))
    }

    fn presence(&self, name: &str) -> Presence {
        self.inner.of(name, Hold::presence)
    }

    /// Where it is searched and whether it was found. The places are not asked one by one.
    async fn diagnose(&self, name: &str) -> Diagnosis {
        let settings = &self.inner.settings;
        let channel = self.channel(name);
        // Time for a server that is there to be found.
        let _ = channel.connected(settings::PATIENCE).await;
        Diagnosis {
            search: Search {
                protocol: Protocol::Pva,
                name_servers: settings.name_servers.clone(),
                addresses: settings.addresses.clone(),
                auto_addresses: settings.auto_addresses,
                server_port: settings.server_port,
            },
            connection: channel.connection().borrow().clone(),
            turns: channel.turns(),
            probes: Vec::new(),
        }
    }
}

impl Inner {
    /// What `hold` makes of the PV of that name, whose task is started if there is none yet.
    fn of<T>(self: &Arc<Self>, name: &str, hold: impl FnOnce(Arc<Pv>) -> T) -> T {
        self.searching.call_once(|| {
            self.spawn(settings::search(Arc::downgrade(self), self.stop.child_token()));
        });
        let start = |pv| self.spawn(driver::run(Arc::downgrade(self), pv, self.stop.child_token()));
        self.pvs.of(name, Pv::new, start, hold)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
        self.pool.clear();
    }
}
