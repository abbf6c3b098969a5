//! The service as a whole: bind first, then serve.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use kube::Client;
use service::access::{Gate, PolicyError};
use service::error::with_sources;
use service::http::{BindError, Listener, ServeError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::history::journal::{self, Writer};
use crate::history::observer;
use crate::index::Index;
use crate::registry::{Registry, Writers};
use crate::seed::SeedError;
use crate::store::{StoreError, locks, watch};
use crate::{Settings, http, mending, startup};

/// Why the registry stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The history or the lock table is damaged.
    #[error("the registry cannot start: {0}")]
    Store(String),
    /// The shipped device classes cannot be read.
    #[error(transparent)]
    Classes(#[from] crds::catalogue::Error),
    /// The profile cannot be loaded.
    #[error("the registry cannot start: {0}")]
    Profile(String),
    /// The OpenAPI description cannot be written.
    #[error("cannot write the OpenAPI description to {}", path.display())]
    OpenApi {
        /// Where to.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The API key cannot be one.
    #[error("the registry cannot start: {0}")]
    Access(#[from] PolicyError),
    /// The port cannot be served any more.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A part of the service ended by itself.
    #[error("a part of the registry ended unexpectedly")]
    Task,
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        Self::Store(with_sources(&error))
    }
}

impl From<SeedError> for RunError {
    fn from(error: SeedError) -> Self {
        match error {
            SeedError::Profile(problem) => Self::Profile(problem),
            SeedError::Store(error) => error.into(),
        }
    }
}

/// A registry that holds its port and has not started.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    listener: Listener,
}

impl Server {
    /// Binds the port.
    ///
    /// # Errors
    /// One line that names the service and the address.
    pub async fn bind(settings: Settings) -> Result<Self, BindError> {
        let addr = format!("{}:{}", settings.host, settings.port);
        let listener = Listener::bind(&addr, "registry").await?;
        Ok(Self { settings, listener })
    }

    /// Whether requests need a key or a token.
    pub fn asks_for_a_key(&self) -> bool {
        let key = self.settings.api_key.as_ref().is_some_and(|key| !key.reveal().is_empty());
        key || self.settings.policy().audience.is_some()
    }

    /// The bound address.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// Serves the devices of `namespace` until `shutdown`.
    ///
    /// # Errors
    /// When the store holds something unreadable, or a part of the service ends.
    pub async fn serve(
        self,
        client: Client,
        namespace: &str,
        shutdown: CancellationToken,
    ) -> Result<(), RunError> {
        let Self { settings, listener } = self;
        settings.unused.log();
        let policy = settings.policy();
        let entrance = policy.entrance(listener.addr().ip().is_loopback())?;
        let gate = Gate::keyed("registry", &policy, entrance, (client.clone(), namespace));
        gate.announce(listener.addr());
        let pages = settings.pages().listening(&listener, &gate);
        if let Some(path) = &settings.openapi_export_path {
            let written =
                std::fs::write(path, service::openapi::document(&http::interface()).to_string());
            written.map_err(|source| RunError::OpenApi { path: path.clone(), source })?;
        }
        let (journal, writer) = journal::new(client.clone(), namespace);
        let (mender, bench) = mending::new();
        let (lock_table, keeper) = locks::new();
        let shipped = crds::catalogue::shipped()?.into_iter().map(|class| class.spec).collect();
        let index = Index::new(shipped);
        let stopping = shutdown.clone();
        let writers = Writers { journal, mender, lock_table };
        let registry = Registry::new(settings, &client, namespace, writers, stopping, index);
        let registry = Arc::new(registry);
        startup::announce(&registry);
        watch::announce(&registry);

        // The parts outlive the last request, which may still wait for them.
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        watch::start(&registry, &client, namespace, &mut tasks, &stop);
        tasks.spawn(bench.run(Arc::clone(&registry), stop.clone()));
        tasks.spawn(keeper.run(Arc::clone(&registry), stop.clone()));
        let mut history = tokio::spawn(keep_history(Arc::clone(&registry), writer, stop.clone()));
        let router = http::router(&registry, &gate, pages);
        let served = tokio::select! {
            ended = service::http::serve(listener, router, shutdown) => ended.map_err(Into::into),
            ended = &mut history => return ended.unwrap_or(Ok(())).and(Err(RunError::Task)),
            _ = tasks.join_next() => Err(RunError::Task),
        };
        stop.cancel();
        history.await.unwrap_or(Err(RunError::Task))?;
        while tasks.join_next().await.is_some() {}
        served
    }
}

/// Reads what is stored as soon as the API answers, then keeps the history until `stop`.
async fn keep_history(
    registry: Arc<Registry>,
    mut writer: Writer,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let opened = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        opened = startup::open(&registry, &mut writer) => opened?,
    };
    let observed = observe(registry, opened.first_start, stop.clone());
    let written = async move {
        writer.run(stop).await;
        Ok(())
    };
    tokio::try_join!(written, observed).map(drop)
}

/// Completes what the last process left half, then gives every change its row until `stop`.
async fn observe(
    registry: Arc<Registry>,
    first_start: bool,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let completed = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        completed = startup::complete(&registry) => completed?,
    };
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = registry.loaded() => {}
    }
    observer::run(registry, completed || first_start, stop).await;
    Ok(())
}
