//! A bound 0MQ socket, and how much of the machine its peers may take.

use std::net::SocketAddr;
use std::time::Duration;

use omq_tokio::endpoint::Host;
use omq_tokio::{Endpoint, Error, Options, Socket, SocketType};

use crate::BindError;

/// Longest message: a batch of some ten thousand plans.
const LONGEST_MESSAGE: usize = 64 << 20;
/// Longest time until a peer has introduced itself.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// Peers that are introducing themselves at the same time.
const STRANGERS: usize = 256;

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Port {
    pub(super) socket: Socket,
    addr: SocketAddr,
}

impl Port {
    /// Binds `addr`, an address and a port, for the part called `what`. What peers send waits until somebody receives.
    ///
    /// # Errors
    /// One line that names the part, the address and the reason.
    pub(super) async fn bind(
        type_: SocketType,
        options: Options,
        addr: &str,
        what: &str,
    ) -> Result<Self, BindError> {
        let socket = Socket::new(type_, options);
        let bound = socket.bind(format!("tcp://{addr}")).await.map_err(|error| match error {
            Error::Io(source) => {
                let (what, addr) = (what.to_owned(), addr.to_owned());
                BindError::Port(service::http::BindError { what, addr, source })
            }
            error => BindError::Address(format!("{what} cannot listen on {addr}: {error}")),
        })?;
        match bound {
            Endpoint::Tcp { host: Host::Ip(ip), port } => {
                Ok(Self { socket, addr: SocketAddr::new(ip, port) })
            }
            other => {
                Err(BindError::Address(format!("{what} listens on {other}, which is no address")))
            }
        }
    }

    /// The bound address.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// What a stranger may cost: see the constants.
pub(super) fn bounds() -> Options {
    Options::new()
        .max_message_size(LONGEST_MESSAGE)
        .handshake_timeout(HANDSHAKE_DEADLINE)
        .max_pending_handshakes(STRANGERS)
}
