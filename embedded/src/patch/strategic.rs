//! Strategic merge patches for the built-in kinds, whose only merged lists are finalizers and owner references.

use serde_json::{Map, Value};

/// Applies `patch` to `object`: a merge patch that also knows `$patch`, `$deleteFromPrimitiveList/…`,
/// `$setElementOrder/…` and `$retainKeys`.
pub(crate) fn merge(object: &Value, patch: &Value) -> Value {
    let (Value::Object(before), Value::Object(changes)) = (object, patch) else {
        return without_directives(patch);
    };
    match changes.get("$patch").and_then(Value::as_str) {
        Some("replace") => return without_directives(patch),
        Some("delete") => return Value::Null,
        _ => {}
    }
    let mut merged = before.clone();
    if let Some(keep) = changes.get("$retainKeys").and_then(Value::as_array) {
        merged.retain(|name, _| keep.iter().any(|kept| kept == name));
    }
    for (name, change) in changes {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let Some(Value::Array(items)) = merged.get_mut(list) {
                items.retain(|item| !change.as_array().is_some_and(|gone| gone.contains(item)));
            }
        } else if name.starts_with('$') {
            // Order of elements carries no meaning in the lists that are merged.
        } else if change.is_null() {
            merged.shift_remove(name);
        } else {
            let live = merged.get(name).unwrap_or(&Value::Null);
            let value = match (name.as_str(), live, change) {
                ("finalizers", Value::Array(live), Value::Array(added)) => union(live, added),
                ("ownerReferences", Value::Array(live), Value::Array(added)) => by_uid(live, added),
                _ => merge(live, change),
            };
            merged.insert(name.clone(), value);
        }
    }
    Value::Object(merged)
}

fn union(live: &[Value], added: &[Value]) -> Value {
    let new = added.iter().filter(|item| !live.contains(item));
    live.iter().chain(new).cloned().collect()
}

fn by_uid(live: &[Value], added: &[Value]) -> Value {
    let mut merged = live.to_vec();
    for change in added {
        let at = merged.iter().position(|owner| owner["uid"] == change["uid"]);
        match (at, change["$patch"] == "delete") {
            (Some(at), true) => {
                merged.remove(at);
            }
            (Some(at), false) => merged[at] = merge(&merged[at], change),
            (None, true) => {}
            (None, false) => merged.push(without_directives(change)),
        }
    }
    Value::Array(merged)
}

/// A new value: nothing to merge with, so directives and nulls go.
fn without_directives(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(name, value)| !name.starts_with('$') && !value.is_null())
            .map(|(name, value)| (name.clone(), without_directives(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_merge_lists_replace_and_finalizers_unite() {
        let object =
            json!({"metadata": {"finalizers": ["a"], "labels": {"x": "1", "y": "2"}}, "list": [1]});
        let patch = json!({
            "metadata": {"finalizers": ["b"], "labels": {"x": null, "z": "3"},
                         "$setElementOrder/finalizers": ["a", "b"]},
            "list": [2],
        });
        assert_eq!(
            merge(&object, &patch),
            json!({"metadata": {"finalizers": ["a", "b"], "labels": {"y": "2", "z": "3"}}, "list": [2]})
        );
        let gone = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}});
        assert_eq!(merge(&object, &gone)["metadata"]["finalizers"], json!([]));
        let replaced = json!({"metadata": {"$patch": "replace", "labels": {"n": "1"}}});
        assert_eq!(merge(&object, &replaced)["metadata"], json!({"labels": {"n": "1"}}));
    }

    #[test]
    fn owners_merge_by_uid() {
        let object = json!({"ownerReferences": [{"uid": "1", "name": "a"}, {"uid": "2"}]});
        let patch = json!({"ownerReferences": [{"uid": "1", "name": "b"}, {"$patch": "delete", "uid": "2"}]});
        assert_eq!(merge(&object, &patch), json!({"ownerReferences": [{"uid": "1", "name": "b"}]}));
    }
}
