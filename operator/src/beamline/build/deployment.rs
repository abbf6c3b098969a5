//! The pods of a part.

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapEnvSource, Container, ContainerPort, EnvFromSource, HTTPGetAction,
    PodTemplateSpec, Probe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::names::Component;
use super::{TEMPLATE_DIGEST, digest, metadata, pod};
use crate::beamline::validate::{Valid, ValidPart};

/// Annotation of a pod with the digest of its settings: other settings, other pods.
const CONFIG_DIGEST: &str = "beamline.dev/config-digest";
/// Old ReplicaSets that are kept to look at.
const HISTORY: i32 = 3;
/// Seconds after which a rollout that does not get on is said to be stuck.
const DEADLINE: i32 = 300;
/// Seconds that the executable may take to start.
const STARTUP: i32 = 60;

/// The pods of a part, replaced when its settings in `config` change and only then.
pub(super) fn deployment(valid: &Valid, part: &ValidPart, config: &ConfigMap) -> Deployment {
    let component = part.component;
    let template = template(valid, part, config);
    let mut metadata = metadata(valid, component);
    metadata.annotations = Some([(TEMPLATE_DIGEST.to_owned(), digest(&template))].into());
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(part.replicas),
            revision_history_limit: Some(HISTORY),
            progress_deadline_seconds: Some(DEADLINE),
            selector: LabelSelector {
                match_labels: Some(component.selector(&valid.name)),
                match_expressions: None,
            },
            strategy: Some(strategy(component, part.part.pod.host_network)),
            template,
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// A new pod is ready before an old one goes, except where the two would fight for ports of a node
/// or be two IOCs of the same name.
fn strategy(component: Component, host_network: bool) -> DeploymentStrategy {
    if component == Component::SimIoc {
        return DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None };
    }
    let (surge, unavailable) = if host_network { (0, 1) } else { (1, 0) };
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(surge)),
            max_unavailable: Some(IntOrString::Int(unavailable)),
        }),
    }
}

fn template(valid: &Valid, part: &ValidPart, config: &ConfigMap) -> PodTemplateSpec {
    let (component, settings) = (part.component, &part.part.pod);
    let annotations = [(CONFIG_DIGEST.to_owned(), digest(&config.data))].into();
    let container = container(valid, part);
    let spec = pod::spec(valid, component, &part.image, settings, container, grace(component));
    PodTemplateSpec {
        metadata: Some(pod::metadata(valid, component, settings, annotations)),
        spec: Some(spec),
    }
}

/// Seconds to end in order. A queue hands over or aborts its plan first.
fn grace(component: Component) -> i64 {
    match component {
        Component::Queue | Component::Worker => 60,
        Component::Registry | Component::Control => 30,
        Component::SimIoc => 5,
    }
}

fn container(valid: &Valid, part: &ValidPart) -> Container {
    let component = part.component;
    let mut environment = pod::identity();
    if component == Component::Queue {
        // A worker talks to the pod that opened its environment, not to whoever leads.
        environment.push(pod::variable("QSERVER_WORKER_ADDRESS", "$(BEAMLINE_POD_IP):60610"));
    }
    let mut container = pod::container(component, &part.image, &part.part.pod, environment);
    if component == Component::SimIoc {
        container.args = Some(["sim-ioc", "--host", "0.0.0.0"].map(str::to_owned).into());
    }
    let ports = component.ports().iter().map(|(name, port, protocol)| ContainerPort {
        name: Some((*name).to_owned()),
        container_port: *port,
        protocol: Some((*protocol).to_owned()),
        ..ContainerPort::default()
    });
    container.ports = Some(ports.collect());
    container.env_from = Some(vec![EnvFromSource {
        config_map_ref: Some(ConfigMapEnvSource {
            name: component.object_name(&valid.name),
            optional: None,
        }),
        ..EnvFromSource::default()
    }]);
    // Startup and liveness ask whether the process lives: `/health` says 503 while the Kubernetes API is away, and a restart
    // would not bring it back. Only readiness asks what a pod waits for, and an IOC that is off is not part of that.
    container.startup_probe = Some(probe(component, "/livez", 1, STARTUP));
    container.liveness_probe = Some(probe(component, "/livez", 10, 3));
    container.readiness_probe = Some(probe(component, "/ready", 3, 2));
    container
}

fn probe(component: Component, path: &str, period: i32, failures: i32) -> Probe {
    let mut probe = Probe {
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(3),
        ..Probe::default()
    };
    if component == Component::SimIoc {
        let port = IntOrString::String("ca".to_owned());
        probe.tcp_socket = Some(TCPSocketAction { port, host: None });
    } else {
        let port = IntOrString::String("http".to_owned());
        let path = Some(path.to_owned());
        probe.http_get = Some(HTTPGetAction { path, port, ..HTTPGetAction::default() });
    }
    probe
}
