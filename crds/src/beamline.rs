//! `Beamline`: what to run for a beamline.
//!
//! On a cluster the operator makes its pods; on one machine the same parts run in one process, and
//! what is said here about pods has no meaning there.

mod epics;
mod parts;
mod pod;
mod shapes;

pub use epics::Epics;
pub use parts::{
    Control, LoadStrategy, Publisher, QueueServer, Registry, RuntimeEdits, SimIoc, Worker,
};
pub use pod::{
    Image, LocalReference, Part, PodSettings, PullPolicy, ServiceAccountSettings, ServiceSettings,
    ServiceType,
};

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{conditions, not_seen_yet};

/// Annotation on a `Beamline`: with the value `"true"` the queue pod is replaced at once when its
/// settings change, even while a plan runs. The plan goes on in its worker.
pub const FORCE_ROLLOUT_ANNOTATION: &str = "beamline.dev/force-rollout";

/// Annotation on a `Beamline`: the namespace of the operator that shall look after it, where a
/// cluster has several operators. Without it the first that sees the beamline does.
pub const OPERATOR_ANNOTATION: &str = "beamline.dev/operator";

/// What to run for a beamline: its pods and how they reach EPICS.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "beamline.dev",
    version = "v1alpha1",
    kind = "Beamline",
    namespaced,
    shortname = "bl",
    category = "beamline-all",
    cel,
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$')").message("services are named after a beamline, so its name starts with a letter and has at most 50 lower-case letters, digits and dashes"),
    status = "BeamlineStatus",
    derive = "PartialEq",
    doc = "A beamline: its registry, direct control and queue, and how they reach EPICS.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Everything asked for is up"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is ready or not"
    ),
    printcolumn(
        name = "Devices",
        type_ = "integer",
        json_path = ".status.devices",
        description = "Number of devices"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What is waited for",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", default)]
pub struct BeamlineSpec {
    /// The image of every pod; the operator's own unless said otherwise.
    pub image: Image,
    /// How EPICS is reached.
    pub epics: Epics,
    /// The configuration API (port 8004).
    pub registry: Registry,
    /// Direct control (port 8003).
    pub control: Control,
    /// The queue server (port 60610, 0MQ 60615 and 60625).
    pub queue: QueueServer,
    /// The simulated beamline IOC.
    pub sim_ioc: SimIoc,
    /// Who may connect to the pods.
    pub network_policy: NetworkPolicySettings,
    /// Whether nodes may be drained under the pods.
    pub pod_disruption_budget: DisruptionSettings,
}

/// Who may connect to the pods of a beamline. Pods with `hostNetwork` are beyond any network policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicySettings {
    /// Whether a NetworkPolicy is made for each part: pods of the same namespace and `from` may
    /// connect to its ports, nobody else. What the pods connect to is not restricted.
    pub enabled: bool,
    /// Who else may connect, as in a NetworkPolicy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::network_policy_peers")]
    pub from: Vec<NetworkPolicyPeer>,
}

/// How many pods of a part may be evicted at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DisruptionSettings {
    /// Whether a PodDisruptionBudget is made for each part.
    pub enabled: bool,
    /// Pods of a part that may be down at a time for a drain.
    #[schemars(range(min = 0, max = 100))]
    pub max_unavailable: i32,
}

impl Default for DisruptionSettings {
    fn default() -> Self {
        Self { enabled: true, max_unavailable: 1 }
    }
}

/// What runs for a beamline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = not_seen_yet)]
pub struct BeamlineStatus {
    /// The `metadata.generation` that this status describes; -1 when nobody has looked yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: everything asked for is up. `Reconciling` while that is on its way. `Stalled` when
    /// only an edit can help.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Number of devices in the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<i32>,
    /// Namespace of the operator that looks after this beamline. Another one leaves it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub operator: Option<String>,
}
