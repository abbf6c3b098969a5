//! Binding and serving direct control.

use std::sync::Arc;
use std::time::Duration;

use channels::PvClient;
use crds::DeviceClassSpec;
use kube::Client;
use service::access::{Entrance, Gate, Policy, PolicyError};
use service::http::{BindError, Listener, ServeError};
use service::lease;
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connections::Connections;
use crate::gateway::{Gateway, Pvs};
use crate::http;
use crate::oas::Oas;
use crate::registry::View;
use crate::registry::watch::Watches;
use crate::settings::Settings;
use crate::socket::pace::LOOK;

/// How long sessions and monitors may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// Direct control cannot start or had to end.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The shipped device classes cannot be read.
    #[error(transparent)]
    Catalogue(#[from] crds::catalogue::Error),
    /// The API key cannot be one.
    #[error("direct control cannot start: {0}")]
    Access(#[from] PolicyError),
    /// Accepting connections failed for good.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Direct control with its port bound, not serving yet.
#[derive(Debug)]
pub struct Server {
    shipped: Vec<DeviceClassSpec>,
    listener: Listener,
    oas: Option<Listener>,
    policy: Policy,
    entrance: Entrance,
    settings: Settings,
}

impl Server {
    /// Binds the ports and reads the shipped device classes.
    ///
    /// # Errors
    /// One line that names the service, the address and the reason.
    pub async fn bind(settings: Settings) -> Result<Self, ServerError> {
        let shipped = crds::catalogue::shipped()?.into_iter().map(|class| class.spec).collect();
        let addr = format!("{}:{}", settings.host, settings.port);
        let listener = Listener::bind(&addr, "direct control").await?;
        let listener = listener.with_unsent_limit(settings.unsent_limit);
        let oas = if settings.oas.enabled {
            let addr = format!("{}:{}", settings.oas.host, settings.oas.port);
            let listener = Listener::bind(&addr, "the API of ophyd-websocket").await?;
            Some(listener.with_unsent_limit(settings.unsent_limit))
        } else {
            None
        };
        let policy = settings.policy();
        let entrance = policy.entrance(listener.addr().ip().is_loopback())?;
        Ok(Self { shipped, listener, oas, policy, entrance, settings })
    }

    /// Where the API of ophyd-websocket is, unless it is switched off.
    pub fn oas_addr(&self) -> Option<std::net::SocketAddr> {
        self.oas.as_ref().map(Listener::addr)
    }

    /// Whether requests need a key or a token.
    pub fn asks_for_a_key(&self) -> bool {
        self.entrance != Entrance::Open
    }

    /// Where it listens.
    pub fn addr(&self) -> std::net::SocketAddr {
        self.listener.addr()
    }

    /// Serves until `shutdown`, with the registry of `namespace` and the PVs of `pvs`.
    ///
    /// Open sockets are closed with 1001 `Service shutting down`.
    ///
    /// # Errors
    /// When accepting connections fails for good.
    pub async fn serve(
        self,
        client: Client,
        namespace: String,
        pvs: Arc<dyn PvClient>,
        shutdown: CancellationToken,
    ) -> Result<(), ServerError> {
        let Self { shipped, listener, oas, policy, entrance, settings } = self;
        let gate = Gate::keyed("control", &policy, entrance, (client.clone(), &namespace));
        gate.announce(listener.addr());
        if settings.global_read_only {
            tracing::warn!(
                "read-only mode: every write is refused (DIRECT_CONTROL_GLOBAL_READ_ONLY=true)"
            );
        }
        let registry = View::default();
        let watches = Watches::new(&client, &namespace);
        let connections = Connections {
            registry: registry.clone(),
            objects: watches.objects(),
            pvs: Pvs::new(Arc::clone(&pvs)),
            rate: settings.connection_rate,
            holder: lease::identity(settings.pod_name.as_deref()),
            client,
            namespace,
        };
        let gateway = Arc::new(Gateway::new(settings, registry.clone(), watches.objects(), pvs));
        let tasks = TaskTracker::new();
        let stop = shutdown.child_token();
        tasks.spawn(watches.follow(shipped, registry, stop.clone()));
        if connections.rate > 0 {
            tasks.spawn(connections.run(stop.clone()));
        }
        tasks.spawn(sweep(Arc::clone(&gateway), stop.clone()));
        tasks.spawn(look(Arc::clone(&gateway), stop.clone()));
        tasks.spawn(close_sockets(Arc::clone(&gateway), stop.clone()));
        let dialect = oas.map(|listener| (listener, Arc::new(Oas::new(Arc::clone(&gateway)))));
        if let Some((_, oas)) = &dialect {
            let (console, stop) = (Arc::clone(&oas.console), stop.clone());
            tasks.spawn(async move { console.run(stop).await });
        }
        tasks.close();
        let pages = gateway.settings.pages().listening(&listener, &gate);
        let router = http::router(Arc::clone(&gateway), &gate, pages);
        let direct = service::http::serve(listener, router, shutdown.clone());
        let served = match dialect {
            None => direct.await,
            Some((listener, oas)) => {
                let pages = gateway.settings.oas.pages().listening(&listener, &gate);
                let router = crate::oas::http::router(oas, &gate, pages);
                let other = service::http::serve(listener, router, shutdown);
                tokio::try_join!(direct, other).map(|((), ())| ())
            }
        };
        stop.cancel();
        let drained = timeout(DRAIN, async {
            gateway.sockets.sessions.close();
            gateway.sockets.sessions.wait().await;
            gateway.monitors.stop().await;
            gateway.cameras.stop().await;
            tasks.wait().await;
        });
        if drained.await.is_err() {
            tracing::warn!("sockets were still open at the end of the grace period");
        }
        Ok(served?)
    }
}

/// Sockets outlive their HTTP request, so they are told on their own.
async fn close_sockets(gateway: Arc<Gateway>, stop: CancellationToken) {
    stop.cancelled().await;
    gateway.sockets.shutdown.cancel();
}

/// Looks for clients that are slow and PVs that are busy.
async fn look(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {
                gateway.sockets.clients.look();
                gateway.monitors.look(Instant::now());
            }
        }
    }
}

/// Ends monitors that nobody needs any more.
async fn sweep(gateway: Arc<Gateway>, stop: CancellationToken) {
    let period = gateway.settings.pv_monitor_sweep_interval;
    if period.is_zero() {
        return;
    }
    let mut ticks = interval(period);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => gateway.monitors.sweep(gateway.settings.pv_monitor_idle_ttl),
        }
    }
}
