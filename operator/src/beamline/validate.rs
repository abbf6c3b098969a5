//! What a beamline means: its parts with all that they are given, or what is wrong. Plain functions.

use std::collections::BTreeMap;

use crds::Beamline;
use crds::beamline::{
    Control, DisruptionSettings, FORCE_ROLLOUT_ANNOTATION, NetworkPolicySettings, Part,
    PodSettings, Publisher, QueueServer, Registry, SimIoc,
};
use k8s_openapi::api::core::v1::{Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

use super::build::names::Component;

mod config;
mod image;

pub(crate) use image::ValidImage;

/// A beamline whose pods can be described.
#[derive(Clone, Debug)]
pub(crate) struct Valid {
    /// Its name.
    pub(crate) name: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// What its objects say of their owner.
    pub(crate) owner: OwnerReference,
    /// The parts that run.
    pub(crate) parts: Vec<ValidPart>,
    /// The pod of an open worker environment.
    pub(crate) worker: ValidWorker,
    /// Who may connect.
    pub(crate) network_policy: NetworkPolicySettings,
    /// How many may be evicted.
    pub(crate) disruption: DisruptionSettings,
    /// Whether the queue pod is replaced even while a plan runs.
    pub(crate) forced: bool,
}

/// A part that runs.
#[derive(Clone, Debug)]
pub(crate) struct ValidPart {
    /// Which.
    pub(crate) component: Component,
    /// Number of its pods.
    pub(crate) replicas: i32,
    /// Its image.
    pub(crate) image: ValidImage,
    /// Its settings, as environment.
    pub(crate) config: BTreeMap<String, String>,
    /// What the user says of its pods.
    pub(crate) part: Part,
}

/// The pod of an open worker environment.
#[derive(Clone, Debug)]
pub(crate) struct ValidWorker {
    /// Its image.
    pub(crate) image: ValidImage,
    /// Whether that is not the image of the other pods, in which there is no Python.
    pub(crate) own_image: bool,
    /// How it reaches EPICS, as environment.
    pub(crate) config: BTreeMap<String, String>,
    /// Its publisher; none when no image for it has Python.
    pub(crate) publisher: Option<ValidPublisher>,
    /// Where the documents of the runs are kept.
    pub(crate) runs_claim: Option<String>,
    /// What the user says of it.
    pub(crate) pod: PodSettings,
}

/// The container that publishes documents.
#[derive(Clone, Debug)]
pub(crate) struct ValidPublisher {
    /// Its image.
    pub(crate) image: ValidImage,
    /// What the user says of it, as of a pod.
    pub(crate) container: PodSettings,
}

/// What is wrong with a beamline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    /// Another one was there before.
    #[error("a namespace is one beamline, and the older Beamline '{0}' is in this one")]
    Rival(String),
    /// Nobody says which image to run.
    #[error("spec.image.repository: the operator was started without BEAMLINE_IMAGE, so give one")]
    NoImage,
    /// A volume has a name that the operator takes for itself.
    #[error("spec.{part}.volumes: the name '{name}' is taken, choose another")]
    VolumeName {
        /// Where it is.
        part: &'static str,
        /// The name.
        name: String,
    },
}

/// Names of volumes that the operator gives to pods.
pub(crate) const TMP_VOLUME: &str = "tmp";
/// Volume for the documents of the runs.
pub(crate) const RUNS_VOLUME: &str = "runs";
/// Volume with what a registry begins with, and where its pods find it.
const PROFILE_VOLUME: &str = "registry-profile";
const PROFILE_PATH: &str = "/profile";

