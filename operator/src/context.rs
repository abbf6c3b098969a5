//! What every reconcile has at hand.

use k8s_openapi::NamespaceResourceScope;
use kube::api::Api;
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, Resource, ResourceExt};

use crate::backoff::Backoff;
use crate::scope::Scope;

/// Field manager of everything that the operator applies, and reporter of its events.
pub(crate) const MANAGER: &str = "beamline-operator";

/// The API, the event log and the memory of failures of one controller.
pub(crate) struct Context {
    /// The API.
    pub(crate) client: Client,
    /// The namespaces that the operator looks after.
    pub(crate) scope: Scope,
    /// Publishes events.
    pub(crate) recorder: Recorder,
    /// Failures of the controller's objects.
    pub(crate) backoff: Backoff,
}

impl Context {
    /// A context for one controller.
    pub(crate) fn new(client: &Client, scope: &Scope) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: None };
        Self {
            client: client.clone(),
            scope: scope.clone(),
            recorder: Recorder::new(client.clone(), reporter),
            backoff: Backoff::default(),
        }
    }

    /// The objects of a kind in the namespace of `object`.
    pub(crate) fn beside<K>(&self, object: &impl ResourceExt) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default())
    }
}
