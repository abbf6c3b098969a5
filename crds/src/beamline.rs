//! `Beamline`: what to run for a beamline.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan_worker::Engine;
use crate::schema::conditions;

/// What to run for a beamline: how EPICS is reached, and the settings of its three services.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "beamline.dev",
    version = "v1alpha1",
    kind = "Beamline",
    namespaced,
    shortname = "bl",
    category = "beamline-all",
    status = "BeamlineStatus",
    derive = "PartialEq",
    doc = "A beamline: how EPICS is reached, and the settings of its registry, direct control and queue.",
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
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", default)]
pub struct BeamlineSpec {
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
}

/// How EPICS is reached. The names are those of the `EPICS_CA_*` environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Epics {
    /// `EPICS_CA_NAME_SERVERS`: hosts asked over TCP, the way that works across pod networks.
    #[schemars(length(max = 256), inner(length(max = 253)))]
    pub ca_name_servers: Vec<String>,
    /// `EPICS_CA_ADDR_LIST`: hosts asked over UDP.
    #[schemars(length(max = 256), inner(length(max = 253)))]
    pub addr_list: Vec<String>,
    /// `EPICS_CA_AUTO_ADDR_LIST`: also broadcast on every interface.
    pub auto_addr_list: bool,
}

/// Settings of the configuration API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Registry {
    /// Whether it runs.
    pub enabled: bool,
    /// Seconds after which an unrenewed device lock lapses; 0 means never
    /// (`CONFIG_LOCK_LEASE_TTL_SECONDS`).
    #[schemars(range(min = 0))]
    pub lock_lease_ttl_seconds: i32,
    /// What the registry API may do to git-managed devices.
    pub runtime_edits: RuntimeEdits,
}

impl Default for Registry {
    fn default() -> Self {
        Self { enabled: true, lock_lease_ttl_seconds: 0, runtime_edits: RuntimeEdits::default() }
    }
}

/// What the registry API may do to git-managed objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RuntimeEdits {
    /// Refuse, and say where to edit.
    #[default]
    Refuse,
    /// Edit; git wins at its next sync.
    Allow,
}

/// Settings of direct control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Control {
    /// Whether it runs.
    pub enabled: bool,
    /// Refuse every write (`DIRECT_CONTROL_GLOBAL_READ_ONLY`). On unless switched off, as upstream.
    pub read_only: bool,
}

impl Default for Control {
    fn default() -> Self {
        Self { enabled: true, read_only: true }
    }
}

/// Settings of the queue server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueServer {
    /// Whether it runs.
    pub enabled: bool,
    /// What runs the plans.
    pub engine: Engine,
}

impl Default for QueueServer {
    fn default() -> Self {
        Self { enabled: true, engine: Engine::default() }
    }
}

/// Settings of the simulated IOC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SimIoc {
    /// Whether it runs.
    pub enabled: bool,
}

/// What runs for a beamline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BeamlineStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Number of devices in the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<i32>,
}
