//! Asks every place where a PV is searched, one by one, and says what came back. How a place is asked is of each protocol: its
//! [`Ask`].
//!
//! It does by itself what the protocol libraries do for all PVs at once, because they tell nobody who was silent.

use std::net::SocketAddr;
use std::time::Duration;

use epics_base_rs::net::iface_v4::broadcast_addrs;
use futures::future::join_all;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::diagnosis::{Outcome, PlaceKind, Probe};
use crate::search::{Search, split};

/// How long a connection or an answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1500);

/// How one protocol asks for a PV.
pub(crate) trait Ask: Sync {
    /// Port at which servers of the other protocol are, unless they say otherwise.
    const OTHER_PROTOCOL: u16;

    /// Searches by TCP.
    fn name_server(&self, address: SocketAddr, pv: &str) -> impl Future<Output = Outcome> + Send;

    /// Where the server may be reached by TCP that is searched at that address by UDP.
    fn by_tcp(&self, address: SocketAddr) -> SocketAddr;

    /// Searches by UDP. Nobody's answer is no outcome.
    ///
    /// # Errors
    /// Why nothing could be sent.
    fn search(
        &self,
        address: SocketAddr,
        pv: &str,
    ) -> impl Future<Output = Result<Vec<SocketAddr>, String>> + Send;

    /// Asks a server for the PV; `found` says whether it has answered a search.
    fn server(&self, by: SocketAddr, pv: &str, found: bool)
    -> impl Future<Output = Outcome> + Send;
}

/// Asks all places at the same time: however many are dead, they cost a few seconds. Addresses that name no port have `udp_port`.
pub(crate) async fn all(ask: &impl Ask, search: &Search, udp_port: u16, pv: &str) -> Vec<Probe> {
    let name_servers = search
        .name_servers
        .iter()
        .map(|place| (PlaceKind::NameServer, place.clone(), search.server_port));
    let addresses =
        search.addresses.iter().map(|place| (PlaceKind::Address, place.clone(), udp_port));
    let broadcast: Vec<_> = if search.auto_addresses { broadcast_addrs() } else { vec![] };
    let broadcast =
        broadcast.into_iter().map(|address| (PlaceKind::Broadcast, address.to_string(), udp_port));
    let places: Vec<_> = name_servers.chain(addresses).chain(broadcast).collect();
    let asked = places.into_iter().map(|(kind, place, port)| one(ask, kind, place, port, pv));
    join_all(asked).await.into_iter().flatten().collect()
}

/// Asks one place; of those that hear a broadcast several may answer.
async fn one(ask: &impl Ask, kind: PlaceKind, place: String, port: u16, pv: &str) -> Vec<Probe> {
    let outcomes = match resolve(&place, port).await {
        Err(reason) => vec![Outcome::Unresolved(reason)],
        Ok(address) if kind == PlaceKind::NameServer => vec![ask.name_server(address, pv).await],
        Ok(address) => by_udp(ask, kind, address, pv).await,
    };
    let probe = |outcome| Probe { kind, place: place.clone(), outcome };
    outcomes.into_iter().map(probe).collect()
}

/// Searches by UDP. Where one address stays silent, its server is asked by TCP.
async fn by_udp(ask: &impl Ask, kind: PlaceKind, address: SocketAddr, pv: &str) -> Vec<Outcome> {
    match ask.search(address, pv).await {
        Err(reason) => vec![Outcome::Unreachable { reason, other_protocol: false }],
        Ok(found) if !found.is_empty() => {
            join_all(found.into_iter().map(|by| ask.server(by, pv, true))).await
        }
        Ok(_) if kind == PlaceKind::Broadcast => vec![Outcome::Silent],
        Ok(_) => vec![ask.server(ask.by_tcp(address), pv, false).await],
    }
}

async fn resolve(place: &str, port: u16) -> Result<SocketAddr, String> {
    // The place alone is told of what is wrong with it.
    let (host, port) = split("address", place, port).map_err(|error| error.to_string())?;
    let found = timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), port))).await;
    let mut found = found
        .map_err(|_| "the name service does not answer".to_owned())?
        .map_err(|error| error.to_string())?;
    found.find(SocketAddr::is_ipv4).ok_or_else(|| "it has no IPv4 address".to_owned())
}

/// That nothing answers there, for that reason.
pub(crate) async fn unreachable<A: Ask>(address: SocketAddr, reason: String) -> Outcome {
    Outcome::Unreachable { reason, other_protocol: speaks_other::<A>(address).await }
}

/// That something else answers there.
pub(crate) async fn stranger<A: Ask>(address: SocketAddr) -> Outcome {
    Outcome::Stranger { other_protocol: speaks_other::<A>(address).await }
}

/// Whether something accepts connections at the other protocol's port of the host.
async fn speaks_other<A: Ask>(host: SocketAddr) -> bool {
    let connected = timeout(PATIENCE, TcpStream::connect((host.ip(), A::OTHER_PROTOCOL))).await;
    connected.is_ok_and(|connected| connected.is_ok())
}
