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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn schema() -> Node {
        Node::compile(&json!({
            "type": "object",
            "properties": {
                "a": {"type": "string"},
                "b": {"type": "object", "properties": {"a": {"type": "integer"}}},
                "c": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                      "properties": {"b": {"type": "object", "properties": {}}}},
                "d": {"type": "array", "items": {"type": "object", "properties": {"a": {}}}},
                "e": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {}}}},
            },
        }))
        .unwrap()
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![any::<i8>().prop_map(|n| json!(n)), "[a-z]{0,3}".prop_map(|s| json!(s))];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
                prop::collection::btree_map("[a-f]", inner, 0..5).prop_map(|map| json!(map)),
            ]
        })
    }

    #[test]
    fn unknown_members_go_and_are_named() {
        let mut value = json!({
            "a": "x", "x": 1, "b": {"a": 1, "y": 2}, "c": {"free": {"z": 1}, "b": {"gone": 1}},
            "d": [{"a": 1, "w": 2}], "e": {"any": {"a": 1, "v": 2}},
        });
        let mut dropped = prune(&schema(), &mut value);
        dropped.sort();
        assert_eq!(dropped, ["b.y", "c.b.gone", "d[0].w", "e.any.v", "x"]);
        assert_eq!(
            value,
            json!({
                "a": "x", "b": {"a": 1}, "c": {"free": {"z": 1}, "b": {}}, "d": [{"a": 1}], "e": {"any": {"a": 1}},
            })
        );
    }

    proptest! {
        #[test]
        fn pruning_twice_is_pruning_once_and_tells_whether_it_did_anything(value in values()) {
            let schema = schema();
            let mut pruned = value.clone();
            let dropped = prune(&schema, &mut pruned);
            prop_assert_eq!(dropped.is_empty(), pruned == value);
            let mut again = pruned.clone();
            prop_assert!(prune(&schema, &mut again).is_empty());
            prop_assert_eq!(again, pruned);
        }
    }
}
