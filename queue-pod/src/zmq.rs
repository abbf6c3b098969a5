//! 0MQ: the control socket and the published status and console (contract queue-server §1, §3).

mod control;
mod key;
mod port;
mod publisher;

use std::time::Duration;

use omq_tokio::SocketType;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::encoding::Encoding;
use crate::settings::{Settings, zmq_host_port};
pub(crate) use port::Port;
use port::bounds;
pub(crate) use publisher::info;

/// How long a reply may take to leave at the end.
const LINGER: Duration = Duration::from_secs(1);

/// The 0MQ sockets cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ZmqServeError {
    /// A part ended by itself.
    #[error("the {0} ended")]
    Ended(&'static str),
}

/// Both bound sockets.
#[derive(Debug)]
pub(crate) struct Ports {
    /// Takes requests.
    pub(crate) control: Port,
    /// Publishes, if anything is to be published.
    pub(crate) info: Option<Port>,
    encoding: Encoding,
}

impl Ports {
    /// Binds both. With a private key the control socket speaks CURVE alone; what is published is never encrypted, as upstream.
    ///
    /// # Errors
    /// One line that names the socket, the address and the reason.
    pub(crate) async fn bind(settings: &Settings) -> Result<Self, crate::BindError> {
        let (mut options, control) =
            (bounds().linger(LINGER), zmq_host_port(&settings.zmq_control)?);
        if let Some(key) = settings.zmq_private_key.as_deref().filter(|key| !key.is_empty()) {
            options = options.curve_server(key::pair(key)?);
        }
        let what = "the queue server (0MQ control)";
        let control = Port::bind(SocketType::Router, options, &control, what).await?;
        let (addr, what) = (zmq_host_port(&settings.zmq_info)?, "the queue server (0MQ info)");
        let info = match settings.zmq_publish {
            true => Some(Port::bind(SocketType::Pub, bounds(), &addr, what).await?),
            false => None,
        };
        Ok(Self { control, info, encoding: settings.zmq_encoding })
    }

    /// Serves both until `shutdown`.
    ///
    /// # Errors
    /// [`ZmqServeError`] when they cannot be served any more.
    pub(crate) async fn serve(
        self,
        desk: Desk,
        shutdown: CancellationToken,
    ) -> Result<(), ZmqServeError> {
        let mut parts = JoinSet::new();
        let Self { control, info, encoding } = self;
        parts.spawn(control::run(control.socket, desk.clone(), encoding, shutdown.clone()));
        if let Some(info) = info {
            parts.spawn(publisher::run(info.socket, desk, encoding, shutdown.clone()));
        }
        while let Some(ended) = parts.join_next().await {
            if !shutdown.is_cancelled() {
                return Err(ZmqServeError::Ended(ended.unwrap_or("0MQ server")));
            }
        }
        Ok(())
    }
}
