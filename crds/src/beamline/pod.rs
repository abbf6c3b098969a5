//! What can be said about any pod of a beamline. Where Kubernetes has a word, it is that word.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EnvVar, ResourceRequirements, Toleration, TopologySpreadConstraint, Volume,
    VolumeMount,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shapes;

/// An image and how it is pulled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Image {
    /// Registry and repository, such as `ghcr.io/org/beamline`; that of the operator's image when
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub repository: Option<String>,
    /// Tag, or digest when it starts with `sha256:`. When absent, `latest`, or with no repository
    /// either the whole image of the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub tag: Option<String>,
    /// When it is pulled; `IfNotPresent` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    /// Secrets with the credentials of the registry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub pull_secrets: Vec<LocalReference>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// Each time that a pod starts.
    Always,
    /// When the node does not have it.
    IfNotPresent,
    /// Never: the node must have it.
    Never,
}

impl PullPolicy {
    /// The word of Kubernetes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// An object of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalReference {
    /// Its `metadata.name`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What can be said about every part that is a Deployment behind a Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Part {
    /// The service in front of the pods.
    pub service: ServiceSettings,
    /// The account that the pods have at the Kubernetes API.
    pub service_account: ServiceAccountSettings,
    /// Where the pods run and what they are given.
    #[serde(flatten)]
    pub pod: PodSettings,
}

/// The service in front of the pods of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSettings {
    /// Where it can be reached from; inside of the cluster unless said otherwise.
    #[serde(rename = "type")]
    pub type_: ServiceType,
    /// Its annotations, such as those of a load balancer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::annotations")]
    pub annotations: BTreeMap<String, String>,
}

/// Where a service can be reached from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Inside of the cluster.
    #[default]
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// On a port of every node.
    NodePort,
    /// At an address that the cluster's load balancer gives.
    LoadBalancer,
}

impl ServiceType {
    /// The word of Kubernetes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// The account that pods have at the Kubernetes API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceAccountSettings {
    /// Its annotations, such as those that tie it to an account of a cloud.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::annotations")]
    pub annotations: BTreeMap<String, String>,
}

/// Where pods run and what they are given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSettings {
    /// CPU and memory of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::resources")]
    pub resources: Option<ResourceRequirements>,
    /// Labels that a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::labels")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that do not keep the pods away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::tolerations")]
    pub tolerations: Vec<Toleration>,
    /// Which nodes and which neighbours the pods like.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::affinity")]
    pub affinity: Option<Affinity>,
    /// How the pods are spread over nodes or zones. Without a `labelSelector` the pods of the part
    /// are meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::topology_spread")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// PriorityClass of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Whether the pods share the network of their node, for IOCs that are only found by broadcast.
    /// The namespace must allow `privileged` pods for that.
    pub host_network: bool,
    /// More environment of the container; it wins over what the operator sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::environment")]
    pub env: Vec<EnvVar>,
    /// More volumes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::volumes")]
    pub volumes: Vec<Volume>,
    /// Where the container finds them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::volume_mounts")]
    pub volume_mounts: Vec<VolumeMount>,
    /// More labels of the pods. Those that the operator sets win.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::labels")]
    pub pod_labels: BTreeMap<String, String>,
    /// More annotations of the pods. Those that the operator sets win.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shapes::annotations")]
    pub pod_annotations: BTreeMap<String, String>,
    /// Seconds that a pod may take to end in order. Without it, as long as the part needs: a queue
    /// and a worker to stop the plan and what moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub termination_grace_period_seconds: Option<i64>,
}
