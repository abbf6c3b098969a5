//! Asks every place where a PV is searched, one by one, and says what came back.
//!
//! It does by itself what the protocol library does for all PVs at once, because the library tells
//! nobody who was silent.

mod frame;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use epics_ca_rs::server::addr_list::discover_broadcast_addrs;
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

use self::frame::Reply;
use crate::diagnosis::{Outcome, PlaceKind, Probe, Search};
use crate::search;

/// How long a connection or an answer may take.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How often a datagram is sent, in the time that it may take.
const TRIES: u32 = 3;
/// Port of PV Access servers.
const PV_ACCESS: u16 = 5075;
/// Most bytes of one answer.
const ANSWER: usize = 4096;

/// Asks all places at the same time: however many are dead, they cost a few seconds.
pub(super) async fn all(settings: &Search, pv: &str) -> Vec<Probe> {
    let port = settings.server_port;
    let name_servers =
        settings.name_servers.iter().map(|place| (PlaceKind::NameServer, place.clone()));
    let addresses = settings.addresses.iter().map(|place| (PlaceKind::Address, place.clone()));
    let broadcast: Vec<_> =
        if settings.auto_addresses { discover_broadcast_addrs() } else { vec![] };
    let broadcast =
        broadcast.into_iter().map(|address| (PlaceKind::Broadcast, address.to_string()));
    let places: Vec<_> = name_servers.chain(addresses).chain(broadcast).collect();
    let asked = places.into_iter().map(|(kind, place)| one(kind, place, port, pv));
    join_all(asked).await.into_iter().flatten().collect()
}

/// Asks one place; of those that hear a broadcast several may answer.
async fn one(kind: PlaceKind, place: String, port: u16, pv: &str) -> Vec<Probe> {
    let outcomes = match resolve(&place, port).await {
        Err(reason) => vec![Outcome::Unresolved(reason)],
        Ok(address) if kind == PlaceKind::NameServer => vec![name_server(address, pv).await],
        Ok(address) => search(address, kind, pv).await,
    };
    let probe = |outcome| Probe { kind, place: place.clone(), outcome };
    outcomes.into_iter().map(probe).collect()
}

async fn resolve(place: &str, port: u16) -> Result<SocketAddr, String> {
    let (host, port) =
        search::split("EPICS_CA_ADDR_LIST", place, port).map_err(|error| error.to_string())?;
    let found = timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), port))).await;
    let mut found = found
        .map_err(|_| "the name service does not answer".to_owned())?
        .map_err(|error| error.to_string())?;
    found.find(SocketAddr::is_ipv4).ok_or_else(|| "it has no IPv4 address".to_owned())
}

/// Searches by TCP, and then asks whoever has the PV.
async fn name_server(address: SocketAddr, pv: &str) -> Outcome {
    let question = [frame::version(), frame::search(pv, true)].concat();
    match converse(address, &question).await {
        Err(error) => unreachable(address, &error).await,
        Ok(Talk { version: None, .. }) => {
            Outcome::Stranger { pv_access: listens(address, PV_ACCESS).await }
        }
        Ok(Talk { last: Some(Reply::Found { port, address: given }), .. }) => {
            ask_server(server(address, port, given), pv, true).await
        }
        Ok(Talk { version: Some(version), last: Some(_) }) => Outcome::NoSuchPv { version },
        Ok(Talk { .. }) => Outcome::Silent,
    }
}

/// Searches by UDP. Where one address stays silent, its server is asked by TCP.
async fn search(address: SocketAddr, kind: PlaceKind, pv: &str) -> Vec<Outcome> {
    let found = match datagrams(address, pv).await {
        Ok(found) => found,
        Err(error) => {
            return vec![Outcome::Unreachable { reason: error.to_string(), pv_access: false }];
        }
    };
    if !found.is_empty() {
        return join_all(found.into_iter().map(|by| ask_server(by, pv, true))).await;
    }
    match kind {
        PlaceKind::Broadcast => vec![Outcome::Silent],
        PlaceKind::Address | PlaceKind::NameServer => vec![ask_server(address, pv, false).await],
    }
}