/// Judges `beamline`; `default_image` is that of the operator, `rival` an older beamline beside it.
pub(crate) fn validate(
    beamline: &Beamline,
    default_image: Option<&str>,
    rival: Option<&str>,
) -> Result<Valid, Invalid> {
    if let Some(rival) = rival {
        return Err(Invalid::Rival(rival.to_owned()));
    }
    let spec = &beamline.spec;
    let name = beamline.name_any();
    let image = ValidImage::of_beamline(&spec.image, default_image)?;
    let epics = config::epics(&spec.epics, &spec.sim_ioc, &name);
    let mut parts = Vec::new();
    let Registry { enabled, replicas, part, .. } = &spec.registry;
    let with_profile;
    if *enabled {
        own_names(Component::Registry.field(), &part.pod, &[PROFILE_VOLUME])?;
        with_profile = given_profile(part, profile(&spec.registry));
        parts.push((
            Component::Registry,
            *replicas,
            &with_profile,
            config::registry(&spec.registry),
        ));
    }
    let Control { enabled, replicas, part, read_only } = &spec.control;
    let asked = spec.queue.enabled.then(|| Component::Queue.object_name(&name));
    if *enabled {
        parts.push((
            Component::Control,
            *replicas,
            part,
            config::control(*read_only, asked.as_deref(), &epics),
        ));
    }
    let QueueServer { enabled, replicas, part, queue_name, .. } = &spec.queue;
    if *enabled {
        parts.push((Component::Queue, *replicas, part, config::queue(queue_name)));
    }
    let SimIoc { enabled, part } = &spec.sim_ioc;
    if *enabled {
        parts.push((Component::SimIoc, 1, part, BTreeMap::new()));
    }
    let parts = parts.into_iter().map(|(component, replicas, part, config)| {
        own_names(component.field(), &part.pod, &[TMP_VOLUME])?;
        let (image, part) = (image.clone(), part.clone());
        Ok::<_, Invalid>(ValidPart {
            component,
            replicas,
            image,
            config: config::with_logs(config),
            part,
        })
    });
    Ok(Valid {
        namespace: beamline.namespace().unwrap_or_default(),
        owner: beamline.controller_owner_ref(&()).unwrap_or_default(),
        parts: parts.collect::<Result<_, _>>()?,
        worker: worker(&spec.queue, &image, epics)?,
        network_policy: spec.network_policy.clone(),
        disruption: spec.pod_disruption_budget.clone(),
        forced: beamline.annotations().get(FORCE_ROLLOUT_ANNOTATION).is_some_and(|v| v == "true"),
        name,
    })
}

/// The beamline among `all` whose pods serve that queue: the oldest that is not refused.
pub(crate) fn serving<'a>(
    all: impl IntoIterator<Item = &'a Beamline>,
    queue: &str,
) -> Option<&'a Beamline> {
    all.into_iter()
        .min_by_key(|one| (one.creation_timestamp(), one.name_any()))
        .filter(|one| one.spec.queue.enabled && one.spec.queue.queue_name == queue)
}

fn worker(
    QueueServer { worker, publisher, .. }: &QueueServer,
    default_image: &ValidImage,
    epics: BTreeMap<String, String>,
) -> Result<ValidWorker, Invalid> {
    own_names("queue.worker", &worker.pod, &[TMP_VOLUME, RUNS_VOLUME])?;
    let image = default_image.or_own(&worker.image)?;
    let own_image = worker.image.repository.is_some();
    Ok(ValidWorker {
        publisher: publisher_of(publisher, own_image, &image)?,
        own_image,
        image,
        config: config::with_logs(epics),
        runs_claim: worker.runs_claim.clone(),
        pod: worker.pod.clone(),
    })
}

fn publisher_of(
    publisher: &Publisher,
    worker_has_python: bool,
    workers_image: &ValidImage,
) -> Result<Option<ValidPublisher>, Invalid> {
    let Publisher { image, resources, env, volume_mounts } = publisher;
    if image.repository.is_none() && !worker_has_python {
        return Ok(None);
    }
    let container = PodSettings {
        resources: resources.clone(),
        env: env.clone(),
        volume_mounts: volume_mounts.clone(),
        ..PodSettings::default()
    };
    Ok(Some(ValidPublisher { image: workers_image.or_own(image)?, container }))
}

