//! The Kubernetes API of one machine: the part that this project uses, in this process, durable in one SQLite file.
//!
//! [`Embedded::client`] gives a `kube::Client` that talks to it without any network; [`Embedded::serve`] serves the same
//! API on a listener, so that plain `kubectl --server http://127.0.0.1:PORT` works. There is no authentication: the
//! listener belongs on loopback.
//!
//! A write is answered when it is on the disk. Reads come from memory and show only what is on the disk.

mod api;
mod collect;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod http;
mod kinds;
mod patch;
mod schema;
mod store;

use std::future::IntoFuture;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use api::list::OpenLists;
use api::{Api, WriteOptions};
use kinds::{Catalogue, DEFINITIONS, Kind, NAMESPACES};
use store::Store;
use store::index::Key;
use store::log::Row;
use store::object::Draft;

pub use api::check::{Checker, Fault};
pub use store::log::OpenError;

/// How long a listener that shuts down waits for requests that are under way.
const GRACE: Duration = Duration::from_secs(10);

/// What to open.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The SQLite file that holds everything; created if it does not exist.
    pub path: PathBuf,
    /// The kinds to serve beside the built-in ones (Namespace, ConfigMap, Secret, Event, Lease).
    pub crds: Vec<CustomResourceDefinition>,
}

/// A running API of one machine.
#[derive(Debug)]
pub struct Embedded {
    api: Arc<Api>,
    /// Ends watches of the in-process clients, and the collector.
    stop: CancellationToken,
    collector: Mutex<Option<JoinHandle<()>>>,
}

impl Embedded {
    /// Opens the state file and starts the API. The namespace `default` exists afterwards.
    ///
    /// # Errors
    /// The file cannot be created or read, another process has it open, or a definition cannot be served.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        let Settings { path, crds } = settings;
        let opened = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || open_store(&path, &crds)).await
        };
        let (store, catalogue) = opened.map_err(|error| OpenError::Start {
            path: path.clone(),
            reason: error.to_string(),
        })??;
        let api = Arc::new(Api { store, catalogue, lists: OpenLists::default() });
        let stop = CancellationToken::new();
        let collector = tokio::spawn(collect::run(api.clone(), stop.clone()));
        let embedded = Self { api, stop, collector: Mutex::new(Some(collector)) };
        if let Err(reason) = embedded.create_default_namespace().await {
            embedded.close().await;
            return Err(OpenError::Start { path, reason });
        }
        Ok(embedded)
    }

    async fn create_default_namespace(&self) -> Result<(), String> {
        if self.api.namespace("default").is_some() {
            return Ok(());
        }
        let resource = self.api.resource_at(NAMESPACES).ok_or("namespaces are not served")?;
        let body = json!({"metadata": {"name": "default"}});
        let options = WriteOptions { manager: "embedded".to_owned(), ..WriteOptions::default() };
        let created = self.api.create(&resource, "", body, &options).await;
        created.map(|_| ()).map_err(|error| error.to_string())
    }

    /// A client of this API that needs no network; `namespace` is its default namespace.
    pub fn client(&self, namespace: &str) -> kube::Client {
        kube::Client::new(self.router(), namespace)
    }

    /// The API as a service, for callers that serve it themselves. Its watches end when the API is closed.
    pub fn router(&self) -> Router {
        http::router(self.api.clone(), self.stop.child_token())
    }

    /// Serves the API on `listener` until `shutdown`; then ends the watches and lets other requests finish.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let ending = self.stop.child_token();
        let router = http::router(self.api.clone(), ending.clone());
        let ended = {
            let (shutdown, ending) = (shutdown.clone(), ending.clone());
            async move {
                tokio::select! {
                    () = shutdown.cancelled() => ending.cancel(),
                    () = ending.cancelled() => {}
                }
            }
        };
        let server = axum::serve(listener, router).with_graceful_shutdown(ended).into_future();
        tokio::select! {
            result = server => result,
            () = async { ending.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
        }
    }

    /// Ends watches, finishes the writes that are under way, and closes the file. Later requests get 503.
    pub async fn close(self) {
        self.stop.cancel();
        let collector = self.collector.lock().take();
        if let Some(collector) = collector
            && let Err(error) = collector.await
        {
            tracing::error!(%error, "the collector ended early");
        }
        self.api.store.close().await;
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The built-in kinds, and those of `crds` after them.
fn kinds(crds: &[CustomResourceDefinition]) -> Result<Vec<Kind>, OpenError> {
    let mut kinds =
        kinds::builtin::kinds().map_err(|reason| definition("built-in kinds", reason))?;
    for crd in crds {
        let name = crd.metadata.name.as_deref().unwrap_or_default();
        kinds.push(kinds::custom::kind(crd).map_err(|reason| definition(name, reason))?);
    }
    Ok(kinds)
}

fn definition(name: &str, reason: String) -> OpenError {
    OpenError::Definition { name: name.to_owned(), reason }
}

fn open_store(
    path: &std::path::Path,
    crds: &[CustomResourceDefinition],
) -> Result<(Store, Catalogue), OpenError> {
    let kinds = kinds(crds)?;
    let mut fixed = Vec::new();
    for crd in crds {
        let name = crd.metadata.name.clone().unwrap_or_default();
        let draft = kinds::custom::object(crd)
            .and_then(|object| Draft::new(&object, vec![]))
            .map_err(|error| definition(&name, error.to_string()))?;
        fixed.push((Key::new(DEFINITIONS, "", &name), draft));
    }
    let names = kinds.iter().map(Kind::resource_name).collect();
    let read = |row: &Row, resource: usize| {
        let object: serde_json::Value =
            serde_json::from_slice(&row.body).map_err(|error| error.to_string())?;
        let fields = kinds[resource].selectable_values(&object);
        Draft::new(&object, fields).map_err(|error| error.to_string())
    };
    let store = Store::open(path, names, fixed, read)?;
    Ok((store, Catalogue::new(kinds)))
}
