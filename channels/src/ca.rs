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

use std::sync::{Arc, Weak};
use std::time::Duration;

use epics_ca_rs::client::{CaClient as Library, CaException};
use tracing::debug;

use self::completions::Completions;
use self::probe::ChannelAccess;
use self::pv::Pv;
pub use self::settings::Settings;
use crate::PvChannel;
use crate::client::{Client, Over, Wire};
use crate::diagnosis::{Probe, Search};
pub use crate::search::SettingsError;

/// Channel Access client of the whole process. Clones share everything; the last one that goes closes all channels.
#[derive(Clone, Debug)]
pub struct CaClient {
    inner: Arc<Client<Ca>>,
}

/// What all PVs over Channel Access share.
pub(crate) struct Ca {
    library: Library,
    settings: Settings,
}

impl CaClient {
    /// Starts the client on the current runtime. Nothing is sent until the first channel is asked for.
    ///
    /// # Errors
    /// [`SettingsError`] when the settings cannot be followed, or the library cannot open its sockets.
    pub async fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let library =
            Library::new().await.map_err(|error| SettingsError::Library(error.to_string()))?;
        library.set_exception_handler(log_exception);
        let inner = Client::new(Ca { library, settings });
        settings::follow_addresses(&inner).await;
        Ok(Self { inner })
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

impl Over for CaClient {
    type Wire = Ca;

    fn client(&self) -> &Arc<Client<Ca>> {
        &self.inner
    }
}

impl Wire for Ca {
    type Pv = Pv;

    fn search(&self) -> &Search {
        &self.settings.search
    }

    fn release_delay(&self) -> Duration {
        self.settings.release_delay
    }

    fn pv(client: &Arc<Client<Self>>, name: Arc<str>) -> Pv {
        let completions = Completions::new(client.tasks.clone(), client.stop.child_token());
        Pv::new(Arc::clone(&name), client.wire.library.create_channel(&name), completions)
    }

    async fn serve(client: Weak<Client<Self>>, pv: Arc<Pv>) {
        driver::serve(client, pv).await;
    }

    async fn ask(&self, channel: &dyn PvChannel) -> Vec<Probe> {
        let search = self.search();
        crate::probe::all(&ChannelAccess, search, search.server_port, channel.name()).await
    }

    async fn close(&self) {
        self.library.shutdown().await;
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
