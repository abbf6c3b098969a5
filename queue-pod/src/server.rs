//! The queue server as a whole: bind first, serve later.

use std::net::SocketAddr;
use std::sync::Arc;

use kube::Client;
use service::access::{ConfigError, Entrance, Gate, Pages, Policy, PolicyError, Store};
use service::health::Readiness;
use service::http::Listener;
use service::lease;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::checkout::Checkout;
use crate::console::Level;
use crate::desk::{Desk, WAITING_REQUESTS, now};
use crate::driver::door::Door;
use crate::driver::{Driver, DriverError};
use crate::http::{Front, router};
use crate::lock;
use crate::machine::{Setup, State};
use crate::settings::Settings;
use crate::zmq::{Port, Ports, ZmqServeError};

/// A port cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port is taken or not there.
    #[error(transparent)]
    Port(#[from] service::http::BindError),
    /// Who gets in cannot be as it was said.
    #[error("the queue server cannot start: {0}")]
    Access(#[from] PolicyError),
    /// The configuration of access cannot be used.
    #[error("the queue server cannot start: {0}")]
    Config(#[from] ConfigError),
    /// The address is not one.
    #[error("{0}")]
    Address(String),
}

impl From<String> for BindError {
    fn from(text: String) -> Self {
        Self::Address(text)
    }
}

/// The server stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The HTTP side.
    #[error(transparent)]
    Http(#[from] service::http::ServeError),
    /// The 0MQ side.
    #[error(transparent)]
    Zmq(#[from] ZmqServeError),
    /// The actor and what it needs.
    #[error(transparent)]
    Driver(#[from] DriverError),
}

/// The queue server, bound to its three ports.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    http: Listener,
    policy: Policy,
    entrance: Entrance,
    zmq: Ports,
}

impl Server {
    /// Binds the HTTP port and both 0MQ ports.
    ///
    /// # Errors
    /// One line that names the port and the reason.
    pub async fn bind(settings: Settings) -> Result<Self, BindError> {
        let http = Listener::bind(&settings.http, "the queue server").await?;
        let zmq = Ports::bind(&settings).await?;
        let policy = settings.access.policy()?;
        let entrance = policy.entrance(http.addr().ip().is_loopback())?;
        Ok(Self { settings, http, policy, entrance, zmq })
    }

    /// Where HTTP listens.
    pub fn http_addr(&self) -> SocketAddr {
        self.http.addr()
    }

    /// How one gets in over HTTP.
    pub fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    /// Where 0MQ takes requests.
    pub fn zmq_control_addr(&self) -> SocketAddr {
        self.zmq.control.addr()
    }

    /// Where 0MQ publishes status and console, if it does.
    pub fn zmq_info_addr(&self) -> Option<SocketAddr> {
        self.zmq.info.as_ref().map(Port::addr)
    }

    /// Serves the queue until `shutdown`. The store is the Kubernetes API behind `client`, in `namespace`.
    ///
    /// # Errors
    /// [`ServeError`] when a part of it ended by itself; everything else then ends too.
    pub async fn serve(
        self,
        client: Client,
        namespace: String,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let Self { settings, http, policy, entrance, zmq } = self;
        let setup = Setup {
            queue: settings.queue.clone(),
            banner: format!("RE Manager v{}", settings.shown_version),
            emergency_key_hash: settings.emergency_lock_key.as_deref().map(lock::hash),
            orphan_grace: f64::from(settings.orphan_grace_s),
            metadata_keys: settings.permitted_re_metadata_keys.clone(),
            reload: settings.files.reload,
            can_be_stopped: settings.can_be_stopped,
        };
        let state = State::new(setup.clone());
        let (sender, signals) = mpsc::channel(WAITING_REQUESTS);
        let desk = Desk::new(&state, sender.clone(), settings.output);
        let door = Door::default();
        let readiness = Readiness::new();
        readiness.not_ready("lease", "nobody is known to lead the queue");
        readiness.not_ready("kubernetes", "the queue is not read yet");
        let worker_address = worker_address(&settings, http.addr());
        let holder = settings.holder.clone();
        let holder = holder.unwrap_or_else(|| lease::identity(settings.pod_name.as_deref()));
        let connect_to = format!("ws://{worker_address}{}", plan_worker::protocol::PATH);
        // Whatever ends first takes the rest with it.
        let inner = shutdown.child_token();
        let front = Front {
            desk: desk.clone(),
            door: door.clone(),
            actor: sender.clone(),
            checkout: Checkout::new(settings.profile_collection_dir.clone()),
            shutdown: inner.clone(),
        };
        let accounts = format!("queue-accounts-{}", settings.queue);
        let accounts = Store::new(client.clone(), &namespace, accounts);
        let gate = Gate::new("queue", &policy, entrance, accounts);
        let origins = settings.origins();
        let pages = Pages::of("QSERVER_HTTP_SERVER_ALLOW_ORIGINS", Some(&origins));
        let pages = pages.listening(&http, &gate);
        let router = router(front, &gate, readiness.clone(), (origins, pages));
        let driver = Driver {
            client,
            namespace,
            signals,
            sender,
            desk: desk.clone(),
            door,
            setup,
            connect_to,
            readiness,
            lease: Driver::lease(&settings.queue, holder),
            pod: settings.pod_name.clone().filter(|pod| !pod.is_empty()),
            orphan_grace_s: settings.orphan_grace_s,
            files: Arc::new(settings.files.clone()),
        };
        tracing::info!(
            http = %http.addr(),
            zmq_control = %zmq.control.addr(),
            zmq_info = zmq.info.as_ref().map(|info| tracing::field::display(info.addr())),
            "the queue server listens"
        );
        let line = format!("ZeroMQ server is waiting on {}", settings.zmq_control);
        desk.console.say(now(), Level::Info, &line);
        announce(gate.entrance(), http.addr());
        if *gate.entrance() == Entrance::Accounts && policy.single_user_key.is_some() {
            tracing::warn!("users log in here: the single-user API key opens nothing");
        }
        let _ends_all = inner.clone().drop_guard();
        let http = async {
            let served = service::http::serve(http, router, inner.clone()).await;
            inner.cancel();
            served.map_err(ServeError::from)
        };
        let zmq = async {
            let served = zmq.serve(desk, inner.clone()).await;
            inner.cancel();
            served.map_err(ServeError::from)
        };
        let driver = async {
            let ended = driver.run(inner.clone()).await;
            inner.cancel();
            ended.map_err(ServeError::from)
        };
        let (http, zmq, driver) = tokio::join!(http, zmq, driver);
        driver.and(http).and(zmq)
    }
}

/// Says how one gets in, as loudly as that deserves.
fn announce(entrance: &Entrance, http: SocketAddr) {
    match entrance {
        Entrance::Open if http.ip().is_loopback() => tracing::warn!(
            %http, "nobody is asked for a key: whoever works on this machine may run plans"
        ),
        Entrance::Open => tracing::warn!(
            %http, "nobody is asked for a key: whoever reaches this address may run plans"
        ),
        Entrance::Key(_) => tracing::info!(%http, "requests over HTTP need the API key"),
        Entrance::ClusterTokens => {
            tracing::info!(%http, "requests over HTTP need a token of the cluster");
        }
        Entrance::Accounts => {
            tracing::info!(%http, "requests over HTTP need a login or an API key of an account");
        }
        Entrance::MadeUpKey(key) => tracing::warn!(
            %http,
            key = key.reveal(),
            "no API key is set: requests over HTTP need this one, which holds until the next start"
        ),
    }
}

/// Where workers reach this server.
fn worker_address(settings: &Settings, http: SocketAddr) -> String {
    match (&settings.worker_address, settings.pod_ip) {
        (Some(address), _) => address.clone(),
        (None, Some(ip)) => SocketAddr::new(ip, http.port()).to_string(),
        (None, None) => reachable(http),
    }
}

/// The address at which this machine reaches itself.
fn reachable(addr: SocketAddr) -> String {
    match addr.ip().is_unspecified() {
        true => format!("127.0.0.1:{}", addr.port()),
        false => addr.to_string(),
    }
}
