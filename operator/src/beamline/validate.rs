//! What a beamline means: its parts with all that they are given, or what is wrong. Plain functions.

use std::collections::BTreeMap;

use crds::Beamline;
use crds::beamline::{
    Control, DisruptionSettings, Epics, FORCE_ROLLOUT_ANNOTATION, Image, LoadStrategy,
    NetworkPolicySettings, Part, PodSettings, Publisher, PullPolicy, QueueServer, Registry,
    RuntimeEdits, SimIoc,
};
use k8s_openapi::api::core::v1::{LocalObjectReference, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

use super::build::names::Component;

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

/// An image as a pod names it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValidImage {
    /// Repository with tag or digest.
    pub(crate) reference: String,
    /// When it is pulled.
    pub(crate) pull_policy: PullPolicy,
    /// With which credentials.
    pub(crate) pull_secrets: Vec<LocalObjectReference>,
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
    let image = image(&spec.image, default_image)?;
    let epics = epics(&spec.epics, &spec.sim_ioc, &name);
    let mut parts = Vec::new();
    let Registry { enabled, replicas, part, .. } = &spec.registry;
    let with_profile;
    if *enabled {
        own_names(Component::Registry.field(), &part.pod, &[PROFILE_VOLUME])?;
        with_profile = given_profile(part, profile(&spec.registry));
        parts.push((Component::Registry, *replicas, &with_profile, registry(&spec.registry)));
    }
    let Control { enabled, replicas, part, read_only } = &spec.control;
    let asked = spec.queue.enabled.then(|| Component::Queue.object_name(&name));
    if *enabled {
        parts.push((
            Component::Control,
            *replicas,
            part,
            control(*read_only, asked.as_deref(), &epics),
        ));
    }
    let QueueServer { enabled, replicas, part, queue_name, .. } = &spec.queue;
    if *enabled {
        parts.push((Component::Queue, *replicas, part, queue(queue_name)));
    }
    let SimIoc { enabled, part } = &spec.sim_ioc;
    if *enabled {
        parts.push((Component::SimIoc, 1, part, BTreeMap::new()));
    }
    let parts = parts.into_iter().map(|(component, replicas, part, config)| {
        own_names(component.field(), &part.pod, &[TMP_VOLUME])?;
        let (image, part) = (image.clone(), part.clone());
        Ok::<_, Invalid>(ValidPart { component, replicas, image, config: with_logs(config), part })
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
    let image = own_image(&worker.image, default_image)?;
    let own_image = worker.image.repository.is_some();
    Ok(ValidWorker {
        publisher: publisher_of(publisher, own_image, &image)?,
        own_image,
        image,
        config: with_logs(epics),
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
    Ok(Some(ValidPublisher { image: own_image(image, workers_image)?, container }))
}

fn own_names(part: &'static str, pod: &PodSettings, taken: &[&str]) -> Result<(), Invalid> {
    let clash = pod.volumes.iter().find(|volume| taken.contains(&volume.name.as_str()));
    clash.map_or(Ok(()), |volume| Err(Invalid::VolumeName { part, name: volume.name.clone() }))
}

/// The image of a container that may have its own; what is not said is as that of `default`.
fn own_image(own: &Image, default: &ValidImage) -> Result<ValidImage, Invalid> {
    let pull_secrets = match own.pull_secrets.as_slice() {
        [] => default.pull_secrets.clone(),
        _ => pull_secrets(own),
    };
    Ok(ValidImage {
        reference: reference(own, Some(&default.reference))?,
        pull_policy: own.pull_policy.unwrap_or(default.pull_policy),
        pull_secrets,
    })
}

fn image(image: &Image, default: Option<&str>) -> Result<ValidImage, Invalid> {
    Ok(ValidImage {
        reference: reference(image, default)?,
        pull_policy: image.pull_policy.unwrap_or(PullPolicy::IfNotPresent),
        pull_secrets: pull_secrets(image),
    })
}

fn pull_secrets(image: &Image) -> Vec<LocalObjectReference> {
    let names = image.pull_secrets.iter();
    names.map(|secret| LocalObjectReference { name: secret.name.clone() }).collect()
}

/// Repository with tag or digest. A tag alone means the repository of `default`.
fn reference(image: &Image, default: Option<&str>) -> Result<String, Invalid> {
    let Image { repository, tag, .. } = image;
    let repository = match (repository, tag) {
        (Some(repository), _) => repository.as_str(),
        (None, None) => return default.map(str::to_owned).ok_or(Invalid::NoImage),
        (None, Some(_)) => without_tag(default.ok_or(Invalid::NoImage)?),
    };
    Ok(match tag.as_deref() {
        Some(digest) if digest.starts_with("sha256:") => format!("{repository}@{digest}"),
        Some(tag) => format!("{repository}:{tag}"),
        None => format!("{repository}:latest"),
    })
}

/// A colon before the last slash is that of a port.
fn without_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    image[name..].find(':').map_or(image, |colon| &image[..name + colon])
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

fn registry(registry: &Registry) -> BTreeMap<String, String> {
    let edits = registry.runtime_edits == RuntimeEdits::Allow;
    let mut all = variables([
        ("CONFIG_HOST", "0.0.0.0".to_owned()),
        ("CONFIG_PORT", Component::Registry.port().to_string()),
        ("CONFIG_LOCK_LEASE_TTL_SECONDS", registry.lock_lease_ttl_seconds.to_string()),
        ("CONFIG_RUNTIME_EDITS", edits.to_string()),
    ]);
    // Only what is said, so that nothing is replaced for a default.
    if registry.load_strategy != LoadStrategy::default() {
        let strategy = registry.load_strategy.as_str().to_owned();
        all.insert("CONFIG_LOAD_STRATEGY".to_owned(), strategy);
    }
    if profile(registry).is_some() {
        all.insert("CONFIG_PROFILE_PATH".to_owned(), PROFILE_PATH.to_owned());
    }
    all
}

fn control(
    read_only: bool,
    queue: Option<&str>,
    epics: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = variables([
        ("DIRECT_CONTROL_HOST", "0.0.0.0".to_owned()),
        ("DIRECT_CONTROL_PORT", Component::Control.port().to_string()),
        ("DIRECT_CONTROL_GLOBAL_READ_ONLY", read_only.to_string()),
        ("OAS_HOST", "0.0.0.0".to_owned()),
        ("OAS_PORT", "8001".to_owned()),
    ]);
    if let Some(queue) = queue {
        all.extend(variables([
            ("QSERVER_HTTP_SERVER_HOST", queue.to_owned()),
            ("QSERVER_HTTP_SERVER_PORT", Component::Queue.port().to_string()),
            ("ZMQ_HOST", queue.to_owned()),
            ("ZMQ_PORT", "60625".to_owned()),
        ]));
    }
    all.extend(epics.clone());
    all
}

fn queue(queue_name: &str) -> BTreeMap<String, String> {
    variables([
        ("QSERVER_HTTP_ADDRESS", "0.0.0.0:60610".to_owned()),
        ("QSERVER_ZMQ_CONTROL_ADDRESS_FOR_SERVER", "tcp://*:60615".to_owned()),
        ("QSERVER_ZMQ_INFO_ADDRESS_FOR_SERVER", "tcp://*:60625".to_owned()),
        ("QSERVER_QUEUE", queue_name.to_owned()),
        // Without a key the API is as open as the other two: no key could be made up that others know.
        ("QSERVER_HTTP_SERVER_OPEN_ACCESS", "true".to_owned()),
    ])
}

/// Seconds until a name server that is away is dialled again; the default of EPICS, 30, is long for a pod that was replaced.
const CONN_TMO: i32 = 5;

/// The `EPICS_CA_*` and `EPICS_PVA_*` environment. A simulated IOC, which speaks Channel Access, is found without a word.
fn epics(epics: &Epics, sim_ioc: &SimIoc, beamline: &str) -> BTreeMap<String, String> {
    let port = Component::SimIoc.port();
    let name_servers = if epics.says_nothing() && sim_ioc.enabled {
        format!("{}:{port}", Component::SimIoc.object_name(beamline))
    } else {
        epics.ca_name_servers.join(" ")
    };
    let conn_tmo = epics.conn_tmo.or((!name_servers.is_empty()).then_some(CONN_TMO));
    let yes_or_no = |yes| if yes { "YES" } else { "NO" }.to_owned();
    let mut all = variables([
        ("EPICS_CA_NAME_SERVERS", name_servers),
        ("EPICS_CA_ADDR_LIST", epics.addr_list.join(" ")),
        ("EPICS_CA_AUTO_ADDR_LIST", yes_or_no(epics.auto_addr_list)),
        ("EPICS_PVA_NAME_SERVERS", epics.pva_name_servers.join(" ")),
        ("EPICS_PVA_ADDR_LIST", epics.pva_addr_list.join(" ")),
        ("EPICS_PVA_AUTO_ADDR_LIST", yes_or_no(epics.pva_auto_addr_list)),
    ]);
    let numbers = [
        ("EPICS_CA_SERVER_PORT", epics.server_port),
        ("EPICS_CA_CONN_TMO", conn_tmo),
        ("EPICS_PVA_SERVER_PORT", epics.pva_server_port),
        ("EPICS_PVA_BROADCAST_PORT", epics.pva_broadcast_port),
    ];
    all.extend(
        numbers
            .into_iter()
            .filter_map(|(name, number)| Some((name.to_owned(), number?.to_string()))),
    );
    all
}

fn with_logs(mut config: BTreeMap<String, String>) -> BTreeMap<String, String> {
    config.insert("BEAMLINE_LOG_FORMAT".to_owned(), "json".to_owned());
    config
}

fn variables<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

#[cfg(test)]
mod tests {
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
