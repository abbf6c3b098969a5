//! `devices_existing`: what clients see of the devices (contract queue-server §6.3).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Device, DeviceRef};

/// Description of each device by its name, parts included, in alphabetical order.
pub fn describe<'a>(
    devices: impl Iterator<Item = (&'a str, &'a dyn Device)>,
) -> Map<String, Value> {
    devices.map(|(name, device)| (name.to_owned(), description(device))).collect()
}

fn description(device: &dyn Device) -> Value {
    let class = device.class();
    let mut described = node(&class.name, &class.module);
    described.insert("is_readable".into(), json!(device.is_readable()));
    described.insert("is_movable".into(), json!(device.is_movable()));
    described.insert("is_flyable".into(), json!(device.flyer().is_some()));
    let components = nested(device.components());
    if !components.is_empty() {
        described.insert("components".into(), json!(components));
    }
    Value::Object(described)
}

/// A device that can only be read.
fn node(class: &str, module: &str) -> Map<String, Value> {
    let mut node = Map::new();
    node.insert("classname".into(), json!(class));
    node.insert("module".into(), json!(module));
    node.insert("is_readable".into(), json!(true));
    node.insert("is_movable".into(), json!(false));
    node.insert("is_flyable".into(), json!(false));
    node
}

/// Dotted names as a tree; a part that only groups others is a plain ophyd device.
fn nested(components: Vec<(String, DeviceRef)>) -> BTreeMap<String, Value> {
    let mut groups: BTreeMap<String, Vec<(String, DeviceRef)>> = BTreeMap::new();
    let mut tree = BTreeMap::new();
    for (path, device) in components {
        match path.split_once('.') {
            Some((group, rest)) => {
                groups.entry(group.to_owned()).or_default().push((rest.to_owned(), device));
            }
            None => drop(tree.insert(path, description(device.as_ref()))),
        }
    }
    for (group, parts) in groups {
        let parts = nested(parts);
        match tree.entry(group).or_insert_with(|| Value::Object(node("Device", "ophyd.device"))) {
            Value::Object(node) => drop(node.insert("components".into(), json!(parts))),
            _ => continue,
        }
    }
    tree
}
