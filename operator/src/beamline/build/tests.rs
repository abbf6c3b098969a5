//! What is built, as files: `UPDATE_GOLDEN=1` writes them anew, and a diff shows what a change does
//! to every pod.

use std::path::Path;

use crds::{Beamline, PlanWorker};
use kube::{Resource, ResourceExt};
use serde::Serialize;

use super::worker::worker_pod as worker_pod_of;
use super::{Wanted, build};
use crate::beamline::children::Children;
use crate::beamline::dereference::Found;
use crate::beamline::validate::{Valid, validate};

const IMAGE: &str = "localhost/beamline:dev";

/// Everything that a user can say, once.
const FULL: &str = "
image: {repository: reg.example/beamline, tag: v1, pullPolicy: Always, pullSecrets: [{name: creds}]}
epics: {caNameServers: [gw-1, 'gw-2:5066'], addrList: [10.0.0.255], autoAddrList: true, serverPort: 5064, pvaNameServers: [gw-3]}
registry:
  replicas: 2
  lockLeaseTtlSeconds: 30
  runtimeEdits: Allow
  loadStrategy: Bits
  profile: {persistentVolumeClaim: {claimName: profile}}
  podLabels: {team: hex}
control:
  replicas: 3
  readOnly: false
  hostNetwork: true
  resources: {limits: {memory: 256Mi}, requests: {cpu: 1}}
  nodeSelector: {net: epics}
  tolerations: [{key: beamline, operator: Exists}]
  priorityClassName: high
  topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]
  env:
  - {name: DIRECT_CONTROL_COMMAND_TIMEOUT, value: '60'}
  - {name: BEAMLINE_POD_NAME, value: mine}
  service: {type: LoadBalancer, annotations: {lb: internal}}
  serviceAccount: {annotations: {cloud: role}}
queue:
  replicas: 2
  queueName: day
  terminationGracePeriodSeconds: 120
  env: [{name: KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}]
  worker:
    image: {repository: reg.example/worker, tag: 'sha256:00'}
    runsClaim: runs
    volumes: [{name: profile, configMap: {name: profile}}]
    volumeMounts: [{name: profile, mountPath: /profile, readOnly: true}]
    podAnnotations: {note: x}
  publisher:
    image: {tag: v2, pullSecrets: [{name: other}]}
    resources: {limits: {memory: 512Mi}}
    env: [{name: TILED_API_KEY, valueFrom: {secretKeyRef: {name: tiled, key: key}}}]
    volumeMounts: [{name: profile, mountPath: /kafka, readOnly: true}]
simIoc: {enabled: true}
networkPolicy: {enabled: true, from: [{namespaceSelector: {matchLabels: {team: hex}}}]}
podDisruptionBudget: {maxUnavailable: 0}
";

fn beamline(spec: &str) -> Beamline {
    let head = "apiVersion: beamline.dev/v1alpha1\nkind: Beamline\n\
                metadata: {name: hex, namespace: ns, uid: u1}\nspec:\n";
    let spec: String = spec.trim().lines().map(|line| format!("  {line}\n")).collect();
    serde_saphyr::from_str(&format!("{head}{spec}")).unwrap()
}

fn valid(spec: &str) -> Valid {
    validate(&beamline(spec), Some(IMAGE), None).unwrap()
}

fn built(spec: &str) -> Children {
    build(&valid(spec), &Found::default()).children
}

fn worker() -> PlanWorker {
    serde_saphyr::from_str(
        "{apiVersion: beamline.dev/v1alpha1, kind: PlanWorker, \
         metadata: {name: w1, namespace: ns, uid: w1-uid}, spec: {queue: main, \
         connectTo: 'ws://10.0.0.1:60610/worker/v1', tokenSecret: w1-token, epoch: 4}}",
    )
    .unwrap()
}

/// The same, with its documents published.
fn published(mut worker: PlanWorker) -> PlanWorker {
    worker.spec.publishers = serde_saphyr::from_str(
        "{zmq: {address: 'proxy:5577'}, tiled: {uri: 'http://tiled'}, since: '2026-11-01', \
         kafka: {bootstrapServers: ['k1:9092', 'k2:9092'], topic: runs, configFile: /kafka/k.json}}",
    )
    .unwrap();
    worker
}

/// All objects as one file.
fn documents(children: &Children, extra: &[String]) -> String {
    let Children {
        config_maps,
        service_accounts,
        roles,
        role_bindings,
        network_policies,
        disruption_budgets,
        services,
        deployments,
    } = children;
    let mut all = Vec::new();
    all.extend(config_maps.iter().map(yaml));
    all.extend(service_accounts.iter().map(yaml));
    all.extend(roles.iter().map(yaml));
    all.extend(role_bindings.iter().map(yaml));
    all.extend(network_policies.iter().map(yaml));
    all.extend(disruption_budgets.iter().map(yaml));
    all.extend(services.iter().map(yaml));
    all.extend(deployments.iter().map(yaml));
    all.extend(extra.iter().cloned());
    all.join("---\n")
}

