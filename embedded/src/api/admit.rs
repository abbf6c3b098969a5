//! What every object goes through before it is stored: envelope, pruning, defaults, validation.

use serde_json::{Value, json};

use super::{Resource, Unknown, WriteOptions, metadata};
use crate::error::{ApiError, Subject};
use crate::kinds::Kind;
use crate::schema::{Problem, default, prune, rules, validate};

/// Reads a body that is sent as a whole object: what it says of its type must fit the request. Built-in kinds may
/// leave their type out.
pub(super) fn decode(kind: &Kind, object: &mut Value) -> Result<(), ApiError> {
    let map = object
        .as_object_mut()
        .ok_or_else(|| ApiError::BadRequest("the body is not a JSON object".to_owned()))?;
    let wanted = kind.api_version();
    if kind.built_in {
        for (key, wanted) in [("apiVersion", &wanted), ("kind", &kind.kind)] {
            if map.get(key).and_then(Value::as_str).unwrap_or_default().is_empty() {
                map.insert(key.to_owned(), json!(wanted));
            }
        }
    }
    let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
    let (version, given) = (text("apiVersion"), text("kind"));
    if kind.built_in && (version != wanted || given != kind.kind) {
        return Err(ApiError::BadRequest(format!(
            "{given} in version {version:?} cannot be handled as a {}",
            kind.kind
        )));
    }
    if given.is_empty() {
        return Err(ApiError::BadRequest(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing",
            kind.kind
        )));
    }
    if version != wanted {
        return Err(ApiError::BadRequest(format!(
            "the API version in the data ({version}) does not match the expected API version ({wanted})"
        )));
    }
    need_metadata(object)
}

/// Makes sure that there is a `metadata` to read and write.
pub(super) fn need_metadata(object: &mut Value) -> Result<(), ApiError> {
    let metadata = metadata::members(object).entry("metadata").or_insert(Value::Null);
    match metadata {
        Value::Null => *metadata = json!({}),
        Value::Object(_) => {}
        _ => return Err(ApiError::BadRequest("metadata is not an object".to_owned())),
    }
    Ok(())
}

/// The type of an object is that of the resource it is in. A whole body with another version did not get this far.
fn check_type(kind: &Kind, object: &Value) -> Result<(), ApiError> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let mut subject = Subject::new(kind, name);
    for (field, wanted) in [("kind", &kind.kind), ("apiVersion", &kind.api_version())] {
        let given = object[field].as_str().unwrap_or_default();
        if given != wanted {
            if field == "kind" {
                given.clone_into(&mut subject.kind);
            }
            let detail = format!("must be {wanted}");
            let problem = Problem::invalid(field, &format!("{given:?}"), &detail);
            return Err(ApiError::Invalid(Box::new(subject), vec![problem]));
        }
    }
    Ok(())
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
    check_type(kind, object)?;
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
