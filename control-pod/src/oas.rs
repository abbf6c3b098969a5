//! The API of `bluesky/ophyd-websocket` ("Ophyd as a Service", port 8001) over the same core as
//! direct control.
//!
//! It has words of its own ([`frames`], [`command`]) and sockets that speak them ([`command_socket`],
//! [`console`], [`echo`]); what is read, followed and written, and who may
//! write, is the [`Gateway`]'s as on port 8003.
//!
//! Wire contract: `ophyd-websocket`.

pub(crate) mod command;
pub(crate) mod command_socket;
pub(crate) mod console;
pub(crate) mod device_socket;
pub(crate) mod echo;
pub(crate) mod frames;
pub(crate) mod http;
pub(crate) mod pv_socket;
pub(crate) mod pvs;
pub(crate) mod queue;
pub(crate) mod refused;
pub(crate) mod settings;
pub(crate) mod shown;
pub(crate) mod stop;
pub(crate) mod subscriptions;
pub(crate) mod supersede;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::gateway::Gateway;
use crate::oas::command::Unfit;
use crate::oas::console::Console;
use crate::oas::pvs::ConnectedPvs;
use crate::oas::queue::QueueServer;

pub use settings::Settings;

/// How long a PV may take to connect.
pub(crate) const CONNECT: Duration = Duration::from_secs(1);

/// What every route and socket of this API works on.
#[derive(Debug)]
pub(crate) struct Oas {
    /// The core.
    pub(crate) gateway: Arc<Gateway>,
    /// Whether the queue server runs a plan.
    pub(crate) queue: QueueServer,
    /// What it prints.
    pub(crate) console: Arc<Console>,
    /// PVs that REST clients have connected.
    pub(crate) connected: ConnectedPvs,
}

impl Oas {
    /// The API over `gateway`.
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        let settings = &gateway.settings.oas;
        Self {
            queue: QueueServer::new(settings),
            console: Arc::new(Console::new(settings.console_address())),
            connected: ConnectedPvs::default(),
            gateway,
        }
    }

    /// The value as one for that PV, as far as its type can be known.
    ///
    /// # Errors
    /// [`Unfit`].
    pub(crate) async fn value_for(&self, pv: &str, value: &Value) -> Result<Value, Unfit> {
        let shown = self.gateway.monitors.of(pv).connected(CONNECT).await.ok();
        command::value_for(value, shown.as_ref().map(|sample| &sample.value))
    }
}
