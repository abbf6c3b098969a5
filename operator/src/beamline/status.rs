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
use crate::index::Summary;
use crate::mirrors::Troubles;
use crate::report::{self, own_conditions};

/// Required devices that a message names; the rest is counted.
const NAMED: usize = 5;

/// What is said on one machine.
pub(super) fn in_process(devices: &Summary) -> Vec<Verdict> {
    let message = "its parts run in the process that serves this API";
    up(reasons::ACCEPTED, message.to_owned(), devices)
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
pub(super) fn verdicts(
    applied: &Applied,
    held: Option<String>,
    troubles: &Troubles,
    devices: &Summary,
) -> Vec<Verdict> {
    let mut deployments: Vec<_> = applied.deployments.iter().collect();
    deployments.sort_by_key(|one| one.name_any());
    let stuck_parts: Vec<_> = deployments.iter().filter_map(|one| why_stuck(one)).collect();
    if !stuck_parts.is_empty() {
        return stuck(reasons::FAILED, stuck_parts.join("; "));
    }
    let mut reason = None;
    let waiting = deployments.iter().filter_map(|one| {
        let waiting = waits_for(one)?;
        let Some(trouble) = troubles.get(&part(one)) else { return Some(waiting) };
        reason.get_or_insert(trouble.reason);
        Some(format!("{}: {}", part(one), trouble.message))
    });
    let waiting: Vec<_> = waiting.collect();
    if !waiting.is_empty() {
        return under_way(reason.unwrap_or(reasons::PROGRESSING), waiting.join("; "));
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
    up(reasons::RUNNING, message, devices)
}

/// Everything runs. A device that is required counts as a part of the beamline.
fn up(reason: &'static str, message: String, devices: &Summary) -> Vec<Verdict> {
    let missing = &devices.missing;
    if missing.is_empty() {
        return vec![ready(true, reason, message)];
    }
    let named = missing[..missing.len().min(NAMED)].join(", ");
    let more = match missing.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("required devices are not connected: {named}{more}");
    vec![ready(false, reasons::DEVICE_DISCONNECTED, message)]
}

/// Writes the status, only when it says something else.
pub(super) async fn update(
    context: &Context,
    beamline: &Beamline,
    verdicts: &[Verdict],
    devices: &Summary,
) -> Result<(), Error> {
    let mut present = beamline.status.clone().unwrap_or_default();
    // Whose it is, `claim` says.
    present.operator = None;
    let generation = beamline.metadata.generation;
    let wanted = BeamlineStatus {
        observed_generation: generation,
        conditions: own_conditions(&present.conditions, verdicts, generation),
        devices: Some(i32::try_from(devices.count).unwrap_or(i32::MAX)),
        operator: None,
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
    use crate::pods::Trouble;

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
        let (held, none) = (held.map(str::to_owned), Troubles::new());
        let verdicts = verdicts(&Applied { deployments }, held, &none, &Summary::default());
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
    fn a_pod_that_does_not_come_up_says_why_as_long_as_its_part_waits_for_it() {
        let said = |status: &str| {
            let trouble = Trouble {
                reason: reasons::IMAGE_PULL_FAILED,
                message: "the image 'a/b:1' cannot be pulled".to_owned(),
            };
            let troubles = Troubles::from([("control".to_owned(), trouble)]);
            let applied = Applied {
                deployments: vec![deployment("control", status), deployment("queue", UP)],
            };
            verdicts(&applied, None, &troubles, &Summary::default())
        };
        let none = UP.replace("availableReplicas: 2", "availableReplicas: 0");
        let stuck = said(&none);
        assert_eq!((stuck[0].status, stuck[0].reason), (Some(false), "ImagePullFailed"));
        assert_eq!(stuck[0].message, "control: the image 'a/b:1' cannot be pulled");
        assert_eq!(stuck[1].type_, types::RECONCILING);
        assert_eq!(said(UP)[0].reason, "Running");
    }

    #[test]
    fn a_beamline_is_not_ready_while_a_required_device_is_not_connected() {
        let missing = (0..7).map(|n| format!("m{n}")).collect();
        let devices = Summary { count: 9, missing };
        let verdicts = in_process(&devices);
        assert_eq!(verdicts.len(), 1, "neither stalled nor on its way");
        let ready = &verdicts[0];
        assert_eq!((ready.status, ready.reason), (Some(false), "DeviceDisconnected"));
        let named = "required devices are not connected: m0, m1, m2, m3, m4 and 2 more";
        assert_eq!(ready.message, named);
    }

    #[test]
    fn a_queue_that_waits_for_its_plan_is_pending_idle_and_says_how_to_force_it() {
        let said = said(vec![deployment("queue", UP)], Some("bl-queue"));
        assert_eq!(said[0].0, "PendingIdle");
        assert!(said[0].1.contains("bl-queue") && said[0].1.contains("force-rollout"), "{said:?}");
    }
}
