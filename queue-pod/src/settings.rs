//! Settings of the queue server, under the names of bluesky-queueserver and bluesky-httpserver where they have one.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use service::access::{self, ConfigError, Directory, Lifetimes, Policy, Secret};
use service::settings::{JsonList, lax_bool};

use crate::console::Output;
use crate::encoding::Encoding;
use crate::files::Files;

/// `metadata.name` of the queue that is served unless told otherwise.
const DEFAULT_QUEUE: &str = crds::queue::DEFAULT_NAME;

/// How long a worker goes on without a queue server, in seconds: a standby takes over within 15 s, a pod restarts in less than 60 s.
const DEFAULT_ORPHAN_GRACE: u32 = 60;

/// Settings of the queue server.
#[derive(Args, Clone, Debug)]
#[group(id = "queue_server")]
pub struct Settings {
    /// Address of the HTTP API.
    #[arg(long = "queue-http", env = "QSERVER_HTTP_ADDRESS", default_value = "127.0.0.1:60610")]
    pub http: String,
    /// Address of the 0MQ control socket.
    #[arg(
        long = "zmq-control-addr",
        env = "QSERVER_ZMQ_CONTROL_ADDRESS_FOR_SERVER",
        default_value = "tcp://127.0.0.1:60615"
    )]
    pub zmq_control: String,
    /// Address of the 0MQ socket on which status and console are published.
    #[arg(
        long = "zmq-info-addr",
        env = "QSERVER_ZMQ_INFO_ADDRESS_FOR_SERVER",
        default_value = "tcp://127.0.0.1:60625"
    )]
    pub zmq_info: String,
    /// Private key with which the 0MQ control socket speaks CURVE, as `qserver-zmq-keys` makes it: clients then need the public one. Not encrypted without it.
    #[arg(
        long = "zmq-private-key",
        env = "QSERVER_ZMQ_PRIVATE_KEY_FOR_SERVER",
        hide_env_values = true
    )]
    pub zmq_private_key: Option<String>,
    /// Whether status and console are published over 0MQ at all.
    #[arg(skip = true)]
    pub zmq_publish: bool,
    /// What is printed on the console, and where it is shown besides.
    #[arg(skip)]
    pub output: Output,
    /// Encoding of everything that goes over 0MQ: `json` or `msgpack`.
    #[arg(
        long,
        env = "QSERVER_ZMQ_ENCODING_FOR_SERVER",
        default_value = "json",
        hide_possible_values = true
    )]
    pub zmq_encoding: Encoding,
    /// Version that clients are told, behind `RE Manager v`.
    #[arg(long = "queue-version", env = "QSERVER_VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    pub shown_version: String,
    /// What `re_metadata` may tell of the metadata of the Run Engine: paths such as `/key/inner`, several words or with colons between them; `/` for everything.
    #[arg(
        long,
        env = "QSERVER_PERMITTED_RE_METADATA_KEYS",
        default_value = "/",
        num_args = 1..,
        value_delimiter = ':'
    )]
    pub permitted_re_metadata_keys: Vec<String>,
    /// The files of the profile.
    #[command(flatten)]
    pub files: Files,
    /// Git checkout of the profile, to be looked at and pulled over HTTP. Without it, nothing is.
    #[arg(long, env = "QSERVER_HTTP_SERVER_PROFILE_COLLECTION_DIR", value_name = "PATH")]
    pub profile_collection_dir: Option<PathBuf>,
    /// Whether `manager_stop` may end this server: not when it is a part of something larger.
    #[arg(skip = true)]
    pub can_be_stopped: bool,
    /// `metadata.name` of the queue.
    #[arg(long = "queue", env = "QSERVER_QUEUE", default_value = DEFAULT_QUEUE)]
    pub queue: String,
    /// Host and port at which workers reach the HTTP API; where it listens when absent.
    #[arg(long = "queue-worker-address", env = "QSERVER_WORKER_ADDRESS")]
    pub worker_address: Option<String>,
    /// Name of the pod: how this server is known among those of its queue, and what it labels when it leads.
    #[arg(id = "queue_pod_name", long = "queue-pod-name", env = "BEAMLINE_POD_NAME")]
    pub pod_name: Option<String>,
    /// Address of the pod, at which workers reach it.
    #[arg(id = "queue_pod_ip", long = "queue-pod-ip", env = "BEAMLINE_POD_IP")]
    pub pod_ip: Option<std::net::IpAddr>,
    /// How long a worker goes on with its plan without a queue server, in seconds. With 0 it stops at once.
    #[arg(
        long = "orphan-grace",
        env = "BEAMLINE_ORPHAN_GRACE_SECONDS",
        default_value_t = DEFAULT_ORPHAN_GRACE,
        value_parser = clap::value_parser!(u32).range(..=3600)
    )]
    pub orphan_grace_s: u32,
    /// Who holds the lease when there is no pod: a name that outlives a restart. Made up at each start when absent.
    #[arg(skip)]
    pub holder: Option<String>,
    /// Key that `unlock` accepts besides the one of the lock.
    #[arg(
        long = "emergency-lock-key",
        env = "QSERVER_EMERGENCY_LOCK_KEY_FOR_SERVER",
        hide_env_values = true
    )]
    pub emergency_lock_key: Option<String>,
    /// Browser origins that may call the HTTP API, separated by spaces; `*` for all. When absent, pages of this server and of localhost.
    #[arg(
        long = "queue-allow-origins",
        env = "QSERVER_HTTP_SERVER_ALLOW_ORIGINS",
        default_value = ""
    )]
    pub allow_origins: String,
    /// Who gets in over HTTP.
    #[command(flatten)]
    pub access: Access,
}

