//! Where IOCs are searched, as explicit values; the standard `EPICS_CA_*` environment is one source of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use epics_ca_rs::server::addr_list::discover_broadcast_addrs;
use tracing::{info, warn};

use super::Inner;
use crate::search::{
    self, RELEASE_DELAY, SettingsError, has_names, is_no, look_up, lookup_ticks, words,
};

/// Standard port of Channel Access servers.
const SERVER_PORT: u16 = 5064;

const ADDRESSES: &str = "EPICS_CA_ADDR_LIST";

const NAME_SERVERS: &str = "EPICS_CA_NAME_SERVERS";

/// How PVs are found and how long their channels are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to search, `host[:port]` each, by UDP (`EPICS_CA_ADDR_LIST`).
    pub addresses: Vec<String>,
    /// Whether to search on the broadcast addresses of all interfaces as well (`EPICS_CA_AUTO_ADDR_LIST`).
    pub auto_addresses: bool,
    /// Servers to search by TCP, `host[:port]` each (`EPICS_CA_NAME_SERVERS`).
    ///
    /// The protocol library takes these from the environment of the process only, so [`super::CaClient::new`] refuses a list
    /// that differs from it: start the process with the variable set.
    pub name_servers: Vec<String>,
    /// Port of the addresses that name none (`EPICS_CA_SERVER_PORT`).
    pub server_port: u16,
    /// How long the channel of a PV is kept after its last user.
    pub release_delay: Duration,
}

impl Default for Settings {
    /// As an empty environment means it: broadcast on all interfaces.
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            auto_addresses: true,
            name_servers: Vec::new(),
            server_port: SERVER_PORT,
            release_delay: RELEASE_DELAY,
        }
    }
}

impl Settings {
    /// Searches on this machine only, at one port.
    pub fn loopback(port: u16) -> Self {
        Self {
            addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()],
            auto_addresses: false,
            server_port: port,
            ..Self::default()
        }
    }

    /// Reads the standard `EPICS_CA_*` variables of the process.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable that cannot be understood.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let list = |name| words(&variable(name).unwrap_or_default());
        let server_port = search::port("EPICS_CA_SERVER_PORT", &variable)?.unwrap_or(SERVER_PORT);
        let settings = Self {
            addresses: list(ADDRESSES),
            auto_addresses: !is_no(&variable("EPICS_CA_AUTO_ADDR_LIST").unwrap_or_default()),
            name_servers: list(NAME_SERVERS),
            server_port,
            ..Self::default()
        };
        settings.split_addresses()?;
        Ok(settings)
    }

    /// The addresses as host and port.
    fn split_addresses(&self) -> Result<Vec<(String, u16)>, SettingsError> {
        search::split_all(ADDRESSES, &self.addresses, self.server_port)
    }

    /// Name servers reach the library through the environment alone.
    pub(super) fn check_name_servers(&self) -> Result<(), SettingsError> {
        self.split_addresses()?;
        let present = words(&std::env::var(NAME_SERVERS).unwrap_or_default());
        if present == self.name_servers {
            return Ok(());
        }
        let wanted = self.name_servers.join(" ");
        Err(SettingsError::NameServers { variable: NAME_SERVERS, wanted })
    }

    /// All addresses to search at now. Names that cannot be looked up are left out until they can.
    async fn resolve(&self) -> Vec<SocketAddr> {
        let mut found = Vec::new();
        if self.auto_addresses {
            found.extend(
                discover_broadcast_addrs()
                    .into_iter()
                    .map(|address| SocketAddr::from((address, self.server_port))),
            );
        }
        for (host, port) in self.split_addresses().unwrap_or_default() {
            found.extend(look_up(&host, port).await);
        }
        let mut seen = std::collections::HashSet::new();
        found.retain(|address| seen.insert(*address));
        found
    }
}

/// Gives the library its search addresses, and keeps them current when some are names.
pub(super) async fn follow_addresses(inner: &Arc<Inner>) {
    let addresses = inner.settings.resolve().await;
    if addresses.is_empty() && inner.settings.name_servers.is_empty() {
        warn!("no address to search IOCs at");
    }
    inner.library.set_address_list(addresses.clone());
    if has_names(&inner.settings.addresses) {
        let task = look_up_again(Arc::downgrade(inner), addresses);
        let stop = inner.stop.child_token();
        inner.tasks.spawn(async move { stop.run_until_cancelled(task).await });
    }
}

async fn look_up_again(inner: Weak<Inner>, mut addresses: Vec<SocketAddr>) {
    let mut ticks = lookup_ticks().await;
    loop {
        ticks.tick().await;
        let Some(settings) = inner.upgrade().map(|inner| inner.settings.clone()) else { return };
        let current = settings.resolve().await;
        let Some(inner) = inner.upgrade() else { return };
        if current != addresses && !current.is_empty() {
            info!(?current, "search addresses changed");
            inner.library.set_address_list(current.clone());
            addresses = current;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_variables(|name| {
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
        assert_eq!(settings.addresses, ["ioc-1", "10.0.0.2:6064"]);
        assert_eq!(settings.name_servers, ["gateway:5064"]);
        assert!(!settings.auto_addresses);
        assert_eq!(
            settings.split_addresses().unwrap(),
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
        let settings =
            Settings { name_servers: vec!["elsewhere".to_owned()], ..Settings::loopback(1) };
        assert_eq!(
            settings.check_name_servers(),
            Err(SettingsError::NameServers {
                variable: NAME_SERVERS,
                wanted: "elsewhere".to_owned()
            })
        );
    }

    #[tokio::test]
    async fn an_address_given_twice_is_searched_once() {
        let settings = Settings {
            addresses: vec!["127.0.0.1:6064".to_owned(), "127.0.0.1".to_owned()],
            ..Settings::loopback(6064)
        };
        assert_eq!(settings.resolve().await, [SocketAddr::from(([127, 0, 0, 1], 6064))]);
        assert!(!has_names(&settings.addresses));
    }
}
