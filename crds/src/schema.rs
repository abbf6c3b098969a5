//! Schema fragments that the derive cannot express: free-form JSON and keyed lists.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A JSON object whose members are the user's business, such as the keyword arguments of a plan.
pub type FreeForm = serde_json::Map<String, serde_json::Value>;

/// Most entries that a free-form list may have: long enough for a list scan, small enough for etcd.
const MAX_FREE_FORM_ITEMS: u64 = 10_000;

/// Any JSON object, kept as written.
pub(crate) fn free_form_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// Any JSON value, kept as written.
pub(crate) fn any_value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// A list of arbitrary JSON values, kept as written.
pub(crate) fn free_form_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX_FREE_FORM_ITEMS,
        "items": { "x-kubernetes-preserve-unknown-fields": true },
    })
}

/// The standard list of conditions, merged by `type` so that several writers can each own one.
pub(crate) fn conditions(generator: &mut SchemaGenerator) -> Schema {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
    let items = generator.subschema_for::<Condition>();
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}
