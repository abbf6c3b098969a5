//! The registry as a file: a happi database or a BITS device list for the Python services (contract
//! §1.9), or manifests.

use std::sync::Arc;

use crds::manifests::Manifests;
use crds::{DeviceClass, DeviceSpec, bits, happi, yaml};
use serde_json::{Map, Value};

use crate::index::{Entry, Index};

/// All devices as a happi database.
pub(crate) fn as_happi(index: &Index) -> Map<String, Value> {
    happi::export(&specs(index))
}

/// All devices as a BITS device list in YAML: class → devices.
///
/// # Errors
/// When a value cannot be written as YAML.
pub(crate) fn as_bits(index: &Index) -> Result<String, yaml::Error> {
    bits::export(&specs(index))
}

/// Classes that were not shipped, devices and standalone PVs as manifests in YAML.
///
/// # Errors
/// As [`as_bits`].
pub(crate) fn as_manifests(index: &Index) -> Result<String, yaml::Error> {
    let mut manifests = Manifests::default();
    for (name, class) in index.own_classes() {
        manifests.add_class(&DeviceClass::new(name, class.clone()))?;
    }
    for entry in index.devices().values() {
        manifests.add_device(&entry.object)?;
    }
    for pv in index.standalone_pvs().values() {
        manifests.add_pv(pv)?;
    }
    Ok(manifests.into_text())
}

/// The devices as they are now.
fn specs(index: &Index) -> Vec<DeviceSpec> {
    let now = |entry: &Arc<Entry>| DeviceSpec {
        active: entry.shown.spec.active,
        ..entry.object.spec.clone()
    };
    index.devices().values().map(now).collect()
}
