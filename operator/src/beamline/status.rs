//! What a beamline says of itself, made of what is there. Written only when it differs.
//!
//! `Ready` is for people and `kubectl wait`; `Reconciling` and `Stalled` are for kstatus (Argo CD,
//! Flux, Helm) and absent when they are not true.

use crds::Beamline;
use crds::beamline::{BeamlineStatus, FORCE_ROLLOUT_ANNOTATION};
use crds::conditions::{Verdict, reasons, types};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use service::error::with_sources;

use super::apply::Applied;
use super::build::names::COMPONENT;
use super::validate::Invalid;
use crate::context::Context;
use crate::error::Error;
use crate::report::{self, own_conditions};

/// What is said on one machine.
pub(super) fn in_process() -> Vec<Verdict> {
    let message = "its parts run in the process that serves this API";
    vec![ready(true, reasons::ACCEPTED, message.to_owned())]
}

/// What is said of a beamline that cannot be brought up without an edit.
pub(super) fn refused(invalid: &Invalid) -> Vec<Verdict> {
    let reason = match invalid {
        Invalid::Rival(_) => reasons::CONFLICT,
        Invalid::NoImage | Invalid::VolumeName { .. } => reasons::INVALID_SPEC,
    };
    stuck(reason, invalid.to_string())
}

/// What is said when something could not be applied; it is tried again.
pub(super) fn failed(error: &Error) -> Vec<Verdict> {
    let message = with_sources(error);
    vec![
        ready(false, error.reason(), message.clone()),
        more(types::RECONCILING, error.reason(), message),
    ]
}

/// What is said of what is there; `held` is what waits for the end of a plan.
pub(super) fn verdicts(applied: &Applied, held: Option<String>) -> Vec<Verdict> {
    let mut deployments: Vec<_> = applied.deployments.iter().collect();
    deployments.sort_by_key(|one| one.name_any());
    let stuck_parts: Vec<_> = deployments.iter().filter_map(|one| why_stuck(one)).collect();
    if !stuck_parts.is_empty() {
        return stuck(reasons::FAILED, stuck_parts.join("; "));
    }
    let waiting: Vec<_> = deployments.iter().filter_map(|one| waits_for(one)).collect();
    if !waiting.is_empty() {
        return under_way(reasons::PROGRESSING, waiting.join("; "));
    }
    if let Some(name) = held {
        let message = format!(
            "the pods of {name} are replaced when no plan runs; to replace them under the plan, \
             annotate the Beamline with {FORCE_ROLLOUT_ANNOTATION}=true"
        );
        return under_way(reasons::PENDING_IDLE, message);
    }
    let parts: Vec<_> = deployments.iter().map(|one| part(one)).collect();
    let message = match parts.as_slice() {
        [] => "nothing is asked for".to_owned(),
        [one] => format!("{one} is up"),
        all => format!("{} are up", all.join(", ")),
    };
    vec![ready(true, reasons::RUNNING, message)]
}

/// Writes the status, only when it says something else.
pub(super) async fn update(
    context: &Context,
    beamline: &Beamline,
    verdicts: &[Verdict],
    devices: i32,
) -> Result<(), Error> {
    let present = beamline.status.clone().unwrap_or_default();
    let generation = beamline.metadata.generation;
    let wanted = BeamlineStatus {
        observed_generation: generation,
        conditions: own_conditions(&present.conditions, verdicts, generation),
        devices: Some(devices),
    };
    let Some(ready) = verdicts.first().filter(|_| wanted != present) else {
        return Ok(());
    };
    report::write(context, beamline, &present.conditions, &wanted, ready).await
}

fn part(deployment: &Deployment) -> String {
    let label = deployment.labels().get(COMPONENT).cloned();
    label.unwrap_or_else(|| deployment.name_any())
}

/// Whether all pods are of the latest template and available; if not, what is missing.
fn waits_for(deployment: &Deployment) -> Option<String> {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    let part = part(deployment);
    if status.observed_generation < deployment.metadata.generation {
        return Some(format!("{part}: its Deployment is not looked at yet"));
    }
    let (updated, available, total) = (
        status.updated_replicas.unwrap_or_default(),
        status.available_replicas.unwrap_or_default(),
        status.replicas.unwrap_or_default(),
    );
    if updated < wanted {
        return Some(format!("{part}: {updated} of {wanted} pods have the latest settings"));
    }
    if available < wanted {
        return Some(format!("{part}: {available} of {wanted} pods are available"));
    }
    (total > wanted).then(|| format!("{part}: {} old pods are ending", total - wanted))
}

