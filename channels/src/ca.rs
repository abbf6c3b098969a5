//! PVs over Channel Access: the one place that names the protocol library `epics-ca-rs`.
//!
//! Each PV has one channel on the wire, one monitor for its values and one for its properties, owned by one task
//! ([`driver`]). The monitors end when nobody has read the PV for [`Settings::release_delay`]; the task ends, and with it the
//! channel, when nobody has held the PV for that long.

mod completions;
mod driver;
mod probe;
mod pv;
mod settings;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use epics_ca_rs::client::{CaClient as Library, CaException};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use self::completions::Completions;
use self::pv::Pv;
pub use self::settings::Settings;
use crate::diagnosis::{Diagnosis, Search};
pub use crate::search::SettingsError;
use crate::shared::{Hold, Pvs, SharedPv};
use crate::{Presence, Protocol, PvChannel, PvClient};

/// Channel Access client of the whole process. Clones share everything; the last one that goes closes all channels.
#[derive(Clone, Debug)]
pub struct CaClient {
    inner: Arc<Inner>,
}

/// What the client and the tasks of its PVs share.
struct Inner {
    library: Library,
    runtime: Handle,
    settings: Settings,
    pvs: Pvs<Pv>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl CaClient {
    /// Starts the client on the current runtime. Nothing is sent until the first channel is asked for.
    ///
    /// # Errors
    /// [`SettingsError`] when the settings cannot be followed, or the library cannot open its sockets.
    pub async fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check_name_servers()?;
        let library =
            Library::new().await.map_err(|error| SettingsError::Library(error.to_string()))?;
        library.set_exception_handler(log_exception);
        let inner = Arc::new(Inner {
            library,
            runtime: Handle::current(),
            settings,
            pvs: Pvs::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        settings::follow_addresses(&inner).await;
        Ok(Self { inner })
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
        self.inner.library.shutdown().await;
    }
}

#[async_trait]
impl PvClient for CaClient {
    fn channel(&self, name: &str) -> Arc<dyn PvChannel> {
        self.inner.of(name, |pv| Arc::new(SharedPv::new(pv)))
    }

    fn presence(&self, name: &str) -> Presence {
        self.inner.of(name, Hold::presence)
    }

    async fn diagnose(&self, name: &str) -> Diagnosis {
        let settings = &self.inner.settings;
        let channel = self.channel(name);
        // The channel searches for as long as the places are asked.
        let probes = probe::all(settings, name).await;
        Diagnosis {
            search: Search {
                protocol: Protocol::Ca,
                name_servers: settings.name_servers.clone(),
                addresses: settings.addresses.clone(),
                auto_addresses: settings.auto_addresses,
                server_port: settings.server_port,
            },
            connection: channel.connection().borrow().clone(),
            turns: channel.turns(),
            probes,
        }
    }
}

impl Inner {
    /// What `hold` makes of the PV of that name, whose task is started if there is none yet.
    fn of<T>(self: &Arc<Self>, name: &str, hold: impl FnOnce(Arc<Pv>) -> T) -> T {
        let make = |name: Arc<str>| {
            let completions = Completions::new(self.tasks.clone(), self.stop.child_token());
            Pv::new(name.clone(), self.library.create_channel(&name), completions)
        };
        let start = |pv| {
            let task = driver::run(Arc::downgrade(self), pv, self.stop.child_token());
            self.tasks.spawn_on(task, &self.runtime);
        };
        self.pvs.of(name, make, start, hold)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// How long the first message of an answer to a probe is, once all of it is there.
#[cfg(any(test, fuzzing))]
pub(crate) fn answer_length(bytes: &[u8]) -> Option<usize> {
    probe::answer_length(bytes)
}

/// Takes the place of the library's handler, which prints to standard error.
fn log_exception(exception: &CaException) {
    debug!(
        kind = ?exception.kind,
        pv = exception.pv_name,
        server = exception.server_addr.map(tracing::field::display),
        status = exception.status,
        message = exception.message,
        "Channel Access exception"
    );
}