fn own_names(part: &'static str, pod: &PodSettings, taken: &[&str]) -> Result<(), Invalid> {
    let clash = pod.volumes.iter().find(|volume| taken.contains(&volume.name.as_str()));
    clash.map_or(Ok(()), |volume| Err(Invalid::VolumeName { part, name: volume.name.clone() }))
}

/// The source of the volume with the profile, if one is said.
fn profile(registry: &Registry) -> Option<&Volume> {
    registry.profile.as_deref().filter(|source| **source != Volume::default())
}

/// The part whose pods have the profile.
fn given_profile(part: &Part, profile: Option<&Volume>) -> Part {
    let mut part = part.clone();
    if let Some(source) = profile {
        part.pod.volumes.push(Volume { name: PROFILE_VOLUME.to_owned(), ..source.clone() });
        part.pod.volume_mounts.push(VolumeMount {
            name: PROFILE_VOLUME.to_owned(),
            mount_path: PROFILE_PATH.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        });
    }
    part
}

#[cfg(test)]
mod tests {
    use crds::beamline::PullPolicy;

    use super::*;

    fn beamline(spec: &str) -> Beamline {
        let text = format!(
            "{{apiVersion: beamline.dev/v1alpha1, kind: Beamline, \
             metadata: {{name: hex, namespace: ns, uid: u1}}, spec: {spec}}}"
        );
        serde_saphyr::from_str(&text).unwrap()
    }

    fn valid(spec: &str) -> Valid {
        validate(&beamline(spec), Some("reg:5000/op/beamline:1.2"), None).unwrap()
    }

    fn config(valid: &Valid, component: Component) -> &BTreeMap<String, String> {
        &valid.parts.iter().find(|part| part.component == component).unwrap().config
    }

    #[test]
    fn an_empty_spec_is_registry_control_and_queue_with_the_image_of_the_operator() {
        let valid = valid("{}");
        let parts: Vec<_> = valid.parts.iter().map(|part| part.component).collect();
        assert_eq!(parts, [Component::Registry, Component::Control, Component::Queue]);
        assert_eq!(valid.parts[0].image.reference, "reg:5000/op/beamline:1.2");
        assert_eq!(config(&valid, Component::Control)["DIRECT_CONTROL_GLOBAL_READ_ONLY"], "true");
        assert_eq!(config(&valid, Component::Control)["EPICS_CA_AUTO_ADDR_LIST"], "NO");
    }

    #[test]
    fn an_image_is_given_whole_by_tag_or_by_digest() {
        let of =
            |image: &str| valid(&format!("{{image: {image}}}")).parts[0].image.reference.clone();
        assert_eq!(of("{repository: a/b, tag: v1}"), "a/b:v1");
        assert_eq!(of("{repository: a/b}"), "a/b:latest");
        assert_eq!(of("{tag: v2}"), "reg:5000/op/beamline:v2");
        assert_eq!(of("{repository: a/b, tag: 'sha256:00'}"), "a/b@sha256:00");
        let none = validate(&beamline("{}"), None, None);
        assert_eq!(none.unwrap_err(), Invalid::NoImage);
    }

    #[test]
    fn the_worker_has_the_image_of_the_others_unless_it_has_its_own() {
        let own = valid("{image: {pullPolicy: Never}, queue: {worker: {image: {repository: w}}}}");
        assert_eq!(own.worker.image.reference, "w:latest");
        assert_eq!(own.worker.image.pull_policy, PullPolicy::Never);
        assert_eq!(valid("{}").worker.image.reference, "reg:5000/op/beamline:1.2");
    }

