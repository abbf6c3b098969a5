//! 0MQ: the control socket and the published status and console (contract queue-server §1, §3).

mod control;
mod key;
mod port;
mod publisher;

use omq_tokio::SocketType;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::settings::{Settings, zmq_host_port};
#[cfg(any(test, fuzzing))]
pub(crate) use control::decode;
use port::{Port, bounds};
pub(crate) use publisher::info;

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
    /// Publishes.
    pub(crate) info: Port,
}

impl Ports {
    /// Binds both. With a private key the control socket speaks CURVE alone; what is published is never encrypted, as upstream.
    ///
    /// # Errors
    /// One line that names the socket, the address and the reason.
    pub(crate) async fn bind(settings: &Settings) -> Result<Self, crate::BindError> {
        let (mut options, control) = (bounds(), zmq_host_port(&settings.zmq_control)?);
        if let Some(key) = settings.zmq_private_key.as_deref().filter(|key| !key.is_empty()) {
            options = options.curve_server(key::pair(key)?);
        }
        let what = "the queue server (0MQ control)";
        let control = Port::bind(SocketType::Router, options, &control, what).await?;
        let (addr, what) = (zmq_host_port(&settings.zmq_info)?, "the queue server (0MQ info)");
        let info = Port::bind(SocketType::Pub, bounds(), &addr, what).await?;
        Ok(Self { control, info })
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
        parts.spawn(control::run(self.control.socket, desk.clone()));
        parts.spawn(publisher::run(self.info.socket, desk));
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            ended = parts.join_next() => match ended {
                _ if shutdown.is_cancelled() => Ok(()),
                Some(Ok(part)) => Err(ZmqServeError::Ended(part)),
                _ => Err(ZmqServeError::Ended("0MQ server")),
            },
        }
    }
}
