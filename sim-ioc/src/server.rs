//! Binding the sockets and serving the database until the caller cancels.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use epics_base_rs::server::access_security::{new_acf_cell, parse_acf};
use epics_base_rs::server::database::PvDatabase;
use epics_ca_rs::server::blocking::{BlockingCaServer, bind_udp_search};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::families;
use crate::ioc::Error;
use crate::settings::Settings;

/// Access security: values that only the simulation changes are in the group `readonly`.
const ACCESS: &str =
    "ASG(DEFAULT) { RULE(1, READ) RULE(1, WRITE) }\nASG(readonly) { RULE(1, READ) }\n";

/// How often a free port is drawn until UDP has it as well as TCP.
const FREE_PORT_ATTEMPTS: usize = 32;

/// How long the serving threads may take to end: the UDP thread looks up every 200 ms.
const STOP_TIMEOUT: Duration = Duration::from_millis(900);

/// A simulated beamline whose sockets are bound and whose records exist; nothing is answered before
/// [`Server::serve`].
pub struct Server {
    circuits: Arc<BlockingCaServer>,
    searches: UdpSocket,
    db: Arc<PvDatabase>,
    settings: Settings,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Server {
    /// Builds the records and binds TCP and UDP on the address of the settings.
    ///
    /// # Errors
    /// [`Error::PortInUse`] names a taken port; there is no silent fallback to another one.
    pub async fn bind(settings: Settings) -> Result<Self, Error> {
        let db = families::build(&settings).await?;
        let (circuits, searches) = bind_sockets(&settings, &db)?;
        Ok(Self { circuits: Arc::new(circuits), searches, db, settings })
    }

    /// The port in use, for settings that asked for a free one.
    pub fn port(&self) -> u16 {
        self.circuits.tcp_port()
    }

    /// Serves until `shutdown` is cancelled, then returns within a second.
    ///
    /// Circuits of clients that stay connected end with the process, not before.
    ///
    /// # Errors
    /// [`Error::Stopped`] or the error of the simulation that failed.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { circuits, searches, db, settings } = self;
        let end = EndThreads(circuits.clone());
        let mut parts = JoinSet::new();
        let accepting = circuits.clone();
        parts.spawn_blocking(move || {
            accepting.serve();
            Ok(())
        });
        parts.spawn_blocking(move || {
            circuits
                .serve_udp_search(searches)
                .map_err(|e| Error::Stopped(format!("name searches failed: {e}")))
        });
        let stop = shutdown.child_token();
        families::spawn(&mut parts, &settings, &db, &stop);

        // The families end with the same token: asked first, it tells their end from one of their own.
        let outcome = tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(()),
            ended = parts.join_next() => Err(why_ended(ended)),
        };
        stop.cancel();
        let waking = tokio::task::spawn_blocking(move || drop(end));
        let all_ended = async {
            while parts.join_next().await.is_some() {}
            waking.await
        };
        if tokio::time::timeout(STOP_TIMEOUT, all_ended).await.is_err() {
            tracing::warn!("a part of the simulated beamline did not end in time");
        }
        outcome
    }
}

/// Ends the threads of the server when it is dropped, also with [`Server::serve`] when nobody stopped that: a runtime
/// that is taken down waits for them.
struct EndThreads(Arc<BlockingCaServer>);

impl Drop for EndThreads {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

fn why_ended(ended: Option<Result<Result<(), Error>, tokio::task::JoinError>>) -> Error {
    match ended {
        Some(Ok(Err(error))) => error,
        Some(Err(panicked)) => Error::Stopped(panicked.to_string()),
        Some(Ok(Ok(()))) | None => Error::Stopped("a part ended by itself".into()),
    }
}

fn bind_sockets(
    settings: &Settings,
    db: &Arc<PvDatabase>,
) -> Result<(BlockingCaServer, UdpSocket), Error> {
    let Settings { host, port, .. } = *settings;
    let access = parse_acf(ACCESS).map_err(Error::Database)?;
    let acf = new_acf_cell(Some(access));
    for attempt in 1.. {
        let address = SocketAddr::from((host, port));
        let circuits = BlockingCaServer::bind(address, db.clone(), acf.clone())
            .map_err(|e| listen_error(host, port, e))?;
        match bind_udp_search(SocketAddrV4::new(host, circuits.tcp_port())) {
            Ok(searches) => return Ok((circuits, searches)),
            Err(_) if port == 0 && attempt < FREE_PORT_ATTEMPTS => {}
            Err(e) => return Err(listen_error(host, circuits.tcp_port(), e)),
        }
    }
    Err(Error::PortInUse { host, port })
}

fn listen_error(host: Ipv4Addr, port: u16, source: std::io::Error) -> Error {
    if source.kind() == std::io::ErrorKind::AddrInUse {
        Error::PortInUse { host, port }
    } else {
        Error::Listen { host, port, source }
    }
}
