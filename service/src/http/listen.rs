//! A bound port, and serving a router on it until told to stop.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// How long running requests may take to finish after a shutdown was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// A service cannot listen. The message names the service and the address.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot listen on {addr}: {}", reason(source))]
pub struct BindError {
    /// Which service.
    pub what: String,
    /// Which address.
    pub addr: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// A server stopped by itself.
#[derive(Debug, thiserror::Error)]
#[error("the server on {addr} failed")]
pub struct ServeError {
    /// Where it listened.
    pub addr: SocketAddr,
    /// Why it stopped.
    #[source]
    pub source: io::Error,
}

/// A bound TCP port.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    addr: SocketAddr,
    /// As it was asked for, without the port.
    host: String,
    /// Most bytes for a client that the kernel has not begun to send.
    unsent: Option<u32>,
}

impl Listener {
    /// Binds `asked` (`host:port`) for the service called `what`.
    ///
    /// # Errors
    /// One line that names the service, the address and the reason.
    pub async fn bind(asked: &str, what: &str) -> Result<Self, BindError> {
        let failed = |source| BindError { what: what.to_owned(), addr: asked.to_owned(), source };
        let inner = TcpListener::bind(asked).await.map_err(failed)?;
        let addr = inner.local_addr().map_err(failed)?;
        let host = asked.rsplit_once(':').map_or(asked, |(host, _)| host).to_owned();
        Ok(Self { inner, addr, host, unsent: None })
    }

    /// The same, with at most `bytes` for each client in the kernel that it has not begun to send; 0 is as many as it likes.
    ///
    /// What waits there cannot be replaced by something newer any more. What is on its way does not
    /// count, so the rate of a fast connection stays what it is. Linux only: elsewhere it has no effect.
    #[must_use]
    pub fn with_unsent_limit(mut self, bytes: u32) -> Self {
        self.unsent = Some(bytes).filter(|bytes| *bytes > 0);
        self
    }

    /// The bound address, with the port that the system chose where 0 was asked for.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The name or address that was asked for.
    pub fn host(&self) -> &str {
        &self.host
    }
}

#[cfg(target_os = "linux")]
fn bound_unsent(stream: &TcpStream, bytes: u32) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(bytes)
}

#[cfg(not(target_os = "linux"))]
fn bound_unsent(_: &TcpStream, _: u32) -> io::Result<()> {
    Ok(())
}

/// Serves `router` until `shutdown`, then lets running requests finish for a few seconds.
///
/// WebSocket handlers watch the token themselves. Client addresses are available as
/// `ConnectInfo<SocketAddr>`.
///
/// # Errors
/// When accepting connections fails for good.
pub async fn serve(
    listener: Listener,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let Listener { inner, addr, unsent, host: _ } = listener;
    let inner = inner.tap_io(move |stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off delayed sending");
        }
        if let Some(bytes) = unsent
            && let Err(error) = bound_unsent(stream, bytes)
        {
            tracing::debug!(%error, "cannot bound what waits to be sent");
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(inner, service)
        .with_graceful_shutdown(shutdown.clone().cancelled_owned())
        .into_future();
    let give_up = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = server => served.map_err(|source| ServeError { addr, source }),
        () = give_up => {
            tracing::warn!(%addr, "requests were still running at the end of the grace period");
            Ok(())
        }
        () = metrics::upkeep() => Ok(()),
    }
}
