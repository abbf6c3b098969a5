//! Schema fragments that the derive cannot express: free-form JSON, bounded maps and conditions.
//!
//! Every list, map and string of our schemas is bounded, or the cost of a CEL rule over it is not,
//! and an API server refuses the whole definition.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A JSON object whose members are the user's business, such as the keyword arguments of a plan.
pub type FreeForm = serde_json::Map<String, serde_json::Value>;

/// Most entries of a free-form list: long enough for a list scan, small enough for etcd.
const MAX_FREE_FORM_ITEMS: u64 = 10_000;
/// Most members of a free-form object.
const MAX_FREE_FORM_MEMBERS: u64 = 10_000;
/// Most PVs of one device: the largest area detector with all its plugins has about 3,000.
const MAX_PVS: u64 = 4096;
/// Longest PV name; EPICS itself ends at 60 characters plus field, PVAccess does not.
const MAX_PV_NAME: u64 = 512;
/// Most conditions of one object.
const MAX_CONDITIONS: u64 = 16;

/// Any JSON object, kept as written.
pub(crate) fn free_form_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAX_FREE_FORM_MEMBERS,
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

/// Component name to PV name (contract registry-and-direct-control §1.3: printable ASCII, no
/// blanks).
pub(crate) fn pv_map(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAX_PVS,
        "additionalProperties": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_PV_NAME,
            "pattern": r"^[\x21-\x7e]+$",
        },
    })
}

/// The standard list of conditions, merged by `type` so that several writers can each own one.
///
/// Written out because the type of k8s-openapi has no bounds; these are the ones of the API
/// conventions.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX_CONDITIONS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {
                    "description": "What is judged, in CamelCase.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 316,
                },
                "status": {
                    "description": "The verdict.",
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                },
                "reason": {
                    "description": "One fixed word that says why, for programs.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {
                    "description": "A sentence that says why, for people.",
                    "type": "string",
                    "maxLength": 32_768,
                },
                "observedGeneration": {
                    "description": "The `metadata.generation` that was judged.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                },
                "lastTransitionTime": {
                    "description": "When `status` last changed.",
                    "type": "string",
                    "format": "date-time",
                },
            },
        },
    })
}

/// Lets a status that nobody has written yet say so: clients that wait, as Flux and Argo CD do, take an object without a
/// status for done.
pub(crate) fn not_seen_yet(status: &mut Schema) {
    status.insert("default".to_owned(), serde_json::json!({ "observedGeneration": -1 }));
}
