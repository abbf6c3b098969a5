//! What every reconcile has at hand.

use kube::Client;
use kube::runtime::events::{Recorder, Reporter};

use crate::backoff::Backoff;

/// Field manager of everything that the operator applies, and reporter of its events.
pub(crate) const MANAGER: &str = "beamline-operator";

/// The API, the event log and the memory of failures of one controller.
pub(crate) struct Context {
    /// The API.
    pub(crate) client: Client,
    /// The one namespace that the operator looks after.
    pub(crate) namespace: String,
    /// Publishes events.
    pub(crate) recorder: Recorder,
    /// Failures of the controller's objects.
    pub(crate) backoff: Backoff,
}

impl Context {
    /// A context for one controller.
    pub(crate) fn new(client: &Client, namespace: &str) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: None };
        Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
            recorder: Recorder::new(client.clone(), reporter),
            backoff: Backoff::default(),
        }
    }
}
