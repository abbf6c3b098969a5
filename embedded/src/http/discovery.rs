//! What this API serves, as clients discover it.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::options::Form;
use super::path::Path;
use super::{json as answer_json, openapi};
use crate::api::Api;
use crate::error::ApiError;
use crate::kinds::Kind;

/// The minor version told to clients: the middle of those whose clients are tested, for kubectl accepts one off.
const MINOR: &str = "33";

/// Answers every path that is not an object or a list of them.
pub(crate) fn answer(api: &Api, path: &Path, headers: &HeaderMap) -> Result<Response, ApiError> {
    let aggregated = Form::of(headers) == Form::Discovery;
    let body = match path {
        Path::Health => {
            let mut response = Response::new("ok".into());
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, text);
            return Ok(response);
        }
        Path::Version => version(),
        Path::CoreVersions if aggregated => return Ok(aggregated_answer(api, true)),
        Path::Groups if aggregated => return Ok(aggregated_answer(api, false)),
        Path::CoreVersions => json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        }),
        Path::Groups => json!({
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": groups(api),
        }),
        Path::Group(name) => groups(api)
            .into_iter()
            .find(|group| group["name"] == *name)
            .map(|mut group| {
                group["kind"] = json!("APIGroup");
                group["apiVersion"] = json!("v1");
                group
            })
            .ok_or(ApiError::UnknownPath)?,
        Path::Resources(group, version) => resources(api, group, version)?,
        Path::OpenApiIndex => openapi::index(&api.catalogue),
        Path::OpenApi(group, version) => {
            openapi::document(&api.catalogue, group, version).ok_or(ApiError::UnknownPath)?
        }
        Path::Object(_) => return Err(ApiError::UnknownPath),
    };
    Ok(answer_json(StatusCode::OK, body.to_string()))
}

fn version() -> Value {
    let platform = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
    json!({
        "major": "1",
        "minor": MINOR,
        "gitVersion": format!("v1.{MINOR}.0+beamline-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": "rustc",
        "platform": platform,
    })
}

fn groups(api: &Api) -> Vec<Value> {
    let mut groups: Vec<Value> = Vec::new();
    for (group, version) in api.catalogue.group_versions() {
        if group.is_empty() {
            continue;
        }
        let entry = json!({"groupVersion": format!("{group}/{version}"), "version": version});
        match groups.iter_mut().find(|known| known["name"] == group) {
            Some(known) => {
                if let Some(versions) = known["versions"].as_array_mut() {
                    versions.push(entry);
                }
            }
            None => groups.push(json!({
                "name": group, "versions": [entry], "preferredVersion": entry,
            })),
        }
    }
    groups
}

fn of_version<'a>(
    api: &'a Api,
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a Kind> {
    api.catalogue
        .kinds()
        .map(AsRef::as_ref)
        .filter(move |kind: &&Kind| kind.group == group && kind.version == version)
}

fn resources(api: &Api, group: &str, version: &str) -> Result<Value, ApiError> {
    let mut resources = Vec::new();
    let mut api_version = None;
    for kind in of_version(api, group, version) {
        api_version = Some(kind.api_version());
        let mut resource = json!({
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": kind.verbs(),
        });
        if !kind.short_names.is_empty() {
            resource["shortNames"] = json!(kind.short_names);
        }
        if !kind.categories.is_empty() {
            resource["categories"] = json!(kind.categories);
        }
        resources.push(resource);
        if kind.status {
            resources.push(json!({
                "name": format!("{}/status", kind.plural),
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": ["get", "patch", "update"],
            }));
        }
    }
    Ok(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version.ok_or(ApiError::UnknownPath)?,
        "resources": resources,
    }))
}

/// Everything in one answer, for clients that ask for it.
fn aggregated_answer(api: &Api, core: bool) -> Response {
    let mut items: Vec<Value> = Vec::new();
    for (group, version) in api.catalogue.group_versions() {
        if group.is_empty() != core {
            continue;
        }
        let resources: Vec<Value> = of_version(api, &group, &version).map(aggregated).collect();
        let entry = json!({"version": version, "resources": resources, "freshness": "Current"});
        match items.iter_mut().find(|known| known["metadata"]["name"] == group) {
            Some(known) => {
                if let Some(versions) = known["versions"].as_array_mut() {
                    versions.push(entry);
                }
            }
            None if core => items.push(json!({"metadata": {}, "versions": [entry]})),
            None => items.push(json!({"metadata": {"name": group}, "versions": [entry]})),
        }
    }
    let body = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    });
    let mut response = answer_json(StatusCode::OK, body.to_string());
    let kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn aggregated(kind: &Kind) -> Value {
    let response_kind = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    let mut resource = json!({
        "resource": kind.plural,
        "responseKind": response_kind,
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": kind.verbs(),
    });
    if !kind.short_names.is_empty() {
        resource["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        resource["categories"] = json!(kind.categories);
    }
    if kind.status {
        resource["subresources"] = json!([{
            "subresource": "status",
            "responseKind": response_kind,
            "verbs": ["get", "patch", "update"],
        }]);
    }
    resource
}
