//! The objects of a beamline in the Kubernetes API.

use std::fmt::Debug;

use anyhow::Context;
use k8s_openapi::NamespaceResourceScope;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

/// Objects that are asked for at once.
const PAGE: u32 = 500;

/// The Kubernetes API of a beamline and the namespace of its objects.
pub(crate) struct Objects {
    /// The API.
    pub(super) client: Client,
    /// The namespace.
    pub(super) namespace: String,
}

impl Objects {
    /// All objects of a kind, page by page. `what` names them in the error.
    ///
    /// # Errors
    /// When the API refuses or does not answer.
    pub(super) async fn all<K>(&self, what: &str) -> anyhow::Result<Vec<K>>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        K::DynamicType: Default,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut found = Vec::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = api.list(&page).await;
            let list = list.with_context(|| format!("the {what} cannot be listed"))?;
            found.extend(list.items);
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(found),
            }
        }
    }
}
