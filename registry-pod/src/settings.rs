//! Settings of the registry, under their upstream names (contract §1.10).

mod unused;

use std::path::PathBuf;

use clap::{ArgAction, Args};
use service::access::{Pages, Policy, Secret};
use service::settings::{Cors, JsonList, json_list, lax_bool};
pub use unused::Unused;

use crate::seed::Strategy;

/// Settings of the registry.
#[derive(Args, Clone, Debug)]
#[group(id = "registry")]
pub struct Settings {
    /// Address to listen on.
    #[arg(
        id = "registry_host",
        long = "registry-host",
        env = "CONFIG_HOST",
        default_value = "127.0.0.1"
    )]
    pub host: String,
    /// Port to listen on.
    #[arg(
        id = "registry_port",
        long = "registry-port",
        env = "CONFIG_PORT",
        default_value_t = 8004
    )]
    pub port: u16,
    /// Browser origins that may call, as a JSON list; `["*"]` for all. When absent, pages of this service and of localhost.
    #[arg(
        id = "registry_cors_origins",
        long = "registry-cors-origins",
        env = "CONFIG_CORS_ORIGINS",
        value_parser = json_list
    )]
    pub cors_origins: Option<JsonList>,
    /// Whether browsers may send credentials; without effect while all origins are allowed.
    #[arg(
        id = "registry_cors_allow_credentials",
        long = "registry-cors-allow-credentials",
        env = "CONFIG_CORS_ALLOW_CREDENTIALS",
        default_value = "false",
        value_parser = lax_bool,
        action = ArgAction::Set
    )]
    pub cors_allow_credentials: bool,
    /// Whether devices can be changed over this API. Off, every write answers 501.
    #[arg(
        id = "registry_writable",
        long = "registry-writable",
        env = "CONFIG_DEVICE_CHANGE_HISTORY_ENABLED",
        default_value = "true",
        value_parser = lax_bool,
        action = ArgAction::Set
    )]
    pub writable: bool,
    /// Whether any lock locks every device, until the API says otherwise.
    #[arg(
        id = "registry_lock_all",
        long = "registry-lock-all",
        env = "CONFIG_LOCK_ALL",
        default_value = "false",
        value_parser = lax_bool,
        action = ArgAction::Set
    )]
    pub lock_all: bool,
    /// Seconds after which a lock that is not renewed lapses; 0 means never.
    #[arg(
        id = "registry_lock_lease_ttl_seconds",
        long = "registry-lock-lease-ttl-seconds",
        env = "CONFIG_LOCK_LEASE_TTL_SECONDS",
        default_value_t = 0.0
    )]
    pub lock_lease_ttl_seconds: f64,
    /// Import paths that a device class must lie under, as a JSON list; empty allows all.
    #[arg(
        id = "registry_device_class_allowlist",
        long = "registry-device-class-allowlist",
        env = "CONFIG_DEVICE_CLASS_ALLOWLIST",
        default_value = "[]",
        value_parser = json_list
    )]
    pub device_class_allowlist: JsonList,
    /// Whether objects that are synced from git may be edited over this API.
    #[arg(
        id = "registry_runtime_edits",
        long = "registry-runtime-edits",
        env = "CONFIG_RUNTIME_EDITS",
        default_value = "false",
        value_parser = lax_bool,
        action = ArgAction::Set
    )]
    pub runtime_edits: bool,
    /// What an empty registry begins with: `happi` or `bits` from the profile, `auto` for whichever
    /// it has, three `mock` devices, or `empty`. Without a profile `auto` begins with nothing.
    #[arg(
        id = "registry_load_strategy",
        long = "registry-load-strategy",
        env = "CONFIG_LOAD_STRATEGY",
        default_value = "auto"
    )]
    pub load_strategy: Strategy,
    /// Folder with a happi database or a BITS device list.
    #[arg(
        id = "registry_profile_path",
        long = "registry-profile-path",
        env = "CONFIG_PROFILE_PATH"
    )]
    pub profile_path: Option<PathBuf>,
    /// Whether an empty registry begins with the mock devices, whatever the strategy.
    #[arg(
        id = "registry_use_mock_data",
        long = "registry-use-mock-data",
        env = "CONFIG_USE_MOCK_DATA",
        default_value = "false",
        value_parser = lax_bool,
        action = ArgAction::Set
    )]
    pub use_mock_data: bool,
    /// Name of the service in `/health`.
    #[arg(
        id = "registry_service_name",
        long = "registry-service-name",
        env = "CONFIG_SERVICE_NAME",
        default_value = "configuration_service"
    )]
    pub service_name: String,
    /// What is logged, unless `--log` says more precisely: DEBUG, INFO, WARNING, ERROR or CRITICAL.
    #[arg(
        id = "registry_log_level",
        long = "registry-log-level",
        env = "CONFIG_LOG_LEVEL",
        default_value = "INFO",
        value_parser = log_level
    )]
    pub log_level: &'static str,
    /// File to write the OpenAPI description into at start.
    #[arg(
        id = "registry_openapi_export_path",
        long = "registry-openapi-export-path",
        env = "OPHYD_SERVICE_OPENAPI_EXPORT_PATH"
    )]
    pub openapi_export_path: Option<PathBuf>,
    /// API key without which nobody gets in: letters and digits. When absent, everybody does.
    #[arg(
        id = "registry_api_key",
        long = "registry-api-key",
        env = "CONFIG_API_KEY",
        hide_env_values = true
    )]
    pub api_key: Option<Secret>,
    /// Audience of tokens of the cluster that are taken, such as `beamline.dev`. When absent, none are.
    #[arg(
        id = "registry_token_audience",
        long = "registry-token-audience",
        env = "CONFIG_TOKEN_AUDIENCE"
    )]
    pub token_audience: Option<String>,
    /// What has no effect here.
    #[command(flatten)]
    pub unused: Unused,
}

