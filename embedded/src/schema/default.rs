//! Fills in the defaults of a schema.

use serde_json::Value;

use super::node::{Additional, Node};

/// Sets every default whose field is absent, or null where null is not allowed.
pub(crate) fn fill(node: &Node, value: &mut Value) {
    if !node.has_defaults {
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, property) in &node.properties {
                let Some(default) = &property.default else { continue };
                match map.get(name) {
                    None => {}
                    Some(Value::Null) if !property.nullable => {}
                    Some(_) => continue,
                }
                map.insert(name.clone(), default.clone());
            }
            for (name, member) in map.iter_mut() {
                if let Some(child) = node.member(name) {
                    if let (Additional::Map(_), Some(default), Value::Null, false) =
                        (&node.additional, &child.default, &*member, child.nullable)
                    {
                        *member = default.clone();
                    }
                    fill(child, member);
                }
            }
        }
        Value::Array(items) => {
            if let Some(node) = &node.items {
                items.iter_mut().for_each(|item| fill(node, item));
            }
        }
        _ => {}
    }
}
