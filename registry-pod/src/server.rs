//! The service as a whole: bind first, then serve.

use std::net::SocketAddr;
use std::sync::Arc;

use kube::Client;
use service::error::with_sources;
use service::health::Readiness;
use service::http::{BindError, Listener, ServeError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::history::{journal, observer};
use crate::index::Index;
use crate::registry::Registry;
use crate::store::{self, StoreError, watch};
use crate::{Settings, http};

/// Why the registry stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The history or the lock table cannot be read or created.
    #[error("the registry cannot start: {0}")]
    Store(String),
    /// The shipped device classes cannot be read.
    #[error(transparent)]
    Classes(#[from] crds::catalogue::Error),
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

    /// The bound address.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// Serves the devices of `namespace` until `shutdown`.
    ///
    /// # Errors
    /// When the store holds something unreadable at start, or a part of the service ends.
    pub async fn serve(
        self,
        client: Client,
        namespace: &str,
        shutdown: CancellationToken,
    ) -> Result<(), RunError> {
        let Self { settings, listener } = self;
        let readiness = Readiness::new();
        let (journal, writer, first_start) = journal::open(client.clone(), namespace).await?;
        let shipped = crds::catalogue::shipped()?.into_iter().map(|class| class.spec).collect();
        let index = Index::new(shipped);
        let registry =
            Arc::new(Registry::new(settings, &client, namespace, journal, readiness, index));
        store::locks::ensure(&registry).await?;
        watch::announce(&registry);

        // The parts outlive the last request, which may still wait for them.
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(writer.run(stop.clone()));
        watch::start(&registry, &client, namespace, &mut tasks, &stop);
        let observed = Arc::clone(&registry);
        let observer_stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = observer_stop.cancelled() => {}
                () = observed.loaded() => {
                    observer::run(observed, first_start, observer_stop.clone()).await;
                }
            }
        });
        let router = http::router(&registry);
        let served = tokio::select! {
            ended = service::http::serve(listener, router, shutdown) => ended.map_err(Into::into),
            _ = tasks.join_next() => Err(RunError::Task),
        };
        stop.cancel();
        while tasks.join_next().await.is_some() {}
        served
    }
}