/// A level as Python names it, as the logs here do.
fn log_level(text: &str) -> Result<&'static str, String> {
    match text.to_ascii_uppercase().as_str() {
        "DEBUG" => Ok("debug"),
        "INFO" => Ok("info"),
        "WARNING" | "WARN" => Ok("warn"),
        "ERROR" | "CRITICAL" => Ok("error"),
        _ => Err(format!("'{text}' is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL")),
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8004,
            cors_origins: None,
            cors_allow_credentials: false,
            writable: true,
            lock_all: false,
            lock_lease_ttl_seconds: 0.0,
            device_class_allowlist: JsonList::default(),
            runtime_edits: false,
            load_strategy: Strategy::Auto,
            profile_path: None,
            use_mock_data: false,
            service_name: "configuration_service".to_owned(),
            log_level: "info",
            openapi_export_path: None,
            api_key: None,
            token_audience: None,
            unused: Unused::default(),
        }
    }
}

impl Settings {
    /// Who gets in.
    pub(crate) fn policy(&self) -> Policy {
        Policy::keyed(self.api_key.as_ref(), self.token_audience.as_deref())
    }

    /// What pages of other origins are told.
    pub(crate) fn cors(&self) -> Cors {
        Cors::of(self.cors_origins.as_ref(), self.cors_allow_credentials)
    }

    /// Which web pages may call.
    pub(crate) fn pages(&self) -> Pages {
        Pages::of("CONFIG_CORS_ORIGINS", self.cors_origins.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::Settings;

    #[test]
    fn the_defaults_of_the_command_line_are_the_defaults() {
        let command = Settings::augment_args(clap::Command::new("registry"));
        let parsed = Settings::from_arg_matches(&command.get_matches_from(["registry"])).unwrap();
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Settings::default()));
    }

    #[test]
    fn truth_values_and_lists_are_read_as_upstream_reads_them() {
        let command = Settings::augment_args(clap::Command::new("registry"));
        let arguments =
            ["registry", "--registry-lock-all", "yes", "--registry-cors-origins", "[\"http://a\"]"];
        let parsed = Settings::from_arg_matches(&command.get_matches_from(arguments)).unwrap();
        assert!(parsed.lock_all && parsed.writable);
        assert_eq!(parsed.cors().origins, ["http://a"]);
    }
}
