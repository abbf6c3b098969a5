//! `DeviceClass`: what an ophyd class consists of, so that devices work without Python.

#![allow(unreachable_pub, reason = "KubeSchema derives a hidden twin of the spec")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::device::{Capabilities, DeviceLabel, Framework};

/// What an ophyd class consists of: its components, their suffixes and kinds, and how the whole is
/// operated.
///
/// The shipped catalogue is read off the installed Python classes; a site adds a class by adding a
/// manifest.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "beamline.dev",
    version = "v1alpha1",
    kind = "DeviceClass",
    plural = "deviceclasses",
    namespaced,
    shortname = "devclass",
    category = "beamline-all",
    cel,
    derive = "PartialEq",
    doc = "The components of an ophyd class and how a device of that class is operated.",
    selectable = ".spec.classPath",
    printcolumn(
        name = "Class",
        type_ = "string",
        json_path = ".spec.classPath",
        description = "Import path"
    ),
    printcolumn(
        name = "Label",
        type_ = "string",
        json_path = ".spec.deviceLabel",
        description = "Kind of device"
    ),
    printcolumn(
        name = "Behaviour",
        type_ = "string",
        json_path = ".spec.behaviour",
        description = "How it is operated"
    ),
    printcolumn(
        name = "Framework",
        type_ = "string",
        json_path = ".spec.framework",
        description = "Device framework",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DeviceClassSpec {
    /// Import path of the class where it is defined, such as `ophyd.epics_motor.EpicsMotor`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("the path of a class cannot change: delete it and create another"))]
    pub class_path: String,
    /// Other import paths of the same class, such as `ophyd.EpicsMotor`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 512)))]
    pub aliases: Vec<String>,
    /// Device framework.
    #[serde(default = "sync")]
    pub framework: Framework,
    /// Coarse kind of its devices.
    pub device_label: DeviceLabel,
    /// How a device of this class is set, triggered and stopped.
    pub behaviour: Behaviour,
    /// What its devices can do.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// Its components with dotted names, parents before children, in the order of the class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4096))]
    pub components: Vec<Component>,
    /// First paragraph of the class's own documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub documentation: Option<String>,
}

fn sync() -> Framework {
    Framework::OphydSync
}

/// How a device is operated without Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Behaviour {
    /// The device is one signal: its components are `readback` and, where it differs, `setpoint`.
    Signal,
    /// A motor record: put to `user_setpoint`, done when `motor_done_move` is 1, stopped by
    /// `motor_stop`.
    EpicsMotor,
    /// Set by `setpoint`, done when `done` says so or when the readback arrives, stopped by
    /// `stop_signal`.
    Positioner,
    /// A scaler or multi-channel analyser: `trigger` counts once.
    Counter,
    /// An area detector: `trigger` acquires once.
    Camera,
    /// A temperature controller: done when the readback has stayed near the setpoint for a while.
    Settling,
    /// Only the sum of its components.
    Composite,
}

/// Kind of a component, as ophyd names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Read, and plotted by default.
    Hinted,
    /// Read.
    #[default]
    Normal,
    /// Part of the configuration.
    Config,
    /// Neither read nor configuration.
    Omitted,
}

/// One component of a class.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.readbackSuffix) || has(self.suffix)").message("a component with a readbackSuffix needs a suffix"))]
pub struct Component {
    /// Dotted attribute path, such as `cam.acquire`.
    #[schemars(length(min = 1, max = 512))]
    pub name: String,
    /// What follows the device's prefix in the PV that is written, or read when the component has
    /// no readback of its own. Absent for a sub-device and for a soft signal, which have no PV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub suffix: Option<String>,
    /// What follows the prefix in the PV that is read, where it is another one (`Acquire` →
    /// `Acquire_RBV`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub readback_suffix: Option<String>,
    /// Whether it is read, configuration, or neither.
    #[serde(default)]
    pub kind: Kind,
    /// Whether it can only be read.
    #[serde(default)]
    pub read_only: bool,
    /// Whether the value is shown as text (ophyd's `string=True`).
    #[serde(default)]
    pub string: bool,
    /// The suffix has placeholders such as `{self.prefix}` that only an instance can fill.
    #[serde(default)]
    pub needs_instance: bool,
    /// Short class name of the component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub class: Option<String>,
    /// Value of a soft signal, or of a constant that the class sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_value")]
    pub value: Option<serde_json::Value>,
}
