//! `DeviceLocks`: the lock table of a beamline, one object, changed by compare-and-swap.

#![allow(unreachable_pub, reason = "KubeSchema derives a hidden twin of the spec")]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `metadata.name` of the one lock table of a namespace.
pub const OBJECT_NAME: &str = "device-locks";

/// The lock table of the beamline. All-or-nothing over many devices is one update with a
/// `resourceVersion`.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "beamline.dev",
    version = "v1alpha1",
    kind = "DeviceLocks",
    plural = "devicelocks",
    singular = "devicelocks",
    namespaced,
    category = "beamline-all",
    cel,
    validation = Rule::new("self.metadata.name == 'device-locks'").message("a namespace has one lock table, named device-locks"),
    derive = "PartialEq",
    derive = "Default",
    doc = "Which plan holds which devices. Written by the registry and the queue, never by hand.",
    printcolumn(
        name = "Version",
        type_ = "integer",
        json_path = ".spec.version",
        description = "Counts changes of the table"
    ),
    printcolumn(
        name = "Lock-All",
        type_ = "boolean",
        json_path = ".spec.lockAll",
        description = "Whether any lock locks every device"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.version >= oldSelf.version || self.epoch != oldSelf.epoch").message("the version of the lock table never goes back within an epoch"))]
pub struct DeviceLocksSpec {
    /// Counts changes of the table (`registry_version` on the wire).
    #[serde(default)]
    pub version: i64,
    /// Changes when the table was lost; clients that see another epoch hold no lock any more.
    #[schemars(length(max = 64))]
    #[serde(default)]
    pub epoch: String,
    /// Whether every device counts as locked while any lock is held.
    #[serde(default)]
    pub lock_all: bool,
    /// Device name to the lock that holds it. One value to whoever asks which writer owns what: the table is written
    /// whole, and the names of its fields would take more than the fields.
    #[schemars(extend("maxProperties" = 20_000, "x-kubernetes-map-type" = "atomic"))]
    #[serde(default)]
    pub locks: BTreeMap<String, DeviceLock>,
}

/// One held lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceLock {
    /// Identifies the acquisition; the same for all devices acquired together.
    #[schemars(length(max = 64))]
    pub lock_id: String,
    /// Queue item that holds the lock.
    #[schemars(length(max = 253))]
    pub item_id: String,
    /// Plan that the item runs.
    #[schemars(length(max = 253))]
    pub plan_name: String,
    /// Service that asked for it.
    #[schemars(length(max = 253))]
    pub locked_by_service: String,
    /// RFC 3339 time of acquisition, UTC.
    #[schemars(length(max = 40))]
    pub locked_at: String,
    /// RFC 3339 time at which the lock lapses, when leases are on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub expires_at: Option<String>,
    /// Orders locks acquired within the same instant.
    #[serde(default)]
    pub sequence: i64,
}
