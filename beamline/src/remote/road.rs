//! How bytes get to a part of a beamline: over TCP to an address, or by port-forward into its pod.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use kube::ResourceExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::cluster::Cluster;
use super::place::Part;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);
/// How long the other end of a port-forward may take to say what went wrong.
const TROUBLE: Duration = Duration::from_secs(1);

/// Bytes both ways.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// The way to one part.
pub(super) enum Road {
    /// A plain address.
    Address {
        /// Host and port.
        authority: String,
        /// What stands before every path.
        prefix: String,
    },
    /// Into whichever pod answers when a connection is opened.
    Pod { cluster: Cluster, part: Part },
}

/// An open connection.
pub(super) struct Line {
    pub(super) bytes: Box<dyn Bytes>,
    /// What the other end of a port-forward says when it fails.
    trouble: Option<BoxFuture<'static, Option<String>>>,
}

impl Line {
    /// Splits off what is asked when the bytes stop.
    pub(super) fn split(self) -> (Box<dyn Bytes>, Trouble) {
        (self.bytes, Trouble(self.trouble))
    }
}

/// Why a connection failed, beyond that it did.
pub(super) struct Trouble(Option<BoxFuture<'static, Option<String>>>);

impl Trouble {
    /// The reason that the cluster gives, if it gives one.
    pub(super) async fn tell(&mut self) -> Option<String> {
        timeout(TROUBLE, self.0.take()?).await.ok().flatten()
    }
}

impl Road {
    /// The way to `address`, such as `http://127.0.0.1:8003`.
    ///
    /// # Errors
    /// When it is no such address.
    pub(super) fn to_address(address: &str) -> anyhow::Result<Self> {
        let uri: Uri = address.parse().with_context(|| format!("{address} is not an address"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(other) => bail!("{address}: {other} is not spoken here, only http"),
            None => bail!("{address} is not an address: http://HOST:PORT is expected"),
        }
        let authority = uri.authority().ok_or_else(|| anyhow!("{address} names no host"))?;
        let authority = match authority.port() {
            Some(_) => authority.to_string(),
            None => format!("{authority}:80"),
        };
        Ok(Self::Address { authority, prefix: uri.path().trim_end_matches('/').to_owned() })
    }

    /// The way into the pod that answers for `part`.
    pub(super) fn to_pod(cluster: Cluster, part: Part) -> Self {
        Self::Pod { cluster, part }
    }

    /// What a request says it is for: the `Host` header.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Address { authority, .. } => authority,
            Self::Pod { .. } => "localhost",
        }
    }

    /// What stands before every path.
    pub(super) fn prefix(&self) -> &str {
        match self {
            Self::Address { prefix, .. } => prefix,
            Self::Pod { .. } => "",
        }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When nobody is there, in words that say who should be.
    pub(super) async fn open(&self) -> anyhow::Result<Line> {
        let opened = match self {
            Self::Address { authority, .. } => timeout(CONNECT, connect(authority)).await,
            Self::Pod { cluster, part } => timeout(CONNECT, forward(cluster, *part)).await,
        };
        opened.unwrap_or_else(|_| {
            Err(anyhow!("no connection to {} within {} s", self.host(), CONNECT.as_secs()))
        })
    }
}

async fn connect(authority: &str) -> anyhow::Result<Line> {
    let stream = TcpStream::connect(authority)
        .await
        .with_context(|| format!("nothing answers at http://{authority}: is the beamline up?"))?;
    stream.set_nodelay(true)?;
    Ok(Line { bytes: Box::new(stream), trouble: None })
}

async fn forward(cluster: &Cluster, part: Part) -> anyhow::Result<Line> {
    let component =
        part.component().ok_or_else(|| anyhow!("{} has no pods of its own", part.name()))?;
    let beamline = cluster.beamline().await?;
    let (pods, pod) = cluster.pod(&beamline.name_any(), component).await?;
    let port = u16::try_from(component.port())?;
    let mut forwarder = pods
        .portforward(&pod, &[port])
        .await
        .with_context(|| format!("no port-forward to the pod {pod}"))?;
    let stream = forwarder
        .take_stream(port)
        .ok_or_else(|| anyhow!("the port-forward to the pod {pod} has no port {port}"))?;
    let trouble = forwarder.take_error(port).map(FutureExt::boxed);
    Ok(Line { bytes: Box::new(stream), trouble })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_a_port_and_perhaps_a_path() {
        let road = Road::to_address("http://10.0.0.1:8003/control/").unwrap();
        assert_eq!((road.host(), road.prefix()), ("10.0.0.1:8003", "/control"));
        let road = Road::to_address("http://beamline").unwrap();
        assert_eq!((road.host(), road.prefix()), ("beamline:80", ""));
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        for (text, reason) in [
            ("https://host", "https is not spoken"),
            ("host", "http://HOST:PORT"),
            ("not an address", "not an address"),
        ] {
            let error = format!("{:#}", Road::to_address(text).err().unwrap());
            assert!(error.contains(reason), "{error}");
        }
    }
}
