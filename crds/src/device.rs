//! `Device`: one ophyd device, made of PVs.

#![allow(unreachable_pub, reason = "KubeSchema derives a hidden twin of the spec")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{FreeForm, conditions, free_form_list, free_form_object, not_seen_yet, pv_map};

/// Annotation that enables or disables a device at run time, outside the fields that git owns:
/// `"true"` or `"false"`.
pub const ACTIVE_ANNOTATION: &str = "beamline.dev/active";

/// One ophyd device: what it is called, which class drives it, and where its PVs are.
///
/// `prefix` and `deviceClass` are enough for a class in the catalogue; everything else is derived
/// from the class and may be overridden here. Maps one to one onto ophyd-service's DeviceMetadata
/// and DeviceInstantiationSpec, and onto a happi entry.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "beamline.dev",
    version = "v1alpha1",
    kind = "Device",
    namespaced,
    shortname = "dev",
    category = "beamline-all",
    cel,
    status = "DeviceStatus",
    derive = "PartialEq",
    doc = "One ophyd device of the beamline: its name, its class and its PVs.",
    selectable = ".spec.name",
    selectable = ".spec.deviceClass",
    printcolumn(
        name = "Device",
        type_ = "string",
        json_path = ".spec.name",
        description = "Name in ophyd and in plans"
    ),
    printcolumn(
        name = "Label",
        type_ = "string",
        json_path = ".status.deviceLabel",
        description = "What kind of device it is"
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
        description = "Whether its IOC answers"
    ),
    printcolumn(
        name = "Locked-By",
        type_ = "string",
        json_path = ".status.lockedBy",
        description = "Plan and queue item that hold the device"
    ),
    printcolumn(
        name = "Signals",
        type_ = "integer",
        json_path = ".status.signalCount",
        description = "Number of signals"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is ready or not",
        priority = 1
    ),
    printcolumn(
        name = "Class",
        type_ = "string",
        json_path = ".spec.deviceClass",
        description = "Import path of the ophyd class",
        priority = 1
    ),
    printcolumn(
        name = "Prefix",
        type_ = "string",
        json_path = ".spec.prefix",
        description = "PV prefix",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSpec {
    /// Name in ophyd, in plans and in every API: printable ASCII without blanks or `/`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[\x21-\x2e\x30-\x7e]+$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("the name of a device cannot change: delete it and create another"))]
    pub name: String,

    /// Import path of the ophyd class, such as `ophyd.EpicsMotor`. A `DeviceClass` of that path or
    /// alias describes it.
    #[schemars(length(min = 1, max = 512))]
    pub device_class: String,

    /// PV prefix. Replaces `{{prefix}}` in `args` and `kwargs`, and stands before every component's
    /// suffix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub prefix: Option<String>,

    /// Positional arguments of the class. Without any, the prefix is the only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "free_form_list")]
    pub args: Vec<Value>,

    /// Keyword arguments of the class. `{{name}}` and `{{prefix}}` are replaced.
    #[serde(default, skip_serializing_if = "FreeForm::is_empty")]
    #[schemars(schema_with = "free_form_object")]
    pub kwargs: FreeForm,

    /// Whether the device may be used. The annotation `beamline.dev/active` overrides it at run
    /// time.
    #[serde(default = "yes")]
    pub active: bool,

    /// Whether the beamline counts as degraded while the device is disconnected.
    #[serde(default)]
    pub required: bool,

    /// Device framework of the class; derived from the class when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework: Option<Framework>,

    /// Coarse kind of the device; derived from the class when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_label: Option<DeviceLabel>,

    /// Short class name shown to users; the last part of `deviceClass` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub ophyd_class: Option<String>,

    /// Python module of the class; the first parts of `deviceClass` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub module: Option<String>,

    /// What the device can do; derived from the class when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,

    /// Component name to PV name. Derived from the class and the prefix when empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "pv_map")]
    pub pvs: BTreeMap<String, String>,

    /// Bluesky hints, such as `{"fields": ["sample_x"]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form_object")]
    pub hints: Option<FreeForm>,

    /// Components that `read()` returns; derived from the class when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096), inner(length(max = 512)))]
    pub read_attrs: Option<Vec<String>>,

    /// Components that `read_configuration()` returns; derived from the class when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096), inner(length(max = 512)))]
    pub configuration_attrs: Option<Vec<String>>,

    /// Name of the device that this one is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub parent: Option<String>,

    /// Ophyd labels, such as `motors` or `baseline`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 253)))]
    pub labels: Vec<String>,

    /// Name of the beamline, as happi keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub beamline: Option<String>,

    /// Where the device stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub location_group: Option<String>,

    /// What the device is used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub functional_group: Option<String>,

    /// A note for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16_384))]
    pub documentation: Option<String>,

    /// Further happi keys, kept for the way back.
    #[serde(default, skip_serializing_if = "FreeForm::is_empty")]
    #[schemars(schema_with = "free_form_object")]
    pub extra: FreeForm,
}

fn yes() -> bool {
    true
}

/// Device framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Framework {
    /// Classic ophyd: blocking, pyepics.
    #[serde(rename = "ophyd-sync")]
    OphydSync,
    /// ophyd-async: asyncio, aioca.
    #[serde(rename = "ophyd-async")]
    OphydAsync,
}