/// Who gets in over HTTP. 0MQ has keys of its own.
#[derive(Args, Clone, Debug, Default)]
#[group(id = "queue_access")]
pub struct Access {
    /// API key that lets one user do everything: letters and digits. With it, nobody gets in without a key.
    #[arg(
        id = "queue_single_user_api_key",
        long = "queue-api-key",
        env = "QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY",
        hide_env_values = true
    )]
    pub single_user_api_key: Option<Secret>,
    /// Whether those without a key may read the status.
    #[arg(
        id = "queue_allow_anonymous",
        long = "queue-allow-anonymous",
        env = "QSERVER_HTTP_SERVER_ALLOW_ANONYMOUS_ACCESS",
        default_value = "false",
        value_parser = lax_bool,
        action = ArgAction::Set
    )]
    pub allow_anonymous: bool,
    /// Whether nobody is asked for a key while none is set. When absent: only if it listens on loopback; else a key is made up and logged.
    #[arg(
        id = "queue_open_access",
        long = "queue-open-access",
        env = "QSERVER_HTTP_SERVER_OPEN_ACCESS",
        value_parser = lax_bool,
        action = ArgAction::Set
    )]
    pub open: Option<bool>,
    /// Audience of tokens of the cluster that are taken, such as `beamline.dev`. When absent, none are.
    #[arg(
        id = "queue_token_audience",
        long = "queue-token-audience",
        env = "QSERVER_HTTP_SERVER_TOKEN_AUDIENCE"
    )]
    pub token_audience: Option<String>,
    /// Configuration file of bluesky-httpserver, or a folder of them: who may log in, and what each may do.
    #[arg(id = "queue_config", long = "queue-config", env = "QSERVER_HTTP_SERVER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Keys that sign access tokens, separated by `;`: the first signs, all are good. When absent, one is made up and kept.
    #[arg(
        id = "queue_secret_keys",
        long = "queue-secret-keys",
        env = "QSERVER_HTTP_SERVER_SERVER_SECRET_KEYS",
        hide_env_values = true
    )]
    pub secret_keys: Option<Secret>,
    /// How long an access token is good for, in seconds; 900 when absent.
    #[arg(
        id = "queue_access_token_max_age",
        long = "queue-access-token-max-age",
        env = "QSERVER_HTTP_SERVER_ACCESS_TOKEN_MAX_AGE"
    )]
    pub access_token_max_age_s: Option<u32>,
    /// How long a refresh token is good for, in seconds; 604800 when absent.
    #[arg(
        id = "queue_refresh_token_max_age",
        long = "queue-refresh-token-max-age",
        env = "QSERVER_HTTP_SERVER_REFRESH_TOKEN_MAX_AGE"
    )]
    pub refresh_token_max_age_s: Option<u32>,
    /// How long a login lasts, however often it is refreshed, in seconds; 31536000 when absent.
    #[arg(
        id = "queue_session_max_age",
        long = "queue-session-max-age",
        env = "QSERVER_HTTP_SERVER_SESSION_MAX_AGE"
    )]
    pub session_max_age_s: Option<u32>,
}

impl Access {
    /// What the settings come to. What the configuration says counts before them, as upstream.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(crate) fn policy(&self) -> Result<Policy, ConfigError> {
        let secret_keys = self.secret_keys.iter().flat_map(|keys| keys.reveal().split(';'));
        let usual = Lifetimes::default();
        let policy = Policy {
            single_user_key: self.single_user_api_key.clone(),
            allow_anonymous: self.allow_anonymous,
            open: self.open,
            audience: self.token_audience.clone().filter(|one| !one.is_empty()),
            directory: Directory::default(),
            secret_keys: secret_keys.filter(|key| !key.is_empty()).map(Secret::from).collect(),
            lifetimes: Lifetimes {
                access_s: self.access_token_max_age_s.unwrap_or(usual.access_s),
                refresh_s: self.refresh_token_max_age_s.unwrap_or(usual.refresh_s),
                session_s: self.session_max_age_s.unwrap_or(usual.session_s),
            },
        };
        match &self.config {
            Some(path) => access::read_configuration(path, policy),
            None => Ok(policy),
        }
    }
}

impl Settings {
    /// Browser origins that may call the HTTP API.
    pub(crate) fn origins(&self) -> JsonList {
        JsonList(self.allow_origins.split_whitespace().map(str::to_owned).collect())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http: "127.0.0.1:60610".to_owned(),
            zmq_control: "tcp://127.0.0.1:60615".to_owned(),
            zmq_info: "tcp://127.0.0.1:60625".to_owned(),
            zmq_publish: true,
            output: Output::default(),
            zmq_private_key: None,
            zmq_encoding: Encoding::default(),
            shown_version: env!("CARGO_PKG_VERSION").to_owned(),
            permitted_re_metadata_keys: vec!["/".to_owned()],
            files: Files::default(),
            profile_collection_dir: None,
            can_be_stopped: true,
            queue: DEFAULT_QUEUE.to_owned(),
            worker_address: None,
            pod_name: None,
            pod_ip: None,
            orphan_grace_s: DEFAULT_ORPHAN_GRACE,
            holder: None,
            emergency_lock_key: None,
            allow_origins: String::new(),
            access: Access::default(),
        }
    }
}

/// `host:port` of a 0MQ address; `*` means every interface.
///
/// # Errors
/// A sentence that names the address.
pub(crate) fn zmq_host_port(address: &str) -> Result<String, String> {
    let host_port = address
        .strip_prefix("tcp://")
        .ok_or_else(|| format!("'{address}' is not a 0MQ address such as tcp://*:60615"))?;
    Ok(match host_port.strip_prefix('*') {
        Some(port) => format!("0.0.0.0{port}"),
        None => host_port.to_owned(),
    })
}
