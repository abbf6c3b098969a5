//! The label by which the queue's Service finds the pod that leads.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

/// Label that the Service selects.
const ROLE: &str = "beamline.dev/role";
/// Labels that all queue pods of a beamline have in common.
const COMMON: [&str; 2] = ["app.kubernetes.io/instance", "app.kubernetes.io/component"];
/// Pause after an attempt that failed: as long as the label is missing, nobody reaches the queue.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest time of one attempt.
const DEADLINE: Duration = Duration::from_secs(5);

/// Puts the label on `pod`, and takes it from the other queue pods of its beamline. Tries until it is done.
pub(super) async fn take(client: &Client, namespace: &str, pod: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    loop {
        let error = match tokio::time::timeout(DEADLINE, label(&pods, pod)).await {
            Ok(Ok(())) => return,
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
                tracing::warn!(pod, "there is no such pod to be labelled as the leader");
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(pod, error, "cannot label the pod as the leader");
        tokio::time::sleep(AGAIN).await;
    }
}

async fn label(pods: &Api<Pod>, name: &str) -> Result<(), kube::Error> {
    let params = PatchParams::default();
    let set = |role: Option<&str>| Patch::Merge(json!({"metadata": {"labels": {ROLE: role}}}));
    let ours = pods.patch(name, &params, &set(Some("leader"))).await?;
    let common =
        COMMON.iter().filter_map(|key| Some(format!("{key}={}", ours.labels().get(*key)?)));
    let selector: Vec<_> = common.chain([format!("{ROLE}=leader")]).collect();
    for pod in pods.list(&ListParams::default().labels(&selector.join(","))).await? {
        if pod.name_any() != name {
            pods.patch(&pod.name_any(), &params, &set(None)).await?;
        }
    }
    Ok(())
}