fn yaml<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> String {
    crds::yaml::to_yaml(&object.name_any(), object).unwrap()
}

fn assert_golden(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == text,
        "{file} is stale: run the test with UPDATE_GOLDEN=1 and look at the diff"
    );
}

#[test]
fn a_beamline_with_defaults_is_built_as_checked_in() {
    let pod = yaml(&worker_pod_of(&valid("{}"), &worker()));
    assert_golden("default.yaml", &documents(&built("{}"), &[pod]));
}

#[test]
fn a_beamline_with_every_setting_is_built_as_checked_in() {
    let pod = yaml(&worker_pod_of(&valid(FULL), &published(worker())));
    assert_golden("full.yaml", &documents(&built(FULL), &[pod]));
}

#[test]
fn the_same_beamline_is_built_the_same_each_time() {
    assert_eq!(built(FULL), built(FULL));
}

/// Digests of the pod templates by name.
fn templates(spec: &str) -> std::collections::BTreeMap<String, String> {
    let digest = |one: &k8s_openapi::api::apps::v1::Deployment| {
        (one.name_any(), one.annotations()[super::TEMPLATE_DIGEST].clone())
    };
    built(spec).deployments.iter().map(digest).collect()
}

fn changed(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (templates(before), templates(after));
    after
        .into_iter()
        .filter(|(name, digest)| before.get(name) != Some(digest))
        .map(|one| one.0)
        .collect()
}

#[test]
fn a_changed_setting_replaces_exactly_the_pods_that_it_concerns() {
    assert_eq!(changed("{}", "{control: {readOnly: false}}"), ["hex-control"]);
    assert_eq!(changed("{}", "{registry: {lockLeaseTtlSeconds: 5}}"), ["hex-registry"]);
    assert_eq!(changed("{}", "{epics: {caNameServers: [gw]}}"), ["hex-control"]);
    assert_eq!(changed("{}", "{queue: {env: [{name: A, value: b}]}}"), ["hex-queue"]);
    assert_eq!(changed("{}", "{queue: {worker: {runsClaim: r}}}"), Vec::<String>::new());
    assert_eq!(changed("{}", "{registry: {replicas: 3}}"), Vec::<String>::new());
    let all = ["hex-control", "hex-queue", "hex-registry"];
    assert_eq!(changed("{}", "{image: {tag: v2}}"), all);
}

fn wanted_while_busy(before: &str, after: &str, annotations: &str) -> Wanted {
    let found = Found { live: built(before), busy: true, ..Found::default() };
    let mut beamline = beamline(after);
    beamline.metadata.annotations = serde_saphyr::from_str(annotations).unwrap();
    build(&validate(&beamline, Some(IMAGE), None).unwrap(), &found)
}

#[test]
fn the_queue_pod_is_held_back_while_a_plan_runs_and_nothing_else_is() {
    let wanted = wanted_while_busy("{}", "{image: {tag: v2}}", "{}");
    assert_eq!(wanted.held.as_deref(), Some("hex-queue"));
    let names: Vec<_> = wanted.children.deployments.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["hex-registry", "hex-control"]);
    assert!(wanted.children.config_maps.iter().all(|one| one.name_any() != "hex-queue"));
    assert!(wanted.children.services.iter().any(|one| one.name_any() == "hex-queue"));
}

#[test]
fn a_queue_pod_that_would_stay_is_not_held_back_and_force_holds_nothing_back() {
    let scaled = wanted_while_busy("{}", "{queue: {replicas: 2}}", "{}");
    assert_eq!(scaled.held, None);
    let forced =
        wanted_while_busy("{}", "{image: {tag: v2}}", "{beamline.dev/force-rollout: 'true'}");
    assert_eq!(forced.held, None);
    let first = build(&valid("{}"), &Found { busy: true, ..Found::default() });
    assert_eq!(first.held, None);
}

#[test]
fn a_part_that_is_switched_off_has_no_objects() {
    let children = built("{queue: {enabled: false}, networkPolicy: {enabled: true}}");
    let text = documents(&children, &[]);
    assert!(!text.contains("hex-queue") && !text.contains("hex-worker"), "{text}");
}