/// Why the pods do not come, when Kubernetes has given up waiting or refuses to make them.
fn why_stuck(deployment: &Deployment) -> Option<String> {
    let status = deployment.status.as_ref()?;
    let is_bad = |type_: &str, bad: &str| {
        let mut conditions = status.conditions.iter().flatten();
        conditions.find(|one| one.type_ == type_ && one.status == bad)
    };
    let condition = is_bad("ReplicaFailure", "True").or_else(|| is_bad("Progressing", "False"))?;
    let message = condition.message.clone().unwrap_or_default();
    Some(format!("{}: {message}", part(deployment)))
}

fn ready(status: bool, reason: &'static str, message: String) -> Verdict {
    Verdict { type_: types::READY, status: Some(status), reason, message }
}

fn more(type_: &'static str, reason: &'static str, message: String) -> Verdict {
    Verdict { type_, status: Some(true), reason, message }
}

fn under_way(reason: &'static str, message: String) -> Vec<Verdict> {
    vec![ready(false, reason, message.clone()), more(types::RECONCILING, reason, message)]
}

fn stuck(reason: &'static str, message: String) -> Vec<Verdict> {
    vec![ready(false, reason, message.clone()), more(types::STALLED, reason, message)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(part: &str, status: &str) -> Deployment {
        let text = format!(
            "{{metadata: {{name: bl-{part}, generation: 2, \
             labels: {{app.kubernetes.io/component: {part}}}}}, \
             spec: {{replicas: 2, selector: {{}}, template: {{}}}}, status: {status}}}"
        );
        serde_saphyr::from_str(&text).unwrap()
    }

    const UP: &str =
        "{observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2}";

    fn said(deployments: Vec<Deployment>, held: Option<&str>) -> Vec<(&'static str, String)> {
        let verdicts = verdicts(&Applied { deployments }, held.map(str::to_owned));
        verdicts
            .into_iter()
            .map(|one| (one.reason, format!("{} {}", one.type_, one.message)))
            .collect()
    }

    #[test]
    fn a_beamline_is_ready_when_every_pod_is_available_and_of_the_latest_settings() {
        let all = vec![deployment("registry", UP), deployment("control", UP)];
        assert_eq!(said(all, None), [("Running", "Ready control, registry are up".to_owned())]);
    }

    #[test]
    fn what_is_waited_for_is_named_and_shows_as_reconciling() {
        let one = UP.replace("availableReplicas: 2", "availableReplicas: 1");
        let said = said(vec![deployment("control", &one), deployment("queue", UP)], None);
        assert_eq!(said[0], ("Progressing", "Ready control: 1 of 2 pods are available".to_owned()));
        assert!(said[1].1.starts_with("Reconciling "), "{said:?}");
        assert_eq!(said.len(), 2);
    }

    #[test]
    fn a_status_of_an_older_generation_says_nothing() {
        let old = UP.replace("observedGeneration: 2", "observedGeneration: 1");
        assert_eq!(said(vec![deployment("control", &old)], None)[0].0, "Progressing");
    }

    #[test]
    fn a_pod_that_kubernetes_refuses_is_stalled_with_its_words() {
        let refused = "{observedGeneration: 2, conditions: [{type: ReplicaFailure, status: 'True', \
                       reason: FailedCreate, message: violates PodSecurity}]}";
        let said = said(vec![deployment("control", refused)], None);
        assert_eq!(said[0], ("Failed", "Ready control: violates PodSecurity".to_owned()));
        assert!(said[1].1.starts_with("Stalled "), "{said:?}");
    }

    #[test]
    fn a_queue_that_waits_for_its_plan_is_pending_idle_and_says_how_to_force_it() {
        let said = said(vec![deployment("queue", UP)], Some("bl-queue"));
        assert_eq!(said[0].0, "PendingIdle");
        assert!(said[0].1.contains("bl-queue") && said[0].1.contains("force-rollout"), "{said:?}");
    }
}
