//! Where IOCs are searched, as explicit values; the standard `EPICS_CA_*` environment is one source of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use epics_ca_rs::server::addr_list::discover_broadcast_addrs;
use tracing::{info, warn};

use super::Ca;
use crate::Protocol;
use crate::client::Client;
use crate::search::{
    Lookup, RELEASE_DELAY, Search, SettingsError, environment, has_names, look_up, lookup_ticks,
};

/// How PVs are found and how long their channels are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to search.
    ///
    /// The protocol library takes the name servers from the environment of the process only, so [`super::CaClient::new`]
    /// refuses a list that differs from it: start the process with the variable set.
    pub search: Search,
    /// How long the channel of a PV is kept after its last user.
    pub release_delay: Duration,
}

impl Default for Settings {
    /// As an empty environment means it: broadcast on all interfaces.
    fn default() -> Self {
        Self { search: Search::standard(Protocol::Ca), release_delay: RELEASE_DELAY }
    }
}

impl Settings {
    /// Searches on this machine only, at one port.
    pub fn loopback(port: u16) -> Self {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
        Self::at(vec![here], port)
    }

    /// Searches at these addresses only, `host[:port]` each.
    pub fn at(addresses: Vec<String>, server_port: u16) -> Self {
        let standard = Search::standard(Protocol::Ca);
        let search = Search { addresses, auto_addresses: false, server_port, ..standard };
        Self { search, ..Self::default() }
    }

    /// Reads the standard `EPICS_CA_*` variables of the process.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable that cannot be understood.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_variables(&environment)
    }

    fn from_variables(variable: Lookup<'_>) -> Result<Self, SettingsError> {
        let search = Search::from_variables(Protocol::Ca, variable)?;
        search.split_addresses(search.server_port)?;
        Ok(Self { search, ..Self::default() })
    }

    /// Whether the library can follow them.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        self.search.split_addresses(self.search.server_port)?;
        self.search.has_name_servers_of_environment()
    }
}

/// All addresses to search at now. Names that cannot be looked up are left out until they can.
async fn resolve(search: &Search) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    if search.auto_addresses {
        let broadcast = discover_broadcast_addrs().into_iter();
        found.extend(broadcast.map(|address| SocketAddr::from((address, search.server_port))));
    }
    for (host, port) in search.split_addresses(search.server_port).unwrap_or_default() {
        found.extend(look_up(&host, port).await);
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|address| seen.insert(*address));
    found
}

/// Gives the library its search addresses, and keeps them current when some are names.
pub(super) async fn follow_addresses(client: &Arc<Client<Ca>>) {
    let search = &client.wire.settings.search;
    let addresses = resolve(search).await;
    if addresses.is_empty() && search.name_servers.is_empty() {
        warn!("no address to search IOCs at");
    }
    client.wire.library.set_address_list(addresses.clone());
    if has_names(&search.addresses) {
        let task = look_up_again(Arc::downgrade(client), search.clone(), addresses);
        let stop = client.stop.child_token();
        client.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }
}

async fn look_up_again(client: Weak<Client<Ca>>, search: Search, mut addresses: Vec<SocketAddr>) {
    let mut ticks = lookup_ticks().await;
    loop {
        ticks.tick().await;
        let current = resolve(&search).await;
        let Some(client) = client.upgrade() else { return };
        if current != addresses && !current.is_empty() {
            info!(?current, "search addresses changed");
            client.wire.library.set_address_list(current.clone());
            addresses = current;
        }
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

    #[test]
    fn the_standard_variables_are_understood() {
        let settings = from(&[
            ("EPICS_CA_ADDR_LIST", " ioc-1  10.0.0.2:6064 "),
            ("EPICS_CA_AUTO_ADDR_LIST", "NO"),
            ("EPICS_CA_NAME_SERVERS", "gateway:5064"),
            ("EPICS_CA_SERVER_PORT", "6000"),
        ])
        .unwrap();
        let search = settings.search;
        assert_eq!(search.addresses, ["ioc-1", "10.0.0.2:6064"]);
        assert_eq!(search.name_servers, ["gateway:5064"]);
        assert!(!search.auto_addresses);
        assert_eq!(
            search.split_addresses(search.server_port).unwrap(),
            [("ioc-1".to_owned(), 6000), ("10.0.0.2".to_owned(), 6064)]
        );
    }

    #[test]
    fn a_bad_port_or_address_is_named() {
        let port = from(&[("EPICS_CA_SERVER_PORT", "many")]).unwrap_err();
        assert_eq!(port.to_string(), "EPICS_CA_SERVER_PORT: \"many\" is not a port");
        let address = from(&[("EPICS_CA_ADDR_LIST", "ioc:port")]).unwrap_err();
        assert_eq!(
            address.to_string(),
            "EPICS_CA_ADDR_LIST: \"ioc:port\" is not host or host:port"
        );
    }

    #[test]
    fn name_servers_that_the_process_does_not_have_are_refused() {
        let mut settings = Settings::loopback(1);
        settings.search.name_servers.push("elsewhere".to_owned());
        let (variable, wanted) = ("EPICS_CA_NAME_SERVERS", "elsewhere".to_owned());
        assert_eq!(settings.check(), Err(SettingsError::NameServers { variable, wanted }));
    }

    #[tokio::test]
    async fn an_address_given_twice_is_searched_once() {
        let twice = vec!["127.0.0.1:6064".to_owned(), "127.0.0.1".to_owned()];
        let search = Settings::at(twice, 6064).search;
        assert_eq!(resolve(&search).await, [SocketAddr::from(([127, 0, 0, 1], 6064))]);
        assert!(!has_names(&search.addresses));
    }
}