#[test]
fn every_pod_is_restricted_unless_it_shares_the_network_of_its_node() {
    let mut pods: Vec<_> = built("{simIoc: {enabled: true}}")
        .deployments
        .into_iter()
        .map(|one| one.spec.unwrap().template.spec.unwrap())
        .collect();
    pods.push(worker_pod_of(&valid("{}"), &worker()).spec.unwrap());
    assert_eq!(pods.len(), 5);
    for pod in pods {
        let context = pod.security_context.unwrap();
        assert_eq!(context.run_as_non_root, Some(true));
        assert_eq!(context.seccomp_profile.unwrap().type_, "RuntimeDefault");
        assert_eq!(pod.host_network, None);
        for container in pod.containers {
            let context = container.security_context.unwrap();
            assert_eq!(context.allow_privilege_escalation, Some(false));
            assert_eq!(context.read_only_root_filesystem, Some(true));
            assert_eq!(context.capabilities.unwrap().drop, Some(vec!["ALL".to_owned()]));
            assert_eq!(context.privileged, None);
        }
    }
}

#[test]
fn the_service_of_the_queue_leads_to_the_pod_that_leads_and_the_others_to_all() {
    let services = built("{}").services;
    let selects_leader = |name: &str| {
        let service = services.iter().find(|one| one.name_any() == name).unwrap();
        let selector = service.spec.as_ref().unwrap().selector.as_ref().unwrap();
        selector.get("beamline.dev/role").map(String::as_str) == Some("leader")
    };
    assert!(selects_leader("hex-queue"));
    assert!(!selects_leader("hex-control"));
}

#[test]
fn a_worker_names_its_token_and_is_owned_by_its_plan_worker() {
    let pod = worker_pod_of(&valid("{}"), &worker());
    assert_eq!(pod.owner_references()[0].uid, "w1-uid");
    assert_eq!(pod.spec.as_ref().unwrap().restart_policy.as_deref(), Some("Never"));
    let container = &pod.spec.as_ref().unwrap().containers[0];
    let token = container.env.iter().flatten().find(|one| one.name == "BEAMLINE_WORKER_TOKEN");
    let token = token.unwrap();
    assert_eq!(token.value, None);
    let secret = token.value_from.as_ref().unwrap().secret_key_ref.as_ref().unwrap();
    assert_eq!((secret.name.as_str(), secret.key.as_str()), ("w1-token", "token"));
}

#[test]
fn a_worker_with_the_bluesky_engine_is_python_with_the_profile_of_the_site() {
    let mut worker = worker();
    worker.spec.engine = crds::plan_worker::Engine::Bluesky;
    worker.spec.profile.startup_dir = Some("/site".to_owned());
    let without = valid("{}");
    let valid = valid("queue: {worker: {image: {repository: site/worker, tag: v3}}}");
    assert!(valid.worker.own_image && !without.worker.own_image);
    let pod = worker_pod_of(&valid, &worker);
    let container = &pod.spec.as_ref().unwrap().containers[0];
    assert_eq!(container.image.as_deref(), Some("site/worker:v3"));
    let words = container.command.iter().chain(&container.args).flatten();
    assert_eq!(words.collect::<Vec<_>>(), ["python", "-m", "beamline_worker"]);
    let value = |name: &str| {
        let mut all = container.env.iter().flatten();
        all.find(|one| one.name == name).and_then(|one| one.value.as_deref())
    };
    assert_eq!(value("BEAMLINE_WORKER_STARTUP_DIR"), Some("/site"));
    assert_eq!(value("HOME"), Some("/tmp"));
}

#[test]
fn documents_are_published_by_an_image_with_python_beside_the_worker() {
    let of = |spec: &str| {
        let pod = worker_pod_of(&valid(spec), &published(worker())).spec.unwrap();
        pod.init_containers.unwrap_or_default().pop()
    };
    // The image of the other pods has none.
    assert_eq!(of("{}"), None);
    let own = of("queue: {worker: {image: {repository: site/worker, tag: v3}}}").unwrap();
    assert_eq!(own.image.as_deref(), Some("site/worker:v3"));
    let another = of("queue: {publisher: {image: {repository: site/python}}}").unwrap();
    assert_eq!(another.image.as_deref(), Some("site/python:latest"));
    // It is started again when it fails, and lets the worker start and end.
    assert_eq!(another.restart_policy.as_deref(), Some("Always"));
}

#[test]
fn a_variable_of_the_user_replaces_the_operators_own() {
    let deployments = built(FULL).deployments;
    let control = deployments.iter().find(|one| one.name_any() == "hex-control").unwrap();
    let pod = control.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    let named: Vec<_> = pod.containers[0]
        .env
        .iter()
        .flatten()
        .filter(|one| one.name == "BEAMLINE_POD_NAME")
        .collect();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].value.as_deref(), Some("mine"));
}
