//! Settings of the ophyd-websocket API, under their upstream names (contract §1).
//!
//! Not here because they have no meaning: `OAS_STARTUP_DIR` (devices are those of the registry),
//! `OAS_LOG_LEVEL` (`BEAMLINE_LOG`).

use std::net::SocketAddr;

use service::access::Pages;
use service::settings::{Cors, JsonList, lax_bool};

/// Settings of the ophyd-websocket API.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[group(id = "oas_settings")]
#[command(next_help_heading = "API of ophyd-websocket")]
pub struct Settings {
    /// Serve the API of ophyd-websocket
    #[arg(id = "oas_enabled", long = "oas", env = "OAS_ENABLED", default_value = "true",
        value_name = "BOOL", action = clap::ArgAction::Set, value_parser = lax_bool)]
    pub enabled: bool,
    /// Address to listen on
    #[arg(id = "oas_host", long = "oas-host", env = "OAS_HOST", default_value = "0.0.0.0")]
    pub host: String,
    /// Port to listen on; 0 lets the system choose
    #[arg(id = "oas_port", long = "oas-port", env = "OAS_PORT", default_value = "8001")]
    pub port: u16,
    /// Browser origins that may call, separated by commas or as a JSON list; `*` for all. When absent, pages of this service and of localhost
    #[arg(id = "oas_allowed_origins", long = "oas-allowed-origins", env = "OAS_ALLOWED_ORIGINS",
        value_parser = origins)]
    pub allowed_origins: Option<JsonList>,
    /// Let clients read PVs that the registry does not know. They can never be written
    #[arg(id = "oas_read_unregistered", long = "oas-read-unregistered-pvs", env = "OAS_READ_UNREGISTERED_PVS",
        default_value = "true", value_name = "BOOL", action = clap::ArgAction::Set, value_parser = lax_bool)]
    pub read_unregistered: bool,
    /// Refuse writes also when the queue server cannot be asked whether it runs a plan
    #[arg(id = "oas_require_qserver", long = "oas-require-qserver", env = "OAS_REQUIRE_QSERVER", default_value = "false",
        value_name = "BOOL", action = clap::ArgAction::Set, value_parser = lax_bool)]
    pub require_qserver: bool,
    /// Ask the queue server also before a `set` over a socket; else only before PUT requests
    #[arg(id = "oas_qserver_gates_sockets", long = "oas-qserver-gates-sockets", env = "OAS_QSERVER_GATES_SOCKETS",
        default_value = "false", value_name = "BOOL", action = clap::ArgAction::Set, value_parser = lax_bool)]
    pub gate_sockets: bool,
    /// Host of the queue server's HTTP API; `localhost` when absent
    #[arg(id = "oas_queue_host", long = "oas-queue-host", env = "QSERVER_HTTP_SERVER_HOST")]
    pub queue_host: Option<String>,
    /// Port of the queue server's HTTP API; 60610 when absent
    #[arg(id = "oas_queue_port", long = "oas-queue-port", env = "QSERVER_HTTP_SERVER_PORT")]
    pub queue_port: Option<u16>,
    /// Key for the queue server's HTTP API
    #[arg(
        id = "oas_queue_key",
        long = "oas-queue-key",
        env = "QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY",
        default_value = "test",
        hide_env_values = true
    )]
    pub queue_key: String,
    /// Host on which the queue server publishes its console over 0MQ; `localhost` when absent
    #[arg(id = "oas_zmq_host", long = "oas-zmq-host", env = "ZMQ_HOST")]
    pub zmq_host: Option<String>,
    /// Port on which the queue server publishes its console over 0MQ; 60625 when absent
    #[arg(id = "oas_zmq_port", long = "oas-zmq-port", env = "ZMQ_PORT")]
    pub zmq_port: Option<u16>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            host: "0.0.0.0".to_owned(),
            port: 8001,
            allowed_origins: None,
            read_unregistered: true,
            require_qserver: false,
            gate_sockets: false,
            queue_host: None,
            queue_port: None,
            queue_key: "test".to_owned(),
            zmq_host: None,
            zmq_port: None,
        }
    }
}

impl Settings {
    /// The same, with the queue server where it is known to be unless told otherwise.
    #[must_use]
    pub fn with_queue_at(mut self, http: SocketAddr, zmq_info: SocketAddr) -> Self {
        if self.queue_host.is_none() && self.queue_port.is_none() {
            self.queue_host = Some(reachable(http));
            self.queue_port = Some(http.port());
        }
        if self.zmq_host.is_none() && self.zmq_port.is_none() {
            self.zmq_host = Some(reachable(zmq_info));
            self.zmq_port = Some(zmq_info.port());
        }
        self
    }

    /// Where the queue server's HTTP API is, as `http://host:port`.
    pub(crate) fn queue_url(&self) -> String {
        let host = self.queue_host.as_deref().unwrap_or("localhost");
        format!("http://{host}:{}", self.queue_port.unwrap_or(60610))
    }

    /// Where the queue server publishes its console.
    pub(crate) fn console_address(&self) -> String {
        let host = self.zmq_host.as_deref().unwrap_or("localhost");
        format!("tcp://{host}:{}", self.zmq_port.unwrap_or(60625))
    }

    /// What pages of other origins are told: as upstream that they may call, each by its name.
    pub(crate) fn cors(&self) -> Cors {
        let origins = self.allowed_origins.as_ref();
        let mirror = origins.is_none_or(|listed| listed.0.iter().any(|origin| origin == "*"));
        Cors { mirror, ..Cors::of(origins, true) }
    }

    /// Which web pages may call. Unlike upstream a list of origins excludes all others.
    pub(crate) fn pages(&self) -> Pages {
        Pages::of("OAS_ALLOWED_ORIGINS", self.allowed_origins.as_ref())
    }
}

/// A host by which this machine reaches a server that listens on `address`.
fn reachable(address: SocketAddr) -> String {
    match address {
        address if address.ip().is_unspecified() => "localhost".to_owned(),
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

/// A list in JSON where it looks like one, else separated by commas.
fn origins(text: &str) -> Result<JsonList, String> {
    let text = text.trim();
    if text.starts_with('[') && text.ends_with(']') {
        return service::settings::json_list(text);
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    Ok(JsonList(parts.map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_come_with_commas_or_as_json() {
        let both = Ok(JsonList(vec!["http://a".to_owned(), "http://b".to_owned()]));
        assert_eq!(origins(" http://a, http://b,"), both);
        assert_eq!(origins(r#"["http://a", "http://b"]"#), both);
        assert!(origins("[http://a]").is_err());
    }

    #[test]
    fn a_queue_server_that_is_named_is_not_replaced() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let found = Settings::default().with_queue_at(at("0.0.0.0:1"), at("127.0.0.1:2"));
        assert_eq!(found.queue_url(), "http://localhost:1");
        assert_eq!(found.console_address(), "tcp://127.0.0.1:2");
        let named = Settings { queue_port: Some(5), ..Settings::default() };
        let named = named.with_queue_at(at("127.0.0.1:1"), at("127.0.0.1:2"));
        assert_eq!(named.queue_url(), "http://localhost:5");
        assert_eq!(Settings::default().console_address(), "tcp://localhost:60625");
    }
}
