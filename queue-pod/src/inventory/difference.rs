//! How profile and registry differ, in the words of the wire (contract queue-server §5.4).

use crds::device::Framework;
use crds::{Device, FreeForm};
use serde::Serialize;
use serde_json::Value;

/// How profile and registry differ (`DeviceDiff`).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Devices of the profile that the registry does not have.
    pub added: Vec<String>,
    /// Active devices of the registry that the profile does not make.
    pub removed: Vec<String>,
    /// Devices that the two make in different ways.
    pub modified: Vec<Modified>,
    /// Devices that are switched off in the registry, whatever the profile makes.
    pub disabled: Vec<String>,
}

/// One device that is made in different ways.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Modified {
    /// Its name.
    pub name: String,
    /// How the registry makes it.
    pub before: Instantiation,
    /// How the profile makes it.
    pub after: Instantiation,
    /// What of that differs.
    pub fields_changed: Vec<&'static str>,
}

/// How a device is made (`DeviceInstantiationSpec`, contract registry-and-direct-control §1.3).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names are those of the registry")]
pub struct Instantiation {
    pub name: String,
    pub device_class: String,
    pub args: Vec<Value>,
    pub kwargs: FreeForm,
    pub active: bool,
    pub framework: Option<Framework>,
}

impl Instantiation {
    pub(super) fn of(device: &Device) -> Self {
        let spec = &device.spec;
        Self {
            name: spec.name.clone(),
            device_class: spec.device_class.clone(),
            args: spec.rendered_args(),
            kwargs: spec.rendered_kwargs(),
            active: device.is_active(),
            framework: spec.framework,
        }
    }
}