/// Who answers a search by UDP, each once.
async fn datagrams(address: SocketAddr, pv: &str) -> io::Result<Vec<SocketAddr>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.set_broadcast(true)?;
    let question = [frame::version(), frame::search(pv, false)].concat();
    let mut found: Vec<SocketAddr> = Vec::new();
    for _ in 0..TRIES {
        socket.send_to(&question, address).await?;
        let end = Instant::now() + PATIENCE / TRIES;
        let mut answer = [0; ANSWER];
        while let Ok(received) = timeout_at(end, socket.recv_from(&mut answer)).await {
            // A refusal by the other host is an answer that says nothing.
            let Ok((length, sender)) = received else { continue };
            let mut rest = &answer[..length];
            while let Some((reply, used)) = frame::read(rest) {
                if let Reply::Found { port, address } = reply {
                    let by = server(sender, port, address);
                    if !found.contains(&by) {
                        found.push(by);
                    }
                }
                rest = &rest[used..];
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// Where a search reply says that the server is.
fn server(sender: SocketAddr, port: u16, address: Option<[u8; 4]>) -> SocketAddr {
    SocketAddr::new(address.map_or(sender.ip(), |bytes| IpAddr::from(Ipv4Addr::from(bytes))), port)
}

/// Asks a server for a channel.
async fn ask_server(by: SocketAddr, pv: &str, found_by_search: bool) -> Outcome {
    let question = [frame::version(), frame::create(pv)].concat();
    match converse(by, &question).await {
        Err(error) if found_by_search => Outcome::Advertised { by, reason: error.to_string() },
        Err(error) => unreachable(by, &error).await,
        Ok(Talk { version: None, .. }) => {
            Outcome::Stranger { pv_access: listens(by, PV_ACCESS).await }
        }
        Ok(Talk { version: Some(version), last: Some(Reply::Created) }) => {
            Outcome::Serves { by, version, found_by_search }
        }
        Ok(Talk { version: Some(version), last: Some(_) }) => Outcome::NoSuchPv { version },
        Ok(Talk { version: Some(_), last: None }) => Outcome::Silent,
    }
}

async fn unreachable(address: SocketAddr, error: &io::Error) -> Outcome {
    Outcome::Unreachable { reason: error.to_string(), pv_access: listens(address, PV_ACCESS).await }
}

/// Whether something accepts connections at that port of the host.
async fn listens(host: SocketAddr, port: u16) -> bool {
    let connected = timeout(PATIENCE, TcpStream::connect((host.ip(), port))).await;
    connected.is_ok_and(|connected| connected.is_ok())
}

/// How long the first message of an answer is, once all of it is there.
#[cfg(any(test, fuzzing))]
pub(super) fn answer_length(bytes: &[u8]) -> Option<usize> {
    frame::read(bytes).map(|(_, used)| used)
}

/// What a server said.
#[derive(Default)]
struct Talk {
    version: Option<u16>,
    /// Its answer to the question.
    last: Option<Reply>,
}

/// Asks over TCP and reads until the question is answered.
async fn converse(address: SocketAddr, question: &[u8]) -> io::Result<Talk> {
    let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
    let mut stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.write_all(question).await?;
    let mut talk = Talk::default();
    let end = Instant::now() + PATIENCE;
    let (mut bytes, mut part) = (Vec::new(), [0; ANSWER]);
    while talk.last.is_none() && bytes.len() < ANSWER {
        // Silence and an end are told by what has arrived before.
        let Ok(Ok(length @ 1..)) = timeout_at(end, stream.read(&mut part)).await else { break };
        bytes.extend_from_slice(&part[..length]);
        while let Some((reply, used)) = frame::read(&bytes) {
            match reply {
                Reply::Version(version) => talk.version = Some(version),
                Reply::Found { .. } | Reply::NotFound | Reply::Created => talk.last = Some(reply),
                Reply::Other => {}
            }
            bytes.drain(..used);
        }
    }
    Ok(talk)
}
