//! What every object goes through before it is stored: envelope, pruning, defaults, validation.

use serde_json::{Value, json};

use super::{Resource, Unknown, WriteOptions, metadata};
use crate::error::ApiError;
use crate::kinds::Kind;
use crate::schema::{default, prune, rules, validate};

/// Checks `apiVersion` and `kind` against the kind of the request; both may be absent.
pub(super) fn check_envelope(kind: &Kind, object: &mut Value) -> Result<(), ApiError> {
    let map = object
        .as_object_mut()
        .ok_or_else(|| ApiError::BadRequest("the body is not a JSON object".to_owned()))?;
    let version = kind.api_version();
    for (key, wanted) in [("apiVersion", &version), ("kind", &kind.kind)] {
        match map.get(key).map(|found| found.as_str().unwrap_or_default()) {
            None | Some("") => {
                map.insert(key.to_owned(), json!(wanted));
            }
            Some(found) if found != wanted => {
                let what = if key == "kind" { "kind" } else { "API version" };
                return Err(ApiError::BadRequest(format!(
                    "the {what} in the data ({found}) does not match the expected {what} ({wanted})"
                )));
            }
            Some(_) => {}
        }
    }
    match map.get("metadata") {
        None | Some(Value::Null) => {
            map.insert("metadata".to_owned(), json!({}));
            Ok(())
        }
        Some(Value::Object(_)) => Ok(()),
        Some(_) => Err(ApiError::BadRequest("metadata is not an object".to_owned())),
    }
}

/// Prunes, fills in defaults and validates; returns what was pruned, as warnings.
pub(super) fn admit(
    resource: &Resource,
    object: &mut Value,
    old: Option<&Value>,
    options: &WriteOptions,
) -> Result<Vec<String>, ApiError> {
    let kind = &resource.kind;
    let dropped = prune::prune(&kind.schema, object);
    let warnings = match options.unknown {
        Unknown::Strict if !dropped.is_empty() => {
            let fields: Vec<String> =
                dropped.iter().map(|field| format!("unknown field {field:?}")).collect();
            return Err(ApiError::BadRequest(format!(
                "{} in version {:?} cannot be handled as a {}: strict decoding error: {}",
                kind.kind,
                kind.version,
                kind.kind,
                fields.join(", ")
            )));
        }
        Unknown::Ignore => vec![],
        _ => dropped.iter().map(|field| format!("unknown field {field:?}")).collect(),
    };
    default::fill(&kind.schema, object);
    drop_nulls(object);
    let mut problems = validate::check(&kind.schema, object, old);
    problems.extend(metadata::check(kind, object));
    if problems.is_empty() && kind.schema.has_rules {
        problems = rules::check(&kind.schema, object, old);
    }
    if problems.is_empty() {
        return Ok(warnings);
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(ApiError::invalid(kind, name, problems))
}

/// Null members of `metadata` mean absent, and so do a null `spec` or `status`.
fn drop_nulls(object: &mut Value) {
    metadata::of(object).retain(|_, value| !value.is_null());
    metadata::members(object).retain(|name, value| !(value.is_null() && name == "status"));
}
