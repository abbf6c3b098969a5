//! Removes the fields that the schema does not know, and tells which.

use serde_json::Value;

use super::node::{Additional, Node};

/// Prunes `value` and returns the paths of what was dropped. The members of the root that every object has stay.
pub(crate) fn prune(node: &Node, value: &mut Value) -> Vec<String> {
    let mut dropped = Vec::new();
    walk(node, value, &mut String::new(), &mut dropped);
    dropped
}

fn walk(node: &Node, value: &mut Value, path: &mut String, dropped: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let closed = !node.preserve && matches!(node.additional, Additional::None);
            map.retain(|name, member| {
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                let keep = match node.member(name) {
                    Some(child) => {
                        walk(child, member, path, dropped);
                        true
                    }
                    None if closed => {
                        dropped.push(path.clone());
                        false
                    }
                    None => true,
                };
                path.truncate(length);
                keep
            });
        }
        Value::Array(items) => {
            if let Some(node) = &node.items {
                for (index, item) in items.iter_mut().enumerate() {
                    let length = path.len();
                    path.push_str(&format!("[{index}]"));
                    walk(node, item, path, dropped);
                    path.truncate(length);
                }
            }
        }
        _ => {}
    }
}
