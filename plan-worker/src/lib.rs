//! What runs plans: the protocol with the queue pod, the native engine, and the process around it.
//!
//! A worker connects out to the queue pod, says what it can run, and obeys. [`run`] is the whole of it.
//!
//! ```text
//! queue pod ⇄ link (rejoin) ⇄ session → engine → plans (messages) · devices (simulated, PVs)
//!                                          └──→ documents (files, 0MQ, queue pod)
//! ```

pub mod devices;
pub mod documents;
pub mod engine;
pub mod environment;
pub mod link;
mod metadata;
pub mod plans;
mod progress;
pub mod protocol;
pub mod rejoin;
pub mod session;
pub mod settings;
mod standing;
pub mod suspenders;

use std::sync::Arc;

use channels::PvClient;
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use documents::{Outlet, PublishError, Publisher, RunFileError, RunFiles};
use engine::Engine;
use engine::output::State;
use environment::{Devices, OpenError};
use link::{LinkError, Reports};
use protocol::Report;
use rejoin::Connection;
use session::{Leaving, Session};
pub use settings::Settings;
use suspenders::Suspenders;

/// Why a worker ended other than by being told to.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// The queue pod could not be reached.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The environment could not be opened; the queue pod knows.
    #[error("the environment could not be opened: {0}")]
    Open(#[from] EnvironmentError),
    /// The connection was lost; everything was brought to rest.
    #[error("the connection to the queue server was lost; nothing moves any more")]
    Lost,
    /// The engine failed in itself.
    #[error("the engine failed in itself")]
    Broken,
}

/// Why an environment could not be opened.
#[derive(Debug, Error)]
pub enum EnvironmentError {
    /// The registry could not be read.
    #[error(transparent)]
    Registry(#[from] OpenError),
    /// The runs folder cannot be used.
    #[error(transparent)]
    RunFiles(#[from] RunFileError),
    /// The address for documents cannot be used.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Runs a worker until the queue pod closes it or `shutdown` fires. Whatever ends it, nothing that a plan has moved still moves.
///
/// # Errors
/// [`WorkerError`].
pub async fn run(
    settings: Settings,
    client: kube::Client,
    namespace: &str,
    pvs: Arc<dyn PvClient>,
    shutdown: CancellationToken,
) -> Result<(), WorkerError> {
    let reports = Reports::default();
    let mut connection = tokio::select! {
        opened = Connection::open(&settings, client.clone(), namespace, reports.clone()) => opened?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let lost = connection.lost();
    let opened = tokio::select! {
        opened = open(&settings, &client, namespace, &pvs) => opened,
        () = shutdown.cancelled() => {
            reports.send(&Report::Closing).await;
            connection.close().await;
            return Ok(());
        }
        () = lost.cancelled() => return Err(WorkerError::Lost),
    };
    let (devices, runs, publisher) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            reports.send(&Report::OpenFailed { message: error.to_string() }).await;
            connection.close().await;
            return Err(error.into());
        }
    };

    let described = devices::descriptions::describe(devices.iter());
    tracing::info!(devices = described.len(), "the environment is open");
    let (plans, devices_existing) = (Value::Object(plans::descriptions()), json!(described));
    let (running, ended) = (None, None);
    let ready = Report::Ready {
        plans,
        devices: devices_existing,
        run_engine: true,
        running,
        ended,
        ended_tasks: Vec::new(),
    };
    reports.send(&ready).await;
    let state = State::Idle.as_str().to_owned();
    reports.send(&Report::ReState { state, deferred_pause_requested: false }).await;

    let outlet = Outlet::new(runs, publisher, reports.clone());
    let suspenders = Suspenders::watch(settings.suspenders.0.clone(), &pvs);
    let engine = Engine::new(outlet, constant_metadata()).held_by(suspenders.hold());
    let mut session = Session::new(devices, settings.epoch, reports.clone(), engine);
    let leaving = session.serve(&mut connection, &shutdown).await;
    drop(session);
    if leaving != Leaving::Lost {
        reports.send(&Report::Closing).await;
        connection.close().await;
    }
    match leaving {
        Leaving::Closed | Leaving::Shutdown => Ok(()),
        Leaving::Lost => Err(WorkerError::Lost),
        Leaving::Broken => Err(WorkerError::Broken),
    }
}

async fn open(
    settings: &Settings,
    client: &kube::Client,
    namespace: &str,
    pvs: &Arc<dyn PvClient>,
) -> Result<(Devices, RunFiles, Option<Publisher>), EnvironmentError> {
    let with_simulated = !settings.no_simulated_devices;
    let devices = Devices::load(client, namespace, pvs, with_simulated).await?;
    let runs = RunFiles::open(&settings.runs_dir).await?;
    let publisher = match &settings.documents_address {
        Some(address) => Some(Publisher::bind(address).await?),
        None => None,
    };
    Ok((devices, runs, publisher))
}

/// What every start document says.
pub fn constant_metadata() -> Map<String, Value> {
    let versions = json!({ "beamline": env!("CARGO_PKG_VERSION") });
    [("versions".to_owned(), versions)].into_iter().collect()
}
