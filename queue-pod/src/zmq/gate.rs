//! The TCP side of a 0MQ socket: looks at what a peer sends before the 0MQ library does.
//!
//! The library believes the length that a frame announces and has no limit for a handshake that never ends, so a port scanner or
//! half a frame could cost the process its memory. The gate reads along the framing of ZMTP 3 (<https://rfc.zeromq.org/spec/23/>):
//! a peer without a greeting, with a frame that is too long, or too slow to introduce itself is cut off, and the number of peers is
//! bounded.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::BindError;

/// Peers at the same time.
const PEERS: usize = 1_024;
/// Longest frame: a batch of some ten thousand plans.
const LONGEST_FRAME: u64 = 64 << 20;
/// Longest time until a peer has sent its greeting.
const GREETING_DEADLINE: Duration = Duration::from_secs(5);
/// Length of the greeting.
const GREETING: usize = 64;
/// How the greeting begins, and the byte at place 9.
const SIGNATURE: (u8, u8) = (0xff, 0x7f);
/// Pause after the system refused to accept: it is out of file handles, and asking at once again would not help.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that are passed on at a time.
const CHUNK: usize = 64 << 10;

/// A bound TCP port of a 0MQ socket.
#[derive(Debug)]
pub(crate) struct Gate {
    listener: TcpListener,
    addr: SocketAddr,
}

impl Gate {
    /// Binds `addr` for the part called `what`.
    ///
    /// # Errors
    /// One line that names the part, the address and the reason.
    pub(super) async fn bind(addr: &str, what: &str) -> Result<Self, BindError> {
        let failed = |source| {
            let (what, addr) = (what.to_owned(), addr.to_owned());
            BindError::Port(service::http::BindError { what, addr, source })
        };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, addr })
    }

    /// The bound address.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Passes peers on to the socket at `path` until `shutdown`.
    pub(super) async fn run(self, path: PathBuf, shutdown: CancellationToken) -> &'static str {
        let places = Arc::new(Semaphore::new(PEERS));
        let path: Arc<Path> = path.into();
        let mut peers = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
                Some(_) = peers.join_next() => continue,
            };
            let Ok((peer, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                tracing::warn!("too many 0MQ peers; one is turned away");
                continue;
            };
            let path = path.clone();
            peers.spawn(async move {
                if let Err(error) = relay(peer, &path).await {
                    tracing::debug!(%error, "a 0MQ peer is cut off");
                }
                drop(place);
            });
        }
        "0MQ port"
    }
}

async fn relay(mut peer: TcpStream, path: &Path) -> std::io::Result<()> {
    peer.set_nodelay(true)?;
    let inner = UnixStream::connect(path).await?;
    let (inner_read, mut inner_write) = inner.into_split();
    let (mut peer_read, mut peer_write) = peer.split();
    let mut inner_read = inner_read;
    let inbound = async {
        let greeting = tokio::time::timeout(GREETING_DEADLINE, greeting(&mut peer_read));
        let greeting = greeting.await.map_err(|_| bad("no greeting in time"))??;
        inner_write.write_all(&greeting).await?;
        frames(&mut peer_read, &mut inner_write).await
    };
    let outbound = copy(&mut inner_read, &mut peer_write);
    tokio::select! {
        ended = inbound => ended,
        ended = outbound => ended.map(|_| ()),
    }
}

/// Reads the greeting as far as needed to know a stranger by its first bytes.
async fn greeting(peer: &mut (impl AsyncRead + Unpin)) -> std::io::Result<[u8; GREETING]> {
    let mut greeting = [0; GREETING];
    peer.read_exact(&mut greeting[..1]).await?;
    if greeting[0] != SIGNATURE.0 {
        return Err(bad("not a 0MQ greeting"));
    }
    peer.read_exact(&mut greeting[1..]).await?;
    if greeting[9] != SIGNATURE.1 {
        return Err(bad("not a 0MQ greeting"));
    }
    Ok(greeting)
}

/// Passes frames on, each only after its announced length was found to be allowed.
async fn frames(
    peer: &mut (impl AsyncRead + Unpin),
    inner: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let mut head = [0; 9];
        if peer.read(&mut head[..1]).await? == 0 {
            return Ok(());
        }
        let is_long = head[0] & 0b10 != 0;
        let head_len = if is_long { 9 } else { 2 };
        peer.read_exact(&mut head[1..head_len]).await?;
        let mut left = match is_long {
            true => head[1..9].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
            false => u64::from(head[1]),
        };
        if left > LONGEST_FRAME {
            return Err(bad("a frame that is too long"));
        }
        inner.write_all(&head[..head_len]).await?;
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let read = peer.read(&mut chunk[..part]).await?;
            if read == 0 {
                return Err(bad("half a frame"));
            }
            inner.write_all(&chunk[..read]).await?;
            left -= read as u64;
        }
    }
}

fn bad(what: &'static str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_pass_unchanged() {
        let mut bytes = vec![0x04, 3, 1, 2, 3, 0x02, 0, 0, 0, 0, 0, 0, 1, 0];
        bytes.extend([7; 256]);
        let mut out = Vec::new();
        frames(&mut bytes.as_slice(), &mut out).await.unwrap();
        assert_eq!(out, bytes);
    }

    #[tokio::test]
    async fn a_frame_that_announces_too_much_is_not_passed_on() {
        let bytes = [0x02, 0x10, 0, 0, 0, 0, 0, 0, 0, 1];
        let mut out = Vec::new();
        assert!(frames(&mut bytes.as_slice(), &mut out).await.is_err());
        assert!(out.is_empty());
    }

    #[tokio::test]
    async fn a_stranger_is_known_by_its_first_byte() {
        assert!(greeting(&mut b"GET / HTTP/1.1\r\n".as_slice()).await.is_err());
        assert!(greeting(&mut [0xff; 64].as_slice()).await.is_err());
    }
}