    #[test]
    fn where_pvaccess_is_searched_reaches_direct_control_and_the_worker() {
        let pva = valid(
            "{epics: {pvaNameServers: [a, 'b:5085'], pvaAddrList: [c], pvaServerPort: 5085, \
             pvaBroadcastPort: 5086}}",
        );
        for config in [config(&pva, Component::Control), &pva.worker.config] {
            assert_eq!(config["EPICS_PVA_NAME_SERVERS"], "a b:5085");
            assert_eq!(config["EPICS_PVA_ADDR_LIST"], "c");
            assert_eq!(config["EPICS_PVA_AUTO_ADDR_LIST"], "NO");
            assert_eq!(config["EPICS_PVA_SERVER_PORT"], "5085");
            assert_eq!(config["EPICS_PVA_BROADCAST_PORT"], "5086");
        }
    }

    #[test]
    fn the_simulated_ioc_is_the_name_server_when_nothing_else_is_said() {
        let sim = valid("{simIoc: {enabled: true}}");
        let servers =
            |valid: &Valid| config(valid, Component::Control)["EPICS_CA_NAME_SERVERS"].clone();
        assert_eq!(servers(&sim), "hex-sim-ioc:5064");
        assert_eq!(sim.worker.config["EPICS_CA_NAME_SERVERS"], "hex-sim-ioc:5064");
        let site = valid("{simIoc: {enabled: true}, epics: {caNameServers: [a, 'b:5066']}}");
        assert_eq!(servers(&site), "a b:5066");
    }

    #[test]
    fn name_servers_that_are_away_are_dialled_again_soon_unless_the_site_says_otherwise() {
        let seconds =
            |spec: &str| config(&valid(spec), Component::Control).get("EPICS_CA_CONN_TMO").cloned();
        assert_eq!(seconds("{epics: {caNameServers: [a]}}").as_deref(), Some("5"));
        assert_eq!(seconds("{epics: {caNameServers: [a], connTmo: 20}}").as_deref(), Some("20"));
        assert_eq!(seconds("{epics: {addrList: [a]}}"), None);
    }

    #[test]
    fn a_volume_with_a_name_of_the_operator_is_refused_where_it_stands() {
        let spec = beamline("{queue: {worker: {volumes: [{name: runs, emptyDir: {}}]}}}");
        let error = validate(&spec, Some("i"), None).unwrap_err().to_string();
        assert!(error.starts_with("spec.queue.worker.volumes: the name 'runs'"), "{error}");
        let spec = beamline("{control: {volumes: [{name: tmp, emptyDir: {}}]}}");
        let error = validate(&spec, Some("i"), None).unwrap_err().to_string();
        assert!(error.starts_with("spec.control.volumes"), "{error}");
    }

    #[test]
    fn a_registry_is_given_its_profile() {
        let spec = "{registry: {loadStrategy: Happi, profile: {configMap: {name: happi}}}}";
        let given = valid(spec);
        let registry = &given.parts[0];
        assert_eq!(registry.config["CONFIG_PROFILE_PATH"], "/profile");
        assert_eq!(registry.config["CONFIG_LOAD_STRATEGY"], "happi");
        let pod = &registry.part.pod;
        assert_eq!(pod.volumes[0].config_map.as_ref().unwrap().name, "happi");
        assert_eq!(pod.volumes[0].name, pod.volume_mounts[0].name);
        assert_eq!(pod.volume_mounts[0].mount_path, "/profile");
        assert_eq!(pod.volume_mounts[0].read_only, Some(true));
        assert!(given.parts[1].part.pod.volumes.is_empty());
        let none = valid("{registry: {profile: {}}}");
        let said = |name: &str| none.parts[0].config.contains_key(name);
        assert!(none.parts[0].part.pod.volumes.is_empty());
        assert!(!said("CONFIG_PROFILE_PATH") && !said("CONFIG_LOAD_STRATEGY"));
    }

    #[test]
    fn the_later_of_two_beamlines_in_a_namespace_is_refused() {
        let error = validate(&beamline("{}"), Some("i"), Some("old")).unwrap_err();
        assert!(error.to_string().contains("'old'"), "{error}");
    }
}
