//! Where documents go: to disk, to 0MQ and to the queue pod, in this order.

mod publisher;
mod run_files;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub use publisher::{PublishError, Publisher};
pub use run_files::{RunFileError, RunFiles};

use crate::engine::output::{Output, OutputError, State};
use crate::link::Reports;
use crate::progress::Tracker;
use crate::protocol::{Report, RunEntry};

/// The engine's output in a worker.
#[derive(Debug)]
pub struct Outlet {
    runs: RunFiles,
    publisher: Option<Publisher>,
    reports: Reports,
    progress: Tracker,
}

impl Outlet {
    /// An output to those three places.
    pub fn new(runs: RunFiles, publisher: Option<Publisher>, reports: Reports) -> Self {
        Self { runs, publisher, reports, progress: Tracker::default() }
    }
}

#[async_trait]
impl Output for Outlet {
    async fn begins(&mut self, metadata: &Map<String, Value>) {
        self.progress.begin(metadata.get("item_uid").and_then(Value::as_str).unwrap_or_default());
    }

    async fn waits(&mut self, reason: Option<&str>) {
        let progress = self.progress.wait(reason);
        self.reports.send(&Report::Progress { progress }).await;
    }

    async fn next_scan_id(&mut self) -> Result<i64, OutputError> {
        self.runs.next_scan_id().await.map_err(|error| OutputError(error.to_string()))
    }

    async fn document(&mut self, name: &'static str, document: Value) -> Result<(), OutputError> {
        let kept = self.runs.keep(name, &document).await;
        // What could not be kept is still told to those who listen.
        if let Some(publisher) = &mut self.publisher
            && let Err(error) = publisher.publish(name, &document).await
        {
            tracing::warn!(%error, name, "a document was not published");
        }
        let progress = self.progress.note(name, &document);
        self.reports.send(&Report::Document { name: name.to_owned(), doc: document }).await;
        if let Some(progress) = progress {
            self.reports.send(&Report::Progress { progress }).await;
        }
        kept.map_err(|error| OutputError(error.to_string()))
    }

    async fn state(&mut self, state: State, deferred_pause_requested: bool) {
        let state = state.as_str().to_owned();
        self.reports.send(&Report::ReState { state, deferred_pause_requested }).await;
    }

    async fn runs(&mut self, runs: &[RunEntry]) {
        self.reports.send(&Report::Runs { runs: runs.to_vec() }).await;
    }

    async fn console(&mut self, text: String) {
        self.reports.send(&Report::Console { text }).await;
    }

    async fn refused(&mut self, why: String) {
        self.reports.send(&Report::Refused { message: why }).await;
    }
}
