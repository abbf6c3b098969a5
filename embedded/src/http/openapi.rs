//! OpenAPI v3 documents: what `kubectl explain` shows, and how `kubectl apply` learns that the server validates fields.

use serde_json::{Map, Value, json};

use crate::kinds::{Catalogue, Kind};

/// `/openapi/v3`: where the document of each group and version is.
pub(crate) fn index(catalogue: &Catalogue) -> Value {
    let mut paths = Map::new();
    for (group, version) in catalogue.group_versions() {
        let path = root(&group, &version);
        paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}")}));
    }
    json!({"paths": paths})
}

/// `/openapi/v3/…`: the document of one group and version.
pub(crate) fn document(catalogue: &Catalogue, group: &str, version: &str) -> Option<Value> {
    let kinds: Vec<&Kind> = catalogue
        .kinds()
        .map(AsRef::as_ref)
        .filter(|kind: &&Kind| kind.group == group && kind.version == version)
        .collect();
    if kinds.is_empty() {
        return None;
    }
    let root = format!("/{}", root(group, version));
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for kind in kinds {
        schemas.insert(schema_name(kind), schema(kind));
        let scope = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
        let list = format!("{root}{scope}/{}", kind.plural);
        paths.insert(list.clone(), collection(kind));
        paths.insert(format!("{list}/{{name}}"), item(kind));
        if kind.status {
            paths.insert(format!("{list}/{{name}}/status"), item(kind));
        }
        if kind.namespaced {
            paths.insert(
                format!("{root}/{}", kind.plural),
                json!({"get": operation(kind, "list", &[])}),
            );
        }
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Beamline", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"schemas": schemas},
    }))
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// Reversed group, version and kind, such as `dev.beamline.v1alpha1.Device`.
fn schema_name(kind: &Kind) -> String {
    let group = if kind.group.is_empty() { "core.api.k8s.io" } else { &kind.group };
    let reversed: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{}.{}", reversed.join("."), kind.version, kind.kind)
}

fn identity(kind: &Kind) -> Value {
    json!({"group": kind.group, "version": kind.version, "kind": kind.kind})
}

fn schema(kind: &Kind) -> Value {
    let mut schema = kind.openapi.clone();
    schema["x-kubernetes-group-version-kind"] = json!([identity(kind)]);
    schema
}

fn parameters(names: &[&str]) -> Vec<Value> {
    let parameter = |name: &&str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    names.iter().map(parameter).collect()
}

fn operation(kind: &Kind, action: &str, query: &[&str]) -> Value {
    let reference = json!({"$ref": format!("#/components/schemas/{}", schema_name(kind))});
    let content = json!({"application/json": {"schema": reference}});
    let mut operation = json!({
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": identity(kind),
        "parameters": parameters(query),
        "responses": {"200": {"description": "OK", "content": content}},
    });
    match action {
        "post" | "put" => operation["requestBody"] = json!({"content": content}),
        "patch" => {
            let any = json!({"schema": {"type": "object"}});
            operation["requestBody"] = json!({"content": {
                "application/apply-patch+yaml": any,
                "application/json-patch+json": any,
                "application/merge-patch+json": any,
            }});
        }
        _ => {}
    }
    operation
}

const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
const PATCH: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force"];

fn collection(kind: &Kind) -> Value {
    let mut path = json!({"get": operation(kind, "list", &[])});
    if !kind.read_only {
        path["post"] = operation(kind, "post", WRITE);
        path["delete"] = operation(kind, "deletecollection", &["dryRun"]);
    }
    path
}

fn item(kind: &Kind) -> Value {
    let mut path = json!({"get": operation(kind, "get", &[])});
    if !kind.read_only {
        path["put"] = operation(kind, "put", WRITE);
        path["patch"] = operation(kind, "patch", PATCH);
        path["delete"] = operation(kind, "delete", &["dryRun"]);
    }
    path
}
