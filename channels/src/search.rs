//! Where servers are searched, as the standard environment says it. The same words for both protocols.
//!
//! Of what is here, only [`Search`] and [`SettingsError`] are seen outside.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tracing::warn;

use crate::Protocol;

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

/// Where the servers of one protocol are searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// What is spoken. The variables below are those of Channel Access; those of PVAccess begin with `EPICS_PVA_`.
    pub protocol: Protocol,
    /// Servers that are asked by TCP, `host[:port]` each (`EPICS_CA_NAME_SERVERS`).
    pub name_servers: Vec<String>,
    /// Addresses that are asked by UDP, `host[:port]` each (`EPICS_CA_ADDR_LIST`).
    pub addresses: Vec<String>,
    /// Whether the broadcast addresses of all interfaces are asked too (`EPICS_CA_AUTO_ADDR_LIST`).
    pub auto_addresses: bool,
    /// Port of those that name none (`EPICS_CA_SERVER_PORT`). PVAccess has another one for addresses.
    pub server_port: u16,
}

/// The standard variables of a protocol.
struct Variables {
    addresses: &'static str,
    auto_addresses: &'static str,
    name_servers: &'static str,
    server_port: &'static str,
    /// What the last one is without it.
    standard_port: u16,
    /// What may stand between the items of a list, other than white space.
    separators: &'static [char],
}

impl Variables {
    const CHANNEL_ACCESS: Self = Self {
        addresses: "EPICS_CA_ADDR_LIST",
        auto_addresses: "EPICS_CA_AUTO_ADDR_LIST",
        name_servers: "EPICS_CA_NAME_SERVERS",
        server_port: "EPICS_CA_SERVER_PORT",
        standard_port: 5064,
        separators: &[],
    };

    const PV_ACCESS: Self = Self {
        addresses: "EPICS_PVA_ADDR_LIST",
        auto_addresses: "EPICS_PVA_AUTO_ADDR_LIST",
        name_servers: "EPICS_PVA_NAME_SERVERS",
        server_port: "EPICS_PVA_SERVER_PORT",
        standard_port: 5075,
        separators: &[','],
    };

    fn of(protocol: Protocol) -> &'static Self {
        match protocol {
            Protocol::Ca => &Self::CHANNEL_ACCESS,
            Protocol::Pva => &Self::PV_ACCESS,
        }
    }
}

impl Search {
    /// As an empty environment means it: by broadcast on all interfaces, at the standard port.
    pub fn standard(protocol: Protocol) -> Self {
        let server_port = Variables::of(protocol).standard_port;
        let (name_servers, addresses) = (Vec::new(), Vec::new());
        Self { protocol, name_servers, addresses, auto_addresses: true, server_port }
    }

    /// What the standard variables say, each asked of `variable`.
    ///
    /// # Errors
    /// [`SettingsError`] naming a port that cannot be understood.
    pub(crate) fn from_variables(
        protocol: Protocol,
        variable: Lookup<'_>,
    ) -> Result<Self, SettingsError> {
        let names = Variables::of(protocol);
        let text = |name| variable(name).unwrap_or_default();
        Ok(Self {
            protocol,
            name_servers: items(&text(names.name_servers), names.separators),
            addresses: items(&text(names.addresses), names.separators),
            auto_addresses: !is_no(&text(names.auto_addresses)),
            server_port: port(names.server_port, variable)?.unwrap_or(names.standard_port),
        })
    }

    /// The addresses to ask by UDP as host and port.
    ///
    /// # Errors
    /// [`SettingsError::Address`] for one that is neither `host` nor `host:port`.
    pub(crate) fn split_addresses(
        &self,
        default_port: u16,
    ) -> Result<Vec<(String, u16)>, SettingsError> {
        split_all(Variables::of(self.protocol).addresses, &self.addresses, default_port)
    }

    /// The servers to ask by TCP as host and port.
    ///
    /// # Errors
    /// [`SettingsError::Address`] for one that is neither `host` nor `host:port`.
    pub(crate) fn split_name_servers(&self) -> Result<Vec<(String, u16)>, SettingsError> {
        split_all(Variables::of(self.protocol).name_servers, &self.name_servers, self.server_port)
    }

    /// That the name servers are those of the environment of this process, which alone some libraries ask.
    ///
    /// # Errors
    /// [`SettingsError::NameServers`].
    pub(crate) fn has_name_servers_of_environment(&self) -> Result<(), SettingsError> {
        let Variables { name_servers: variable, separators, .. } = Variables::of(self.protocol);
        let present = items(&std::env::var(variable).unwrap_or_default(), separators);
        if present == self.name_servers {
            return Ok(());
        }
        Err(SettingsError::NameServers { variable, wanted: self.name_servers.join(" ") })
    }
}

/// The value of a variable, if it is set.
pub(crate) type Lookup<'a> = &'a dyn Fn(&'static str) -> Option<String>;

/// What a variable of the environment of this process says.
pub(crate) fn environment(name: &'static str) -> Option<String> {
    std::env::var(name).ok()
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
fn split_all(
    variable: &'static str,
    addresses: &[String],
    default_port: u16,
) -> Result<Vec<(String, u16)>, SettingsError> {
    addresses.iter().map(|address| split(variable, address, default_port)).collect()
}

/// The port that a variable names, if it is set.
pub(crate) fn port(name: &'static str, variable: Lookup<'_>) -> Result<Option<u16>, SettingsError> {
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
fn items(text: &str, separators: &[char]) -> Vec<String> {
    let is_between = |letter: char| letter.is_whitespace() || separators.contains(&letter);
    text.split(is_between).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// EPICS base takes anything but a text with "no" or "NO" in it for a yes.
fn is_no(text: &str) -> bool {
    text.contains("no") || text.contains("NO")
}
