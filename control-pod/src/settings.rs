//! Settings of direct control, under their upstream names (contract §2.7).
//!
//! Not here because they have no meaning without HTTP between pods or are unused upstream:
//! `CONFIGURATION_SERVICE_URL`, `REGISTRY_*`, `CONFIG_SERVICE_*`, `WS_MESSAGE_QUEUE_SIZE`,
//! `PV_BUFFER_SIZE`, `METRICS_PORT`, `ENABLE_*`, and `IMAGE_FRAME_QUEUE_SIZE`: no pictures queue, the newest is sent.

use std::time::Duration;

use service::access::{Pages, Policy, Secret};
use service::settings::{Cors, JsonList, json_list, lax_bool};

use crate::camera::encode::Encoding;

/// Settings of direct control. Every one is an option and an environment variable
/// `DIRECT_CONTROL_…`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[group(id = "control_settings")]
#[command(next_help_heading = "Direct control")]
pub struct Settings {
    /// Address to listen on
    #[arg(
        id = "control_host",
        long = "control-host",
        env = "DIRECT_CONTROL_HOST",
        default_value = "0.0.0.0"
    )]
    pub host: String,
    /// Port to listen on; 0 lets the system choose
    #[arg(
        id = "control_port",
        long = "control-port",
        env = "DIRECT_CONTROL_PORT",
        default_value = "8003"
    )]
    pub port: u16,
    /// Refuse every write
    #[arg(long = "control-read-only", env = "DIRECT_CONTROL_GLOBAL_READ_ONLY", default_value = "true",
        value_name = "BOOL", action = clap::ArgAction::Set, value_parser = lax_bool)]
    pub global_read_only: bool,
    /// Refuse commands to devices that are switched off or locked
    #[arg(long, env = "DIRECT_CONTROL_COORDINATION_CHECK_ENABLED", default_value = "true",
        value_name = "BOOL", action = clap::ArgAction::Set, value_parser = lax_bool)]
    pub coordination_check_enabled: bool,
    /// Seconds that the registry may be out of reach before commands are refused
    #[arg(long, env = "DIRECT_CONTROL_COORDINATION_TIMEOUT", default_value = "5",
        value_name = "SECONDS", value_parser = seconds)]
    pub coordination_timeout: Duration,
    /// Seconds that a command may take when the request does not say
    #[arg(long, env = "DIRECT_CONTROL_COMMAND_TIMEOUT", default_value = "30",
        value_name = "SECONDS", value_parser = seconds)]
    pub command_timeout: Duration,
    /// Stop a device that did not finish in time
    #[arg(long, env = "DIRECT_CONTROL_STOP_ON_COMMAND_TIMEOUT", default_value = "true",
        value_name = "BOOL", action = clap::ArgAction::Set, value_parser = lax_bool)]
    pub stop_on_command_timeout: bool,
    /// Check values against a PV's control limits when the request does not say
    #[arg(long, env = "DIRECT_CONTROL_CHECK_CTRL_LIMITS", default_value = "true",
        value_name = "BOOL", action = clap::ArgAction::Set, value_parser = lax_bool)]
    pub check_ctrl_limits: bool,
    /// Seconds that reading the limits may take
    #[arg(long, env = "DIRECT_CONTROL_CTRL_LIMIT_READ_TIMEOUT", default_value = "1",
        value_name = "SECONDS", value_parser = seconds)]
    pub ctrl_limit_read_timeout: Duration,
    /// Seconds that the PVs of a device may take to connect
    #[arg(long, env = "DIRECT_CONTROL_DEVICE_CONNECT_TIMEOUT", default_value = "10",
        value_name = "SECONDS", value_parser = seconds)]
    pub device_connect_timeout: Duration,
    /// Most sockets at a time
    #[arg(
        long,
        env = "DIRECT_CONTROL_WS_MAX_CONNECTIONS",
        default_value = "100",
        value_name = "N"
    )]
    pub ws_max_connections: usize,
    /// Seconds between two heartbeats; 0 sends none
    #[arg(long, env = "DIRECT_CONTROL_WS_HEARTBEAT_INTERVAL", default_value = "30",
        value_name = "SECONDS", value_parser = seconds)]
    pub ws_heartbeat_interval: Duration,
    /// Seconds that the closing frame of a socket may take
    #[arg(long, env = "DIRECT_CONTROL_WS_SEND_TIMEOUT", default_value = "5",
        value_name = "SECONDS", value_parser = seconds)]
    pub ws_send_timeout: Duration,
    /// Bytes for a client that the kernel has not begun to send, most; 0 is as many as it likes. Newer values cannot replace them
    #[arg(
        long,
        env = "DIRECT_CONTROL_UNSENT_LIMIT",
        default_value = "131072",
        value_name = "BYTES"
    )]
    pub unsent_limit: u32,
    /// Most subscriptions of one socket; 0 is unlimited
    #[arg(
        long,
        env = "DIRECT_CONTROL_MAX_SUBSCRIPTIONS_PER_CLIENT",
        default_value = "1000",
        value_name = "N"
    )]
    pub max_subscriptions_per_client: usize,
    /// Writes that are kept for `GET /api/v1/audit`; with 0 there is no such route. The log has all
    #[arg(long, env = "DIRECT_CONTROL_AUDIT_KEEP", default_value = "1000", value_name = "N")]
    pub audit_keep: usize,
    /// PVs a second that are newly searched for, to show whether devices are connected; 0 shows nothing
    #[arg(long, env = "DIRECT_CONTROL_CONNECTION_RATE", default_value = "200", value_name = "N")]
    pub connection_rate: u32,
    /// Name of the pod that this is, on a cluster
    #[arg(id = "control_pod_name", long = "control-pod-name", env = "BEAMLINE_POD_NAME")]
    pub pod_name: Option<String>,
    /// Seconds that a PV which nobody follows stays monitored
    #[arg(long, env = "DIRECT_CONTROL_PV_MONITOR_IDLE_TTL", default_value = "300",
        value_name = "SECONDS", value_parser = seconds)]
    pub pv_monitor_idle_ttl: Duration,
    /// Seconds between two looks for idle monitors; 0 never looks
    #[arg(long, env = "DIRECT_CONTROL_PV_MONITOR_SWEEP_INTERVAL", default_value = "60",
        value_name = "SECONDS", value_parser = seconds)]
    pub pv_monitor_sweep_interval: Duration,
    /// Longest answer and longest frame
    #[arg(
        long,
        env = "DIRECT_CONTROL_RESPONSE_BYTESIZE_LIMIT",
        default_value = "100000000",
        value_name = "BYTES"
    )]
    pub response_bytesize_limit: usize,
    /// Longest side of a picture in pixels; what is larger is scaled down
    #[arg(long, env = "DIRECT_CONTROL_IMAGE_MAX_DIMENSION", default_value = "2500",
        value_name = "PIXELS", value_parser = dimension)]
    pub image_max_dimension: usize,
    /// Seconds in which a client must select its camera; 0 is without end
    #[arg(long, env = "DIRECT_CONTROL_IMAGE_SELECTION_TIMEOUT", default_value = "30",
        value_name = "SECONDS", value_parser = seconds)]
    pub image_selection_timeout: Duration,
    /// Format of pictures when the client does not say: jpeg, png or webp
    #[arg(long, env = "DIRECT_CONTROL_IMAGE_ENCODING", default_value = "jpeg",
        value_name = "FORMAT", value_parser = encoding)]
    pub image_encoding: Encoding,
    /// Quality of JPEG pictures when the client does not say, 1 to 100
    #[arg(long, env = "DIRECT_CONTROL_IMAGE_JPEG_QUALITY", default_value = "100",
        value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub image_jpeg_quality: u8,
    /// Show pictures on a logarithmic scale until the client says otherwise
    #[arg(long, env = "DIRECT_CONTROL_IMAGE_LOG_NORMALIZATION_DEFAULT", default_value = "true",
        value_name = "BOOL", action = clap::ArgAction::Set, value_parser = lax_bool)]
    pub image_log_normalization_default: bool,
    /// Array of the camera that a camera-socket shows when the client names none
    #[arg(
        long,
        env = "DIRECT_CONTROL_CAMERA_DEFAULT_IMAGE_ARRAY_PV",
        default_value = "13SIM1:image1:ArrayData",
        value_name = "PV"
    )]
    pub camera_default_image_array_pv: String,
    /// Prefix of the camera that a tiff-socket shows when the client names none
    #[arg(
        long,
        env = "DIRECT_CONTROL_TIFF_DEFAULT_PREFIX",
        default_value = "13PIL1",
        value_name = "PREFIX"
    )]
    pub tiff_default_prefix: String,
    /// Browser origins that may call, as a JSON list; `["*"]` for all. When absent, pages of this service and of localhost
    #[arg(long = "control-cors-origins", env = "DIRECT_CONTROL_CORS_ORIGINS", value_name = "JSON",
        value_parser = json_list)]
    pub cors_origins: Option<JsonList>,
    /// Let browsers send cookies and authorisation; without effect while every origin may call
    #[arg(long = "control-cors-allow-credentials", env = "DIRECT_CONTROL_CORS_ALLOW_CREDENTIALS", default_value = "false",
        value_name = "BOOL", action = clap::ArgAction::Set, value_parser = lax_bool)]
    pub cors_allow_credentials: bool,
    /// API key without which nobody gets in, to the API of ophyd-websocket neither: letters and digits. When absent, everybody does
    #[arg(long = "control-api-key", env = "DIRECT_CONTROL_API_KEY", hide_env_values = true)]
    pub api_key: Option<Secret>,
    /// Audience of tokens of the cluster that are taken, such as `beamline.dev`; by the API of ophyd-websocket too. When absent, none are
    #[arg(
        long = "control-token-audience",
        env = "DIRECT_CONTROL_TOKEN_AUDIENCE",
        value_name = "NAME"
    )]
    pub token_audience: Option<String>,
    /// The API of ophyd-websocket beside ours
    #[command(flatten)]
    pub oas: crate::oas::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 8003,
            global_read_only: true,
            coordination_check_enabled: true,
            coordination_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(30),
            stop_on_command_timeout: true,
            check_ctrl_limits: true,
            ctrl_limit_read_timeout: Duration::from_secs(1),
            device_connect_timeout: Duration::from_secs(10),
            ws_max_connections: 100,
            ws_heartbeat_interval: Duration::from_secs(30),
            ws_send_timeout: Duration::from_secs(5),
            unsent_limit: 131_072,
            max_subscriptions_per_client: 1000,
            audit_keep: 1000,
            connection_rate: 200,
            pod_name: None,
            pv_monitor_idle_ttl: Duration::from_secs(300),
            pv_monitor_sweep_interval: Duration::from_secs(60),
            response_bytesize_limit: 100_000_000,
            image_max_dimension: 2500,
            image_selection_timeout: Duration::from_secs(30),
            image_encoding: Encoding::Jpeg,
            image_jpeg_quality: 100,
            image_log_normalization_default: true,
            camera_default_image_array_pv: "13SIM1:image1:ArrayData".to_owned(),
            tiff_default_prefix: "13PIL1".to_owned(),
            cors_origins: None,
            cors_allow_credentials: false,
            api_key: None,
            token_audience: None,
            oas: crate::oas::Settings::default(),
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
        Pages::of("DIRECT_CONTROL_CORS_ORIGINS", self.cors_origins.as_ref())
    }
}

