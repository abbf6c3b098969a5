//! A beamline on a cluster: which one it is, and which of its pods answers.

use std::path::Path;

use anyhow::{Context, anyhow};
use crds::Beamline;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt};
use operator::Component;

use super::Usage;

/// A namespace of a cluster.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) namespace: String,
    /// Name of the Beamline, if it was given.
    pub(super) beamline: Option<String>,
}

/// A client as kubectl would have it, or of that kubeconfig and context.
pub(super) async fn client(
    kubeconfig: Option<&Path>,
    context: Option<String>,
) -> anyhow::Result<Client> {
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = match kubeconfig {
        Some(path) => {
            let read = Kubeconfig::read_from(path)?;
            Config::from_custom_kubeconfig(read, &options).await?
        }
        None if options.context.is_some() => Config::from_kubeconfig(&options).await?,
        None => {
            Config::infer().await.context("no cluster: a kubeconfig as for kubectl is needed")?
        }
    };
    Client::try_from(config).context("the kubeconfig cannot be used")
}

impl Cluster {
    /// The Beamline that was named, or the only one of the namespace.
    ///
    /// # Errors
    /// When there is none, or more than one to choose from.
    pub(super) async fn beamline(&self) -> anyhow::Result<Beamline> {
        let api: Api<Beamline> = Api::namespaced(self.client.clone(), &self.namespace);
        if let Some(name) = &self.beamline {
            let found = api.get_opt(name).await.context("the Beamline cannot be read")?;
            return found.ok_or_else(|| {
                anyhow!("there is no Beamline {name} in the namespace {}", self.namespace)
            });
        }
        let all = api
            .list(&ListParams::default())
            .await
            .with_context(|| format!("the Beamlines of {} cannot be listed", self.namespace))?;
        only(all.items, &self.namespace)
    }

    /// A pod that answers for `component` of `beamline`.
    ///
    /// # Errors
    /// When none is ready, with what the pods wait for.
    pub(super) async fn pod(
        &self,
        beamline: &str,
        component: Component,
    ) -> anyhow::Result<(Api<Pod>, String)> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let labels = component.serving(beamline);
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let pods = api
            .list(&ListParams::default().labels(&labels.join(",")))
            .await
            .with_context(|| format!("the pods of {} cannot be listed", self.namespace))?;
        let name = ready(&pods.items).ok_or_else(|| {
            let names = component.object_name(beamline);
            anyhow!(
                "no pod of {names} in the namespace {} is ready{}",
                self.namespace,
                why(&pods.items)
            )
        })?;
        Ok((api, name))
    }
}

fn only(mut beamlines: Vec<Beamline>, namespace: &str) -> anyhow::Result<Beamline> {
    match (beamlines.pop(), beamlines.as_slice()) {
        (None, _) => Err(Usage(format!(
            "there is no Beamline in the namespace {namespace}: name the namespace with -n"
        ))
        .into()),
        (Some(one), []) => Ok(one),
        (Some(last), rest) => {
            let mut names: Vec<String> =
                rest.iter().chain([&last]).map(ResourceExt::name_any).collect();
            names.sort();
            Err(Usage(format!(
                "the namespace {namespace} has several Beamlines: choose one with --beamline: {}",
                names.join(", ")
            ))
            .into())
        }
    }
}

/// The youngest pod that is ready and not on its way out.
fn ready(pods: &[Pod]) -> Option<String> {
    pods.iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod))
        .max_by_key(|pod| pod.metadata.creation_timestamp.clone())
        .map(ResourceExt::name_any)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// What each pod waits for.
fn why(pods: &[Pod]) -> String {
    if pods.is_empty() {
        return ": there is none".to_owned();
    }
    let one = |pod: &Pod| format!("{} is {}", pod.name_any(), state(pod));
    format!(": {}", pods.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// The reason of a container that waits, or the phase.
fn state(pod: &Pod) -> String {
    let Some(status) = &pod.status else { return "new".to_owned() };
    let waiting = status
        .container_statuses
        .iter()
        .flatten()
        .find_map(|container| container.state.as_ref()?.waiting.as_ref()?.reason.clone());
    waiting.or_else(|| status.phase.clone()).unwrap_or_else(|| "new".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn beamline(name: &str) -> Beamline {
        Beamline::new(name, crds::BeamlineSpec::default())
    }

    fn pod(name: &str, ready: &str, created: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": name, "creationTimestamp": created },
            "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }] },
        }))
        .unwrap()
    }

    #[test]
    fn a_beamline_is_named_only_where_there_are_several() {
        assert_eq!(only(vec![beamline("a")], "ns").unwrap().name_any(), "a");
        let several = only(vec![beamline("b"), beamline("a")], "ns").unwrap_err();
        assert!(several.to_string().ends_with("--beamline: a, b") && several.is::<Usage>());
        assert!(only(vec![], "ns").unwrap_err().to_string().contains("namespace ns"));
    }

    #[test]
    fn the_youngest_ready_pod_answers() {
        let pods = [
            pod("old", "True", "2026-01-01T00:00:00Z"),
            pod("new", "True", "2026-01-02T00:00:00Z"),
            pod("starting", "False", "2026-01-03T00:00:00Z"),
        ];
        assert_eq!(ready(&pods).as_deref(), Some("new"));
    }

    #[test]
    fn what_the_pods_wait_for_is_said() {
        let mut waiting = pod("c", "False", "2026-01-01T00:00:00Z");
        waiting.status = serde_json::from_value(json!({
            "phase": "Pending",
            "containerStatuses": [{ "name": "control", "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "state": { "waiting": { "reason": "ImagePullBackOff" } } }],
        }))
        .unwrap();
        assert_eq!(ready(std::slice::from_ref(&waiting)), None);
        assert_eq!(why(&[waiting]), ": c is ImagePullBackOff");
        assert_eq!(why(&[]), ": there is none");
    }
}
