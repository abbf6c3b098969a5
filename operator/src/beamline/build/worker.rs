//! The pod of an open worker environment.

use crds::plan_worker::Engine;
use crds::{PlanWorker, Publishers};
use k8s_openapi::api::core::v1::{
    ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, PersistentVolumeClaimVolumeSource,
    Pod, PodSpec, SecretKeySelector, Volume,
};
use kube::{Resource, ResourceExt};

use super::names::{Component, WORKER};
use super::pod;
use crate::beamline::validate::{RUNS_VOLUME, Valid, ValidPublisher};
use crate::launch::{TOKEN_KEY, TOKEN_VARIABLE};
use crate::settings::{BLUESKY_MODULE, PUBLISHER_MODULE};

/// Where the worker keeps the documents of its runs.
const RUNS_PATH: &str = "/runs";
/// Name of the container that publishes documents, and the port of its metrics.
const PUBLISHER: &str = "publisher";
const METRICS_PORT: i32 = 9464;
/// Seconds to abort a plan, stop what moves and close the documents.
const GRACE: i64 = 60;

/// The pod of `worker`, of the same name, and never started a second time. Its token is named and
/// not copied.
pub(crate) fn worker_pod(valid: &Valid, worker: &PlanWorker) -> Pod {
    let (component, plan) = (Component::Worker, &valid.worker);
    let mut environment = pod::identity();
    environment.extend(plan.config.iter().map(|(name, value)| pod::variable(name, value)));
    environment.push(pod::variable("BEAMLINE_WORKER_CONNECT_TO", &worker.spec.connect_to));
    environment.push(pod::variable("BEAMLINE_WORKER_EPOCH", &worker.spec.epoch.to_string()));
    environment.push(pod::variable("BEAMLINE_WORKER_RUNS_DIR", RUNS_PATH));
    environment.push(EnvVar {
        name: TOKEN_VARIABLE.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: worker.spec.token_secret.clone(),
                key: TOKEN_KEY.to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    });
    let told = worker.spec.environment();
    environment.extend(told.iter().map(|(name, value)| pod::variable(name, value)));
    if worker.spec.engine == Engine::Bluesky {
        // Libraries keep caches and settings at home, and only the folder for temporary files can be
        // written to.
        environment.push(pod::variable("HOME", "/tmp"));
        environment.push(pod::variable("PYTHONUNBUFFERED", "1"));
    }
    let mut container = pod::container(component, &plan.image, &plan.pod, environment);
    if worker.spec.engine == Engine::Bluesky {
        container.args = Some(BLUESKY_MODULE.map(str::to_owned).to_vec());
        container.command = Some(vec!["python".to_owned()]);
    }
    container.volume_mounts.get_or_insert_default().push(pod::mount(RUNS_VOLUME, RUNS_PATH));
    let mut spec = pod::spec(valid, component, &plan.image, &plan.pod, container, GRACE);
    if let Some(publisher) = &plan.publisher
        && worker.spec.publishers.are_any()
    {
        accompany(&mut spec, publisher, &worker.spec.publishers);
    }
    spec.restart_policy = Some("Never".to_owned());
    spec.volumes.get_or_insert_default().push(runs(plan.runs_claim.as_deref()));
    let mut metadata = pod::metadata(valid, component, &plan.pod, Default::default());
    metadata.name = Some(worker.name_any());
    metadata.namespace = Some(valid.namespace.clone());
    metadata.owner_references = worker.controller_owner_ref(&()).map(|owner| vec![owner]);
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(WORKER.to_owned(), worker.uid().unwrap_or_default());
    Pod { metadata, spec: Some(spec), status: None }
}

/// Puts the publisher beside the worker, as a sidecar: it is there first, is started again when it fails, and ends after the
/// worker.
fn accompany(spec: &mut PodSpec, publisher: &ValidPublisher, publishers: &Publishers) {
    let ValidPublisher { image, container } = publisher;
    let mut environment = vec![
        pod::variable("BEAMLINE_WORKER_RUNS_DIR", RUNS_PATH),
        pod::variable("BEAMLINE_PUBLISH_METRICS", &format!("0.0.0.0:{METRICS_PORT}")),
        pod::variable("HOME", "/tmp"),
        pod::variable("PYTHONUNBUFFERED", "1"),
    ];
    let told = publishers.environment();
    environment.extend(told.iter().map(|(name, value)| pod::variable(name, value)));
    let mut sidecar = pod::container(Component::Worker, image, container, environment);
    sidecar.name = PUBLISHER.to_owned();
    sidecar.command = Some(vec!["python".to_owned()]);
    sidecar.args = Some(PUBLISHER_MODULE.map(str::to_owned).to_vec());
    sidecar.restart_policy = Some("Always".to_owned());
    sidecar.ports = Some(vec![ContainerPort {
        name: Some("metrics".to_owned()),
        container_port: METRICS_PORT,
        ..ContainerPort::default()
    }]);
    sidecar.volume_mounts.get_or_insert_default().push(pod::mount(RUNS_VOLUME, RUNS_PATH));
    spec.init_containers.get_or_insert_default().push(sidecar);
    let secrets = spec.image_pull_secrets.get_or_insert_default();
    secrets.extend(
        image.pull_secrets.iter().filter(|one| !secrets.contains(one)).cloned().collect::<Vec<_>>(),
    );
    if secrets.is_empty() {
        spec.image_pull_secrets = None;
    }
}

fn runs(claim: Option<&str>) -> Volume {
    let mut volume = Volume { name: RUNS_VOLUME.to_owned(), ..Volume::default() };
    match claim {
        Some(claim) => {
            volume.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.to_owned(),
                read_only: None,
            });
        }
        None => volume.empty_dir = Some(EmptyDirVolumeSource::default()),
    }
    volume
}
