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

/// RFC 6902, all operations or none.
pub(crate) fn json(object: &Value, patch: &Value) -> Result<Value, JsonPatchError> {
    let operations: json_patch::Patch = serde::Deserialize::deserialize(patch)
        .map_err(|error: serde_json::Error| JsonPatchError::Malformed(error.to_string()))?;
    let mut patched = object.clone();
    json_patch::patch(&mut patched, &operations)
        .map_err(|error| JsonPatchError::DoesNotApply(error.to_string()))?;
    Ok(patched)
}
