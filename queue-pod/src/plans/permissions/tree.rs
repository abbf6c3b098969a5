//! Patterns of devices: level by level through the tree of a device and its parts.

use serde_json::{Map, Value};

use super::Rules;
use super::pattern::{DeviceType, Level, Pattern};

/// A device, with what the patterns say about it so far.
struct Node<'a> {
    name: &'a str,
    description: &'a Map<String, Value>,
    excluded: bool,
    parts: Vec<Node<'a>>,
}

/// The devices that the rules leave. A device that is not allowed but has parts that are stays, marked as `excluded`.
///
/// # Errors
/// A pattern that cannot be read.
pub fn filter(
    devices: &Map<String, Value>,
    rules: Rules<'_>,
) -> Result<Map<String, Value>, String> {
    let everything = rules.allowed.first() == Some(&Value::Null);
    let mut nodes = nodes(devices, !everything);
    if !everything {
        for pattern in rules.allowed {
            apply(&mut nodes, &Pattern::read(pattern)?, false);
        }
    }
    if rules.forbidden.first() != Some(&Value::Null) {
        for pattern in rules.forbidden {
            apply(&mut nodes, &Pattern::read(pattern)?, true);
        }
    }
    Ok(kept(&nodes))
}

fn nodes(devices: &Map<String, Value>, excluded: bool) -> Vec<Node<'_>> {
    let node = |(name, description)| {
        let description = Value::as_object(description)?;
        let parts = description.get("components").and_then(Value::as_object);
        let parts = parts.map(|parts| nodes(parts, excluded)).unwrap_or_default();
        Some(Node { name, description, excluded, parts })
    };
    devices.iter().map(|(name, value)| (name.as_str(), value)).filter_map(node).collect()
}

fn apply(nodes: &mut [Node<'_>], pattern: &Pattern, exclude: bool) {
    match pattern {
        Pattern::Name(parts) => by_name(nodes, parts, exclude),
        Pattern::Levels(device_type, levels) => by_level(nodes, *device_type, levels, exclude),
    }
}

fn by_name(nodes: &mut [Node<'_>], parts: &[String], exclude: bool) {
    let Some((first, rest)) = parts.split_first() else { return };
    if let Some(node) = nodes.iter_mut().find(|node| node.name == first) {
        match rest.is_empty() {
            true => node.excluded = exclude,
            false => by_name(&mut node.parts, rest, exclude),
        }
    }
}

fn by_level(nodes: &mut [Node<'_>], device_type: DeviceType, levels: &[Level], exclude: bool) {
    let Some((level, below)) = levels.split_first() else { return };
    if level.full {
        return by_full_name(nodes, "", level, level.depth, device_type, exclude);
    }
    for node in nodes.iter_mut().filter(|node| level.matches(node.name)) {
        if level.included && device_type.fits(node.description) {
            node.excluded = exclude;
        }
        by_level(&mut node.parts, device_type, below, exclude);
    }
}

fn by_full_name(
    nodes: &mut [Node<'_>],
    before: &str,
    level: &Level,
    depth: Option<usize>,
    device_type: DeviceType,
    exclude: bool,
) {
    if depth == Some(0) {
        return;
    }
    for node in nodes {
        let name = match before {
            "" => node.name.to_owned(),
            _ => format!("{before}.{}", node.name),
        };
        if level.matches(&name) && device_type.fits(node.description) {
            node.excluded = exclude;
        }
        let depth = depth.map(|depth| depth - 1);
        by_full_name(&mut node.parts, &name, level, depth, device_type, exclude);
    }
}

fn kept(nodes: &[Node<'_>]) -> Map<String, Value> {
    let device = |node: &Node<'_>| {
        let parts = kept(&node.parts);
        let before = node.description.get("excluded") == Some(&Value::Bool(true));
        let excluded = node.excluded || before;
        if excluded && parts.is_empty() {
            return None;
        }
        let mut device = Map::new();
        for (key, value) in node.description {
            match key.as_str() {
                "components" if parts.is_empty() => {}
                "components" => {
                    device.insert(key.clone(), Value::Object(parts.clone()));
                }
                _ => {
                    device.insert(key.clone(), value.clone());
                }
            }
        }
        if excluded {
            device.insert("excluded".to_owned(), Value::Bool(true));
        }
        Some((node.name.to_owned(), Value::Object(device)))
    };
    nodes.iter().filter_map(device).collect()
}
