//! `ProcessVariable`: a PV that belongs to no device.

#![allow(unreachable_pub, reason = "KubeSchema derives a hidden twin of the spec")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{conditions, not_seen_yet};

/// A standalone PV: known to the registry and usable by name, without a device around it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "beamline.dev",
    version = "v1alpha1",
    kind = "ProcessVariable",
    namespaced,
    shortname = "epv",
    category = "beamline-all",
    cel,
    status = "ProcessVariableStatus",
    derive = "PartialEq",
    doc = "A PV that is known to the registry without belonging to a device.",
    selectable = ".spec.pvName",
    printcolumn(
        name = "PV",
        type_ = "string",
        json_path = ".spec.pvName",
        description = "EPICS name"
    ),
    printcolumn(
        name = "Protocol",
        type_ = "string",
        json_path = ".spec.protocol",
        description = "Channel Access or PVAccess"
    ),
    printcolumn(
        name = "Access",
        type_ = "string",
        json_path = ".spec.accessMode",
        description = "Whether it may be written"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Accepted and programmed"
    ),
    printcolumn(
        name = "Connected",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Connected\")].status",
        description = "Whether an IOC answers"
    ),
    printcolumn(
        name = "Description",
        type_ = "string",
        json_path = ".spec.description",
        description = "A note for people",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ProcessVariableSpec {
    /// EPICS name: printable ASCII without blanks.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[\x21-\x7e]+$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("the name of a PV cannot change: delete it and create another"))]
    pub pv_name: String,
    /// Protocol that serves it.
    #[serde(default)]
    pub protocol: Protocol,
    /// Whether it may be written.
    #[serde(default)]
    pub access_mode: AccessMode,
    /// A note for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16_384))]
    pub description: Option<String>,
    /// Labels to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 253)))]
    pub labels: Vec<String>,
}

/// EPICS protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Channel Access.
    #[default]
    Ca,
    /// PVAccess.
    Pva,
}

/// Whether a PV may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccessMode {
    /// Only read.
    #[default]
    ReadOnly,
    /// Read and written.
    ReadWrite,
}

/// What the system made of a PV.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = not_seen_yet)]
pub struct ProcessVariableStatus {
    /// The `metadata.generation` that this status describes; -1 when nobody has looked yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `Stalled` when only an edit can help (operator); `Connected` (control pod).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
}

/// Whether a PV may be called `name`: printable ASCII without blanks (contract
/// registry-and-direct-control §1.3).
pub fn is_legal_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 512 && name.chars().all(|c| c.is_ascii_graphic())
}
