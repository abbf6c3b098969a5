//! Devices seen as components: one view for each PV of a device (contract §1.4).

use serde::Serialize;
use utoipa::ToSchema;

use crate::device::DeviceMetadata;

/// A device, or one component of it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct NestedDeviceComponent {
    name: String,
    device_path: String,
    parent_device: String,
    #[schema(required = false)]
    component_type: String,
    pv: Option<String>,
    #[schema(required = false)]
    is_readable: bool,
    #[schema(required = false)]
    is_settable: bool,
}

/// The device itself, or its component called `key`, known or not.
pub(crate) fn view(device: &DeviceMetadata, key: Option<&str>) -> NestedDeviceComponent {
    let Some(key) = key else {
        return NestedDeviceComponent {
            name: device.name.clone(),
            device_path: device.name.clone(),
            parent_device: device.name.clone(),
            component_type: device.ophyd_class.clone(),
            pv: None,
            is_readable: device.is_readable,
            is_settable: device.is_movable,
        };
    };
    let pv = device.pvs.get(key).map(ToString::to_string);
    NestedDeviceComponent {
        name: key.to_owned(),
        device_path: format!("{}.{key}", device.name),
        parent_device: device.name.clone(),
        component_type: "Signal".to_owned(),
        is_readable: true,
        is_settable: is_settable(key, pv.as_deref()),
        pv,
    }
}

/// All components down to `max_depth` dots and one; 0 is no limit.
pub(crate) fn all(device: &DeviceMetadata, max_depth: usize) -> Vec<NestedDeviceComponent> {
    let depth = |key: &str| key.split('.').count();
    let keys = device.pvs.keys().filter(|key| max_depth == 0 || depth(key) <= max_depth);
    keys.map(|key| view(device, Some(key))).collect()
}

/// A guess from the names, as the contract prescribes it.
fn is_settable(key: &str, pv: Option<&str>) -> bool {
    let names_a_readback = |pv: &str| {
        let pv = pv.to_ascii_uppercase();
        ["RBV", "READBACK", "STAT"].iter().any(|word| pv.contains(word))
    };
    matches!(key, "user_setpoint" | "setpoint" | "val")
        || pv.is_some_and(|pv| !names_a_readback(pv))
}
