//! What a worker is started with.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crds::Suspender;

/// Settings of one worker; flags and environment of `beamline worker`.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "worker")]
pub struct Settings {
    /// WebSocket address of the queue pod, such as `ws://127.0.0.1:60610`. The path is added where it is missing.
    #[arg(long, env = "BEAMLINE_WORKER_CONNECT_TO")]
    pub connect_to: String,

    /// One-time token that admits the worker. Give it in the environment: the command line is for all to see.
    #[arg(long, env = "BEAMLINE_WORKER_TOKEN", hide_env_values = true)]
    pub token: Token,

    /// Epoch of the queue's lease; commands of an older one are refused.
    #[arg(long, env = "BEAMLINE_WORKER_EPOCH", default_value_t = 0)]
    pub epoch: i64,

    /// Folder for the documents of the runs, one file a run, and for the last scan id.
    #[arg(long, env = "BEAMLINE_WORKER_RUNS_DIR")]
    pub runs_dir: PathBuf,

    /// 0MQ address on which documents are published, such as `tcp://127.0.0.1:5578`; not published without one.
    /// `bluesky.callbacks.zmq.RemoteDispatcher` connects to it.
    #[arg(long, env = "BEAMLINE_WORKER_DOCUMENTS_ADDRESS")]
    pub documents_address: Option<String>,

    /// Address of the Kubernetes API, such as `http://127.0.0.1:8443`; without it, as `kubectl` finds it.
    #[arg(long, env = "BEAMLINE_API_SERVER")]
    pub api_server: Option<http::Uri>,

    /// Leave out the simulated devices.
    #[arg(long, env = "BEAMLINE_WORKER_NO_SIMULATED_DEVICES")]
    pub no_simulated_devices: bool,

    /// What makes plans wait, as a JSON list of what `suspenders` of a `Queue` holds.
    #[arg(
        long,
        env = "BEAMLINE_WORKER_SUSPENDERS",
        default_value = "[]",
        hide_default_value = true
    )]
    pub suspenders: SuspenderList,
}

/// Conditions under which plans wait.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SuspenderList(pub Vec<Suspender>);

impl FromStr for SuspenderList {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text).map(Self)
    }
}

impl Settings {
    /// A client of the API that the settings name, with `namespace` as its default.
    ///
    /// # Errors
    /// When there is no configuration, or it cannot be followed.
    pub async fn client(&self, namespace: &str) -> Result<kube::Client, ClientError> {
        let mut config = match &self.api_server {
            Some(address) => kube::Config::new(address.clone()),
            None => kube::Config::infer().await?,
        };
        config.default_namespace = namespace.to_owned();
        Ok(kube::Client::try_from(config)?)
    }
}

/// There is no way to the Kubernetes API.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing says where it is.
    #[error("failed to find the Kubernetes API: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// What is said cannot be followed.
    #[error("failed to set up the client of the Kubernetes API: {0}")]
    Client(#[from] kube::Error),
}

/// A secret that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl From<&str> for Token {
    fn from(token: &str) -> Self {
        Self(token.to_owned())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