/// A number of seconds, 0 or more, with or without decimals.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| format!("'{text}' is not a number of seconds"))?;
    Duration::try_from_secs_f64(number)
        .map_err(|_| format!("'{text}' is not a number of seconds from 0 up"))
}

/// Pixels on the longest side: 1 to the most that every format takes.
fn dimension(text: &str) -> Result<usize, String> {
    const MOST: usize = 16_383;
    let pixels = text.parse().ok().filter(|pixels| (1..=MOST).contains(pixels));
    pixels.ok_or_else(|| format!("'{text}' is not a number of pixels from 1 to {MOST}"))
}

fn encoding(text: &str) -> Result<Encoding, String> {
    Encoding::of_name(text).ok_or_else(|| format!("'{text}' is not jpeg, png or webp"))
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    fn parsed(args: &[&str]) -> Result<Settings, clap::Error> {
        let command = Settings::augment_args(clap::Command::new("test"));
        let matches = command.try_get_matches_from([&["test"], args].concat())?;
        Settings::from_arg_matches(&matches)
    }

    #[test]
    fn what_is_not_given_has_the_upstream_default() {
        let settings = parsed(&[]).unwrap();
        assert_eq!(settings, Settings::default());
        assert!(settings.global_read_only, "writes are off until somebody switches them on");
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        let settings = parsed(&["--control-read-only", "off", "--command-timeout", "0.5"]).unwrap();
        assert!(!settings.global_read_only);
        assert_eq!(settings.command_timeout, Duration::from_millis(500));
        let error = parsed(&["--command-timeout=-1"]).unwrap_err().to_string();
        assert!(error.contains("from 0 up"), "{error}");
    }
}
