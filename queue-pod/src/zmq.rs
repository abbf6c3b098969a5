//! 0MQ: the control socket and the published status and console (contract queue-server §1, §3).
//!
//! The crate `zeromq` speaks the protocol. It listens on a private Unix socket only; [`gate`] stands before it on TCP and lets
//! nothing through that is not 0MQ or announces more than it may.

mod control;
mod gate;
mod publisher;

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeromq::{PubSocket, RouterSocket, Socket, ZmqError};

use crate::desk::Desk;
use crate::settings::zmq_host_port;
#[cfg(any(test, fuzzing))]
pub(crate) use control::decode;
use gate::Gate;
pub(crate) use publisher::info;

/// The 0MQ sockets cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ZmqServeError {
    /// No place for the private socket.
    #[error("failed to make a folder for the private 0MQ socket")]
    Folder(#[source] std::io::Error),
    /// The private socket could not be bound.
    #[error("failed to bind the private 0MQ socket")]
    Bind(#[source] ZmqError),
    /// A part ended by itself.
    #[error("the {0} ended")]
    Ended(&'static str),
}

/// Both bound TCP ports.
#[derive(Debug)]
pub(crate) struct Ports {
    /// Of the control socket.
    pub(crate) control: Gate,
    /// Of the published messages.
    pub(crate) info: Gate,
}

impl Ports {
    /// Binds both.
    ///
    /// # Errors
    /// One line that names the socket, the address and the reason.
    pub(crate) async fn bind(control: &str, info: &str) -> Result<Self, crate::BindError> {
        Ok(Self {
            control: Gate::bind(&zmq_host_port(control)?, "the queue server (0MQ control)").await?,
            info: Gate::bind(&zmq_host_port(info)?, "the queue server (0MQ info)").await?,
        })
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
        let folder = TempDir::with_prefix("queue-zmq-").map_err(ZmqServeError::Folder)?;
        let (control_path, info_path) = (folder.path().join("control"), folder.path().join("info"));
        let mut control = RouterSocket::new();
        let mut info = PubSocket::new();
        control
            .bind(&format!("ipc://{}", control_path.display()))
            .await
            .map_err(ZmqServeError::Bind)?;
        info.bind(&format!("ipc://{}", info_path.display())).await.map_err(ZmqServeError::Bind)?;
        let mut parts = JoinSet::new();
        parts.spawn(self.control.run(control_path, shutdown.clone()));
        parts.spawn(self.info.run(info_path, shutdown.clone()));
        parts.spawn(control::run(control, desk.clone()));
        parts.spawn(publisher::run(info, desk));
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