/// Coarse kind of a device.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DeviceLabel {
    /// Moves.
    Motor,
    /// Measures.
    Detector,
    /// One value.
    Signal,
    /// Flies.
    Flyer,
    /// Can be read, and nothing more specific is known.
    Readable,
    /// Anything else.
    Device,
}

impl DeviceLabel {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Motor => "motor",
            Self::Detector => "detector",
            Self::Signal => "signal",
            Self::Flyer => "flyer",
            Self::Readable => "readable",
            Self::Device => "device",
        }
    }
}

/// What a device can do, as the bluesky protocols name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    /// Can be moved by a plan (`set`).
    pub movable: bool,
    /// Can fly (`kickoff`, `complete`, `collect`).
    pub flyable: bool,
    /// Can be read.
    pub readable: bool,
    /// Can be triggered.
    pub triggerable: bool,
    /// Can be staged.
    pub stageable: bool,
    /// Can be configured.
    pub configurable: bool,
    /// Can be paused.
    pub pausable: bool,
    /// Can be stopped.
    pub stoppable: bool,
    /// Can be subscribed to.
    pub subscribable: bool,
    /// Can check a value before a move (`check_value`).
    pub checkable: bool,
    /// Writes files outside the event stream.
    pub writes_external_assets: bool,
}

/// What the system made of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = not_seen_yet)]
pub struct DeviceStatus {
    /// The `metadata.generation` that this status describes; -1 when nobody has looked yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `Stalled` when only an edit can help (operator); `Connected` (control pod).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Resolved kind of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_label: Option<DeviceLabel>,
    /// Number of resolved signals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_count: Option<i32>,
    /// The resolved signals, at most 1,000 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub signals: Vec<SignalStatus>,
    /// `plan/item` that holds the lock on this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub locked_by: Option<String>,
}

/// One resolved signal of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignalStatus {
    /// Dotted component name.
    #[schemars(length(max = 512))]
    pub name: String,
    /// PV that it reads.
    #[schemars(length(max = 512))]
    pub pv: String,
    /// Whether it can only be read.
    #[serde(default)]
    pub read_only: bool,
}

/// Whether a device may be called `name`: printable ASCII without blanks or `/` (contract
/// registry-and-direct-control §1.3).
pub fn is_legal_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 253 && name.chars().all(|c| c.is_ascii_graphic() && c != '/')
}

impl Device {
    /// Whether the device may be used now: the run-time annotation wins over the spec.
    pub fn is_active(&self) -> bool {
        match self.metadata.annotations.as_ref().and_then(|a| a.get(ACTIVE_ANNOTATION)) {
            Some(value) => value == "true",
            None => self.spec.active,
        }
    }
}

impl DeviceSpec {
    /// The constructor's positional arguments with the happi templates `{{prefix}}` and `{{name}}`
    /// filled in.
    pub fn rendered_args(&self) -> Vec<Value> {
        match (self.args.is_empty(), &self.prefix) {
            (true, Some(prefix)) => vec![Value::String(prefix.clone())],
            _ => self.args.iter().map(|value| self.render(value)).collect(),
        }
    }

    /// The constructor's keyword arguments with the happi templates filled in.
    pub fn rendered_kwargs(&self) -> FreeForm {
        self.kwargs.iter().map(|(key, value)| (key.clone(), self.render(value))).collect()
    }

    fn render(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(
                text.replace("{{name}}", &self.name)
                    .replace("{{prefix}}", self.prefix.as_deref().unwrap_or_default()),
            ),
            Value::Array(items) => items.iter().map(|item| self.render(item)).collect(),
            Value::Object(map) => {
                map.iter().map(|(key, item)| (key.clone(), self.render(item))).collect()
            }
            other => other.clone(),
        }
    }
}
