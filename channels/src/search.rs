//! Where servers are searched, as the standard environment says it. The same words for both protocols.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tracing::warn;

/// How long an unused PV keeps its channel: longer than a client takes to reconnect or a page to reload.
pub(crate) const RELEASE_DELAY: Duration = Duration::from_secs(30);

/// How often names in the address list are looked up again: an IOC in a pod comes back with another address.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(30);

/// How long one name may take to look up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the client cannot start.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SettingsError {
    /// An address is not `host` or `host:port`.
    #[error("{variable}: {address:?} is not host or host:port")]
    Address {
        /// Standard variable of the setting.
        variable: &'static str,
        /// What stood there.
        address: String,
    },
    /// A port is not a number of a port.
    #[error("{variable}: {value:?} is not a port")]
    Port {
        /// Standard variable of the setting.
        variable: &'static str,
        /// What stood there.
        value: String,
    },
    /// Name servers were given that the environment does not have.
    #[error("{variable} must be set in the environment of the process to {wanted:?}")]
    NameServers {
        /// Standard variable of the setting.
        variable: &'static str,
        /// What the variable must hold.
        wanted: String,
    },
    /// The protocol library did not start.
    #[error("the EPICS client did not start: {0}")]
    Library(String),
}

/// Host and port of an address that may name none.
pub(crate) fn split(
    variable: &'static str,
    address: &str,
    default_port: u16,
) -> Result<(String, u16), SettingsError> {
    let bad = || SettingsError::Address { variable, address: address.to_owned() };
    let (host, port) = match address.rsplit_once(':') {
        None => (address, default_port),
        Some((host, port)) => (host, port.parse().map_err(|_| bad())?),
    };
    if host.is_empty() || host.contains(':') {
        return Err(bad());
    }
    Ok((host.to_owned(), port))
}

/// [`split`] of each.
pub(crate) fn split_all(
    variable: &'static str,
    addresses: &[String],
    default_port: u16,
) -> Result<Vec<(String, u16)>, SettingsError> {
    addresses.iter().map(|address| split(variable, address, default_port)).collect()
}

/// The port that a variable names, if it is set.
pub(crate) fn port(
    name: &'static str,
    variable: impl Fn(&'static str) -> Option<String>,
) -> Result<Option<u16>, SettingsError> {
    let Some(value) = variable(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    match value.trim().parse() {
        Ok(port) => Ok(Some(port)),
        Err(_) => Err(SettingsError::Port { variable: name, value }),
    }
}

/// Whether any of the addresses is a name, and may lead elsewhere later.
pub(crate) fn has_names(addresses: &[String]) -> bool {
    addresses.iter().any(|address| {
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        host.parse::<IpAddr>().is_err()
    })
}

/// When names are looked up again: not now.
pub(crate) async fn lookup_ticks() -> Interval {
    let mut ticks = interval(LOOKUP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    ticks
}

/// The address of a host now. What cannot be looked up is told in the log.
pub(crate) async fn look_up(host: &str, port: u16) -> Option<SocketAddr> {
    match timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(mut found)) => found.find(SocketAddr::is_ipv4),
        Ok(Err(error)) => {
            warn!(host, %error, "cannot look up an address to search at");
            None
        }
        Err(_) => {
            warn!(host, "looking up an address to search at takes too long");
            None
        }
    }
}

/// The items of a list.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// EPICS base takes anything but a text with "no" or "NO" in it for a yes.
pub(crate) fn is_no(text: &str) -> bool {
    text.contains("no") || text.contains("NO")
}
