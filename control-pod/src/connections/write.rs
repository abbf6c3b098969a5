//! Writes the condition `Connected` of one object, and nothing else of it.

use std::time::Duration;

use crds::{Device, ProcessVariable};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde_json::json;

use super::ledger::News;
use crate::registry::subject::Carrier;

/// Owner of the condition. What the operator says belongs to another.
const MANAGER: &str = "control-pod";
/// Longest time of one write.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why a condition is not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// The API refused.
    #[error("the Kubernetes API refused")]
    Api(#[from] kube::Error),
    /// It took too long.
    #[error("the Kubernetes API did not answer within {} s", DEADLINE.as_secs())]
    Timeout,
}

/// Writes `news`. Of an object that is gone there is nothing to write.
pub(super) async fn write(client: &Client, namespace: &str, news: &News) -> Result<(), WriteError> {
    let written = match news.subject.carrier {
        Carrier::Device => apply::<Device>(client, namespace, news).await,
        Carrier::ProcessVariable => apply::<ProcessVariable>(client, namespace, news).await,
    };
    match written {
        Err(WriteError::Api(kube::Error::Api(status))) if is_gone(&status) => Ok(()),
        other => other,
    }
}

async fn apply<K>(client: &Client, namespace: &str, news: &News) -> Result<(), WriteError>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let name = &news.subject.object;
    let intent = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        // Without the uid the status of a successor of the same name would be written.
        "metadata": {"name": name, "uid": news.subject.uid},
        "status": {"conditions": [news.condition]},
    });
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(intent);
    let request = api.patch_status(name, &params, &patch);
    tokio::time::timeout(DEADLINE, request).await.map_err(|_| WriteError::Timeout)??;
    Ok(())
}

/// Whether the object went away, or another took its name.
fn is_gone(status: &kube::core::Status) -> bool {
    status.code == 404 || (status.code == 409 && status.message.contains("uid"))
}
