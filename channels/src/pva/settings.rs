//! Where servers are searched over PVAccess, as explicit values; the standard `EPICS_PVA_*` environment is one source of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Weak;
use std::time::Duration;

use epics_base_rs::runtime::task::Reactor;
use epics_pva_rs::auth::{authnz_default_host, authnz_default_user};
use epics_pva_rs::client_native::search_engine::{ClientSearchConfig, SearchEngine};
use epics_pva_rs::client_native::server_conn::heartbeat_timeout;
use epics_pva_rs::config::Endpoint;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Pva;
use crate::Protocol;
use crate::client::Client;
use crate::search::{
    Lookup, RELEASE_DELAY, Search, SettingsError, environment, has_names, look_up, lookup_ticks,
    port,
};

/// Standard port of searches by UDP.
const BROADCAST_PORT: u16 = 5076;

/// How PVs are found and how long their channels are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to search.
    pub search: Search,
    /// Port of the addresses that name none (`EPICS_PVA_BROADCAST_PORT`).
    pub broadcast_port: u16,
    /// How long the channel of a PV is kept after its last user.
    pub release_delay: Duration,
}

impl Default for Settings {
    /// As an empty environment means it: broadcast on all interfaces.
    fn default() -> Self {
        let search = Search::standard(Protocol::Pva);
        Self { search, broadcast_port: BROADCAST_PORT, release_delay: RELEASE_DELAY }
    }
}

impl Settings {
    /// Searches on this machine only: by TCP, at one port.
    pub fn loopback(port: u16) -> Self {
        let name_servers = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()];
        let standard = Search::standard(Protocol::Pva);
        let search = Search { name_servers, auto_addresses: false, server_port: port, ..standard };
        Self { search, ..Self::default() }
    }

    /// Reads the standard `EPICS_PVA_*` variables of the process.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable that cannot be understood.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_variables(&environment)
    }

    fn from_variables(variable: Lookup<'_>) -> Result<Self, SettingsError> {
        let search = Search::from_variables(Protocol::Pva, variable)?;
        let broadcast_port = port("EPICS_PVA_BROADCAST_PORT", variable)?.unwrap_or(BROADCAST_PORT);
        let settings = Self { search, broadcast_port, ..Self::default() };
        settings.check()?;
        Ok(settings)
    }

    /// Whether all addresses can be understood.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        self.search.split_addresses(self.broadcast_port)?;
        self.search.split_name_servers()?;
        Ok(())
    }

    /// All places to search at now. Names that cannot be looked up are left out until they can.
    async fn resolve(&self) -> Places {
        let all = async |places: Result<Vec<(String, u16)>, SettingsError>| {
            let mut found = Vec::new();
            for (host, port) in places.unwrap_or_default() {
                found.extend(look_up(&host, port).await);
            }
            found
        };
        Places {
            addresses: all(self.search.split_addresses(self.broadcast_port)).await,
            name_servers: all(self.search.split_name_servers()).await,
        }
    }

    async fn engine(&self, reactor: &Reactor, places: &Places) -> Result<SearchEngine, String> {
        let endpoint = |addr: &SocketAddr| Endpoint { addr: *addr, ttl: None, iface: None };
        let config = ClientSearchConfig {
            addr_list: places.addresses.iter().map(endpoint).collect(),
            auto_addr_list: self.search.auto_addresses,
            broadcast_port: self.broadcast_port,
            server_port: self.search.server_port,
        };
        let started = SearchEngine::spawn_with_config(
            reactor,
            config,
            Vec::new(),
            places.name_servers.clone(),
            authnz_default_user(),
            authnz_default_host(),
            heartbeat_timeout(),
        );
        started.await.map_err(|error| error.to_string())
    }
}

/// Where servers are searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Places {
    /// By UDP.
    addresses: Vec<SocketAddr>,
    /// By TCP.
    name_servers: Vec<SocketAddr>,
}

/// Starts the search, and starts it anew when names lead elsewhere.
pub(super) async fn search(client: Weak<Client<Pva>>, stop: CancellationToken) {
    stop.run_until_cancelled(follow_places(client)).await;
}

async fn follow_places(client: Weak<Client<Pva>>) {
    let Some(settings) = client.upgrade().map(|client| client.wire.settings.clone()) else {
        return;
    };
    let Some(reactor) = Reactor::current() else { return };
    let Search { addresses, name_servers, auto_addresses, .. } = &settings.search;
    if addresses.is_empty() && name_servers.is_empty() && !auto_addresses {
        warn!("no address to search PVAccess servers at");
    }
    let follows = has_names(addresses) || has_names(name_servers);
    let mut ticks = lookup_ticks().await;
    let mut before: Option<Places> = None;
    loop {
        let places = settings.resolve().await;
        if before.as_ref() != Some(&places) {
            match settings.engine(&reactor, &places).await {
                Ok(engine) => {
                    info!(?places, "searching PVAccess servers");
                    let Some(client) = client.upgrade() else { return };
                    client.wire.engine.send_replace(Some(engine));
                    before = Some(places);
                }
                Err(error) => warn!(error, "cannot search PVAccess servers; trying again"),
            }
        }
        if before.is_some() && !follows {
            return;
        }
        ticks.tick().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_variables(&|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_searches_by_broadcast_at_the_standard_port() {
        assert_eq!(from(&[]), Ok(Settings::default()));
    }

    #[tokio::test]
    async fn the_standard_variables_are_understood() {
        let settings = from(&[
            ("EPICS_PVA_ADDR_LIST", " 10.0.0.1,10.0.0.2:6076 "),
            ("EPICS_PVA_AUTO_ADDR_LIST", "NO"),
            ("EPICS_PVA_NAME_SERVERS", "10.0.0.3"),
            ("EPICS_PVA_SERVER_PORT", "6000"),
            ("EPICS_PVA_BROADCAST_PORT", "6001"),
        ])
        .unwrap();
        assert!(!settings.search.auto_addresses);
        let places = settings.resolve().await;
        let ip = |last, port| SocketAddr::from(([10, 0, 0, last], port));
        assert_eq!(places.addresses, [ip(1, 6001), ip(2, 6076)]);
        assert_eq!(places.name_servers, [ip(3, 6000)]);
    }

    #[test]
    fn a_bad_port_or_address_is_named() {
        let port = from(&[("EPICS_PVA_BROADCAST_PORT", "many")]).unwrap_err();
        assert_eq!(port.to_string(), "EPICS_PVA_BROADCAST_PORT: \"many\" is not a port");
        let address = from(&[("EPICS_PVA_NAME_SERVERS", "ioc:port")]).unwrap_err();
        assert_eq!(
            address.to_string(),
            "EPICS_PVA_NAME_SERVERS: \"ioc:port\" is not host or host:port"
        );
    }
}
