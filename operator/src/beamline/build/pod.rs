//! What every pod of a beamline has in common: who it is, what it may not do, where it runs.
//!
//! All pods fit the `restricted` Pod Security profile, but for those with `hostNetwork`.

use std::collections::BTreeMap;

use crds::beamline::PodSettings;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, ObjectFieldSelector,
    PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ObjectMeta;

use super::names::Component;
use crate::beamline::validate::{TMP_VOLUME, Valid, ValidImage};

/// User and group of the processes: the usual one of images without users.
const USER: i64 = 65532;

/// Metadata of a pod: what the user says, and on top of it what the operator needs.
pub(super) fn metadata(
    valid: &Valid,
    component: Component,
    settings: &PodSettings,
    annotations: BTreeMap<String, String>,
) -> ObjectMeta {
    let mut labels = settings.pod_labels.clone();
    labels.extend(component.labels(&valid.name));
    let mut all = settings.pod_annotations.clone();
    all.extend(annotations);
    ObjectMeta {
        labels: Some(labels),
        annotations: (!all.is_empty()).then_some(all),
        ..ObjectMeta::default()
    }
}

/// The container of a pod: only the executable, and only its own folder for temporary files.
pub(super) fn container(
    component: Component,
    image: &ValidImage,
    settings: &PodSettings,
    environment: Vec<EnvVar>,
) -> Container {
    let own = environment.into_iter().filter(|one| {
        // The user's word wins, and a list of variables has each name once.
        settings.env.iter().all(|theirs| theirs.name != one.name)
    });
    let mut mounts = vec![mount(TMP_VOLUME, "/tmp")];
    mounts.extend(settings.volume_mounts.iter().cloned());
    Container {
        name: component.as_str().to_owned(),
        image: Some(image.reference.clone()),
        image_pull_policy: Some(image.pull_policy.as_str().to_owned()),
        args: Some(vec![component.as_str().to_owned()]),
        env: Some(own.chain(settings.env.iter().cloned()).collect()),
        resources: settings.resources.clone(),
        volume_mounts: Some(mounts),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

/// The pod around `container`. `grace` holds when the user says nothing.
pub(super) fn spec(
    valid: &Valid,
    component: Component,
    image: &ValidImage,
    settings: &PodSettings,
    container: Container,
    grace: i64,
) -> PodSpec {
    let host_network = settings.host_network;
    let dns = if host_network { "ClusterFirstWithHostNet" } else { "ClusterFirst" };
    let tmp = Volume {
        name: TMP_VOLUME.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    let volumes = std::iter::once(tmp).chain(settings.volumes.iter().cloned());
    PodSpec {
        containers: vec![container],
        service_account_name: Some(component.object_name(&valid.name)),
        enable_service_links: Some(false),
        image_pull_secrets: filled(&image.pull_secrets),
        host_network: host_network.then_some(true),
        dns_policy: Some(dns.to_owned()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        termination_grace_period_seconds: Some(
            settings.termination_grace_period_seconds.unwrap_or(grace),
        ),
        node_selector: (!settings.node_selector.is_empty()).then(|| settings.node_selector.clone()),
        tolerations: filled(&settings.tolerations),
        affinity: settings.affinity.clone(),
        topology_spread_constraints: filled(&spread(valid, component, settings)),
        priority_class_name: settings.priority_class_name.clone(),
        volumes: Some(volumes.collect()),
        ..PodSpec::default()
    }
}

/// The user's constraints, about the pods of this part unless they say otherwise.
fn spread(
    valid: &Valid,
    component: Component,
    settings: &PodSettings,
) -> Vec<k8s_openapi::api::core::v1::TopologySpreadConstraint> {
    let mut all = settings.topology_spread_constraints.clone();
    for constraint in &mut all {
        constraint.label_selector.get_or_insert_with(|| LabelSelector {
            match_labels: Some(component.selector(&valid.name)),
            match_expressions: None,
        });
    }
    all
}

/// The environment that every pod has: where and who it is.
pub(super) fn identity() -> Vec<EnvVar> {
    vec![
        from_field("BEAMLINE_NAMESPACE", "metadata.namespace"),
        from_field("BEAMLINE_POD_NAME", "metadata.name"),
        from_field("BEAMLINE_POD_IP", "status.podIP"),
    ]
}

/// A variable with that value.
pub(super) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}

/// A volume at that path.
pub(super) fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { name: volume.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

fn from_field(name: &str, path: &str) -> EnvVar {
    let field =
        ObjectFieldSelector { api_version: Some("v1".to_owned()), field_path: path.to_owned() };
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
    }
}

fn filled<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}
