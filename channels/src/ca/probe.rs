//! How a place is asked for a PV over Channel Access.

mod frame;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

use self::frame::Reply;
use crate::diagnosis::Outcome;
use crate::probe::{Ask, PATIENCE, stranger, unreachable};

/// How often a datagram is sent, in the time that it may take.
const TRIES: u32 = 3;
/// Most bytes of one answer.
const ANSWER: usize = 4096;

/// Asks in the words of Channel Access.
pub(super) struct ChannelAccess;

impl Ask for ChannelAccess {
    const OTHER_PROTOCOL: u16 = 5075;

    /// Whoever has the PV is asked then.
    async fn name_server(&self, address: SocketAddr, pv: &str) -> Outcome {
        let question = [frame::version(), frame::search(pv, true)].concat();
        match converse(address, &question).await {
            Err(error) => unreachable::<Self>(address, error.to_string()).await,
            Ok(Talk { version: None, .. }) => stranger::<Self>(address).await,
            Ok(Talk { last: Some(Reply::Found { port, address: given }), .. }) => {
                self.server(server(address, port, given), pv, true).await
            }
            Ok(Talk { version, last: Some(_) }) => Outcome::NoSuchPv { version },
            Ok(Talk { .. }) => Outcome::Silent,
        }
    }

    fn by_tcp(&self, address: SocketAddr) -> SocketAddr {
        address
    }

    async fn search(&self, address: SocketAddr, pv: &str) -> Result<Vec<SocketAddr>, String> {
        datagrams(address, pv).await.map_err(|error| error.to_string())
    }

    async fn server(&self, by: SocketAddr, pv: &str, found: bool) -> Outcome {
        let question = [frame::version(), frame::create(pv)].concat();
        match converse(by, &question).await {
            Err(error) if found => Outcome::Advertised { by, reason: error.to_string() },
            Err(error) => unreachable::<Self>(by, error.to_string()).await,
            Ok(Talk { version: None, .. }) => stranger::<Self>(by).await,
            Ok(Talk { version, last: Some(Reply::Created) }) => {
                Outcome::Serves { by, version, found_by_search: found }
            }
            Ok(Talk { version, last: Some(_) }) => Outcome::NoSuchPv { version },
            Ok(Talk { last: None, .. }) => Outcome::Silent,
        }
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
