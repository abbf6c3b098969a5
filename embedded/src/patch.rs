//! The ways to say what should change: merge, JSON and strategic merge patches, and server-side apply.

pub(crate) mod apply;
pub(crate) mod fields;
pub(crate) mod managers;
pub(crate) mod strategic;

use serde_json::Value;

/// A JSON patch that does not fit the object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonPatchError {
    #[error("error decoding patch: {0}")]
    Malformed(String),
    #[error("{0}")]
    DoesNotApply(String),
}

/// RFC 7396.
pub(crate) fn merge(object: &Value, patch: &Value) -> Value {
    let mut patched = object.clone();
    json_patch::merge(&mut patched, patch);
    patched
}

/// RFC 6902, all operations or none; as on a real API server, a field that does not exist passes a test for `null`.
pub(crate) fn json(object: &Value, patch: &Value) -> Result<Value, JsonPatchError> {
    let operations: json_patch::Patch = serde::Deserialize::deserialize(patch)
        .map_err(|error: serde_json::Error| JsonPatchError::Malformed(error.to_string()))?;
    let mut patched = object.clone();
    for (index, operation) in operations.0.iter().enumerate() {
        if tests_for_absence(operation, &patched) {
            continue;
        }
        json_patch::patch(&mut patched, std::slice::from_ref(operation)).map_err(|mut error| {
            error.operation = index;
            JsonPatchError::DoesNotApply(error.to_string())
        })?;
    }
    Ok(patched)
}

/// Whether `operation` tests a field for `null` that does not exist in an object that does.
fn tests_for_absence(operation: &json_patch::PatchOperation, object: &Value) -> bool {
    let json_patch::PatchOperation::Test(test) = operation else {
        return false;
    };
    let parent = test.path.split_back().map(|(parent, _)| parent.as_str());
    test.value.is_null()
        && object.pointer(test.path.as_str()).is_none()
        && parent.is_some_and(|parent| object.pointer(parent).is_some_and(Value::is_object))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::json;

    #[test]
    fn an_absent_field_passes_a_test_for_null_and_nothing_else_does() {
        let object = json!({"metadata": {"name": "a"}});
        let patched = |path: &str, value: serde_json::Value| {
            let add = json!({"op": "add", "path": "/metadata/finalizers", "value": ["f"]});
            json(&object, &json!([{"op": "test", "path": path, "value": value}, add]))
        };
        let done = patched("/metadata/finalizers", json!(null)).unwrap();
        assert_eq!(done["metadata"]["finalizers"], json!(["f"]));
        for (path, value) in [
            ("/metadata/name", json!(null)),
            ("/metadata/finalizers", json!([])),
            ("/absent/finalizers", json!(null)),
        ] {
            assert!(patched(path, value).is_err(), "{path}");
        }
        let error = json(
            &object,
            &json!([
                {"op": "test", "path": "/metadata/x", "value": null},
                {"op": "remove", "path": "/metadata/y"},
            ]),
        );
        assert!(error.unwrap_err().to_string().contains("'/1'"));
    }
}
