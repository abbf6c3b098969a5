//! Devices as a BITS list.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::entry::takes_read_pv;
use crate::device::DeviceSpec;
use crate::schema::FreeForm;
use crate::yaml;

/// A list of `devices` as the registry exports it (contract §1.9): by class, templates filled in.
///
/// # Errors
/// When it cannot be written, which would be a defect of ours.
pub fn export<'a>(
    devices: impl IntoIterator<Item = &'a DeviceSpec>,
) -> Result<String, yaml::Error> {
    let mut classes: BTreeMap<&str, Vec<FreeForm>> = BTreeMap::new();
    for device in devices {
        classes.entry(&device.device_class).or_default().push(arguments(device));
    }
    yaml::to_yaml("the devices", &classes)
}

/// The arguments of a device by name: nothing else can be said in this format.
fn arguments(device: &DeviceSpec) -> FreeForm {
    let mut kwargs = device.rendered_kwargs();
    kwargs.shift_remove("name");
    let mut arguments = FreeForm::new();
    arguments.insert("name".to_owned(), json!(device.name));
    if let Some(Value::String(first)) = device.rendered_args().into_iter().next() {
        if takes_read_pv(&device.device_class) {
            arguments.insert("read_pv".to_owned(), json!(first));
        } else if first.contains(':') || device.prefix.as_ref() == Some(&first) {
            arguments.insert("prefix".to_owned(), json!(first));
        }
    }
    if !device.labels.is_empty() {
        arguments.insert("labels".to_owned(), json!(device.labels));
    }
    for (name, value) in kwargs {
        arguments.entry(name).or_insert(value);
    }
    arguments
}
