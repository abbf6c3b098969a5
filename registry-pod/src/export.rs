//! The registry as a file that the Python services read: a happi database, or a BITS device list
//! (contract §1.9).

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::{DeviceSpec, happi};
use serde_json::{Map, Value, json};

use crate::index::Entry;

/// All devices as a happi database.
pub(crate) fn happi(devices: &BTreeMap<String, Arc<Entry>>) -> Map<String, Value> {
    let specs: Vec<DeviceSpec> = devices
        .values()
        .map(|entry| DeviceSpec { active: entry.spec.active, ..entry.object.spec.clone() })
        .collect();
    happi::export(&specs)
}

/// The first argument, where it is a PV prefix.
fn argument_prefix(entry: &Entry) -> Option<&str> {
    entry.spec.args.first()?.as_str().filter(|argument| argument.contains(':'))
}

/// All devices as a BITS device list in YAML: class → devices.
///
/// # Errors
/// When a value cannot be written as YAML.
pub(crate) fn bits(
    devices: &BTreeMap<String, Arc<Entry>>,
) -> Result<String, serde_saphyr::ser_error::Error> {
    let mut classes: BTreeMap<&str, Vec<BTreeMap<&str, Value>>> = BTreeMap::new();
    for (name, entry) in devices {
        let mut item: BTreeMap<&str, Value> = [("name", json!(name))].into();
        if let Some(prefix) = argument_prefix(entry) {
            item.insert("prefix", json!(prefix));
        }
        if !entry.metadata.labels.is_empty() {
            item.insert("labels", json!(entry.metadata.labels));
        }
        classes.entry(&entry.spec.device_class).or_default().push(item);
    }
    serde_saphyr::to_string(&classes)
}
