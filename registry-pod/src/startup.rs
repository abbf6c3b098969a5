//! What must be read once before anything can be answered, however long the API takes to come.

use std::time::Duration;

use crate::history::journal::Writer;
use crate::registry::Registry;
use crate::reset;
use crate::seed::{self, SeedError};
use crate::server::RunError;
use crate::store::{self, StoreError};

/// Name of the part in `/ready`.
const PART: &str = "store";
/// Reason of `/ready` until then.
const NOT_LOADED: &str = "registry not loaded";
/// Wait before asking the API again.
const RETRY: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The history was created just now: no registry has run here before.
    pub(crate) first_start: bool,
}

/// Marks the store as not yet read.
pub(crate) fn announce(registry: &Registry) {
    registry.readiness.not_ready(PART, NOT_LOADED);
}

/// Opens the history and the lock table, and seeds the registry if that is wanted. Until the API answers, this waits: to end and be started
/// again would not bring it back any sooner.
///
/// # Errors
/// When something stored cannot be read, or the profile is wrong; waiting does not mend that.
pub(crate) async fn open(registry: &Registry, writer: &mut Writer) -> Result<Opened, RunError> {
    let first_start = loop {
        match writer.create().await {
            Ok(created) => break created,
            Err(error) => pause(error).await?,
        }
    };
    while let Err(error) = writer.load().await {
        pause(error).await?;
    }
    while let Err(error) = store::locks::ensure(registry).await {
        pause(error).await?;
    }
    while let Err(error) = seed::at_start(registry).await {
        match error {
            SeedError::Store(error) => pause(error).await?,
            SeedError::Profile(_) => return Err(error.into()),
        }
    }
    Ok(Opened { first_start })
}

/// Completes a reset that the last process left half. The history must be written meanwhile. Then the store is what it ought to be:
/// answers whether that made the registry anew.
///
/// # Errors
/// As of [`open`].
pub(crate) async fn complete(registry: &Registry) -> Result<bool, RunError> {
    let completed = loop {
        match reset::complete(registry).await {
            Ok(completed) => break completed,
            Err(SeedError::Store(error)) => pause(error).await?,
            Err(error) => return Err(error.into()),
        }
    };
    registry.readiness.ready(PART);
    registry.update(|_| Vec::new());
    Ok(completed)
}

async fn pause(error: StoreError) -> Result<(), StoreError> {
    if matches!(error, StoreError::Unreadable { .. }) {
        return Err(error);
    }
    tracing::warn!(error = %service::error::with_sources(&error), "waiting for the Kubernetes API");
    tokio::time::sleep(RETRY).await;
    Ok(())
}
