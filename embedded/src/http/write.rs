//! Requests that write: create, replace, patch and delete.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use super::objects::Call;
use super::{MAX_BODY, json, protobuf, render, status};
use crate::api::delete::Deleted;
use crate::api::list::Page;
use crate::api::update::{Change, Wanted};
use crate::api::{Api, Part, WriteOptions};
use crate::error::{ApiError, Subject};
use crate::kinds::Kind;
use crate::patch::managers::Entry;
use crate::patch::{self, JsonPatchError, apply, strategic};
use crate::schema::{Problem, prune};

/// How long a client may take to send a body.
const BODY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
/// How much is taken of a body after it has turned out to be too large.
const MOST_DROPPED: usize = 64 << 20;

pub(crate) async fn create(api: &Api, call: &Call, request: Request) -> Result<Response, ApiError> {
    let options = call.query.write(request.headers())?;
    let body = read(request).await?;
    let written = api.create(&call.resource, call.scope(), body, &options).await?;
    Ok(render::written(&call.resource, &written, call.form))
}

pub(crate) async fn replace(
    api: &Api,
    call: &Call,
    request: Request,
) -> Result<Response, ApiError> {
    let options = call.query.write(request.headers())?;
    let body = read(request).await?;
    let name = call.name.as_deref().unwrap_or_default();
    let written =
        api.replace(&call.resource, call.scope(), name, call.part, body, &options).await?;
    Ok(render::written(&call.resource, &written, call.form))
}

pub(crate) async fn patch(api: &Api, call: &Call, request: Request) -> Result<Response, ApiError> {
    let options = call.query.write(request.headers())?;
    let kind = media_type(request.headers());
    let body = read(request).await?;
    let name = call.name.as_deref().unwrap_or_default();
    let change: Box<Change<'_>> = match kind.as_str() {
        "application/merge-patch+json" => Box::new(|old| wanted(patch::merge(old, &body))),
        "application/json-patch+json" => Box::new(|old| {
            let patched = patch::json(old, &body).map_err(|error| json_patch_error(call, error))?;
            wanted(patched)
        }),
        "application/strategic-merge-patch+json" if call.resource.kind.built_in => {
            Box::new(|old| wanted(strategic::merge(old, &body)))
        }
        "application/apply-patch+yaml" => {
            return server_side_apply(api, call, body, &options).await;
        }
        _ => return Err(ApiError::MediaType(accepted(call).to_owned())),
    };
    let written =
        api.update(&call.resource, call.scope(), name, call.part, &options, &*change).await?;
    Ok(render::written(&call.resource, &written, call.form))
}

fn wanted(object: Value) -> Result<Wanted, ApiError> {
    Ok(Wanted { object, owned: None })
}

fn accepted(call: &Call) -> &'static str {
    if call.resource.kind.built_in {
        "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml"
    } else {
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    }
}

fn json_patch_error(call: &Call, error: JsonPatchError) -> ApiError {
    match error {
        JsonPatchError::Malformed(_) => ApiError::BadRequest(error.to_string()),
        JsonPatchError::DoesNotApply(detail) => {
            let name = call.name.as_deref().unwrap_or_default();
            let problem = Problem::invalid("patch", "\"json-patch\"", &detail);
            ApiError::invalid(&call.resource.kind, name, vec![problem])
        }
    }
}

/// What is applied says of which kind it is.
fn check_type(kind: &Kind, intent: &Value) -> Result<(), ApiError> {
    let text = |key: &str| intent[key].as_str().unwrap_or_default();
    let (version, given) = (text("apiVersion"), text("kind"));
    if version == kind.api_version() && given == kind.kind {
        return Ok(());
    }
    let group = if version.contains('/') { "" } else { "/" };
    Err(ApiError::BadRequest(format!("invalid object type: {group}{version}, Kind={given}")))
}

async fn server_side_apply(
    api: &Api,
    call: &Call,
    body: Value,
    options: &WriteOptions,
) -> Result<Response, ApiError> {
    let kind = &call.resource.kind;
    let name = call.name.as_deref().unwrap_or_default();
    check_type(kind, &body)?;
    if call.query.text("fieldManager").is_empty() {
        let problem = Problem::required("fieldManager", "is required for apply patch");
        return Err(ApiError::Invalid(
            Box::new(Subject {
                kind: "PatchOptions".to_owned(),
                group: "meta.k8s.io".to_owned(),
                ..Subject::default()
            }),
            vec![problem],
        ));
    }
    if body["metadata"]["managedFields"].as_array().is_some_and(|list| !list.is_empty()) {
        return Err(ApiError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let is_status = call.part == Part::Status;
    let mut intent = apply::only_part(kind, &body, is_status);
    if let Some(unknown) = prune::prune(&kind.schema, &mut intent).first() {
        return Err(ApiError::BadRequest(format!(
            "failed to create typed patch object ({}/{name}; {}, Kind={}): .{unknown}: field not declared in schema",
            call.scope(),
            kind.api_version(),
            kind.kind,
        )));
    }
    let subresource = if is_status { "status" } else { "" };
    let fields = apply::declared(kind, &intent);
    let writer = Entry::apply(&options.manager, kind, subresource, fields);
    let force = call.query.flag("force");
    let change = |live: &Value| {
        let applied = apply::apply(kind, live, &intent, &writer, force).map_err(|conflicts| {
            ApiError::ApplyConflict { message: conflicts.message(), fields: conflicts.fields() }
        })?;
        Ok(Wanted { object: applied.object, owned: Some(applied.managed_fields) })
    };
    loop {
        let updated =
            api.update(&call.resource, call.scope(), name, call.part, options, &change).await;
        let written = match updated {
            Err(ApiError::NotFound(_)) if !is_status => {
                let mut body = intent.clone();
                let metadata = crate::api::metadata::of(&mut body);
                metadata.entry("name").or_insert_with(|| name.into());
                // It is the version of an object that is not there: there is nothing to hold it against.
                metadata.shift_remove("resourceVersion");
                let own = |object: &mut Value| {
                    let owned = crate::patch::managers::write(std::slice::from_ref(&writer));
                    crate::api::metadata::of(object).insert("managedFields".to_owned(), owned);
                };
                let scope = call.scope();
                match api.create_owned(&call.resource, scope, body, options, &own).await {
                    // Somebody else created it in between: apply to that.
                    Err(ApiError::AlreadyExists(_)) if !options.dry_run => continue,
                    created => created?,
                }
            }
            updated => updated?,
        };
        return Ok(render::written(&call.resource, &written, call.form));
    }
}

pub(crate) async fn delete(api: &Api, call: &Call, request: Request) -> Result<Response, ApiError> {
    let options = call.query.delete(&read_optional(request).await?)?;
    let name = call.name.as_deref().unwrap_or_default();
    Ok(match api.delete(&call.resource, call.scope(), name, &options).await? {
        Deleted::Gone(object) => {
            let subject = Subject::new(&call.resource.kind, name);
            json(StatusCode::OK, status::deleted(&subject, &object.meta.uid).to_string())
        }
        Deleted::Waiting(object) => {
            json(StatusCode::OK, render::object(&call.resource, &object, call.form))
        }
    })
}

pub(crate) async fn delete_collection(
    api: &Api,
    call: &Call,
    request: Request,
) -> Result<Response, ApiError> {
    let options = call.query.delete(&read_optional(request).await?)?;
    let kind = &call.resource.kind;
    // All namespaces at once is not a path of the real API either.
    if call.namespace.is_none() || kind.plural == "namespaces" {
        return Err(ApiError::MethodNotAllowed);
    }
    let namespace = call.namespace.as_deref().filter(|_| kind.namespaced);
    let objects =
        api.delete_collection(&call.resource, namespace, &call.selector()?, &options).await?;
    let page = Page { version: api.store.version(), objects, next: None, remaining: 0 };
    let include = super::table::Include::default();
    Ok(render::list(&call.resource, &page, call.form, include))
}

fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    text.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned()
}

async fn read_optional(request: Request) -> Result<Value, ApiError> {
    let bytes = collect(request).await?;
    if bytes.is_empty() { Ok(Value::Null) } else { parse("application/json", &bytes) }
}

async fn read(request: Request) -> Result<Value, ApiError> {
    let kind = media_type(request.headers());
    let bytes = collect(request).await?;
    if kind == "application/vnd.kubernetes.protobuf" {
        let known = "application/json, application/yaml";
        return protobuf::read(&bytes).ok_or_else(|| ApiError::MediaType(known.to_owned()));
    }
    parse(&kind, &bytes)
}

fn parse(kind: &str, bytes: &[u8]) -> Result<Value, ApiError> {
    let unreadable = |error: &dyn std::fmt::Display| {
        ApiError::BadRequest(format!("the object provided is unrecognized: {error}"))
    };
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) if !kind.ends_with("yaml") => Err(unreadable(&error)),
        Err(_) => {
            let text = std::str::from_utf8(bytes).map_err(|error| unreadable(&error))?;
            serde_saphyr::from_str(text).map_err(|error| unreadable(&error))
        }
    }
}

async fn collect(request: Request) -> Result<bytes::Bytes, ApiError> {
    let mut body = request.into_body();
    let limited = Limited::new(&mut body, MAX_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, limited).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            tokio::time::timeout(BODY_TIMEOUT, drop_rest(body)).await.ok();
            Err(ApiError::TooLarge(MAX_BODY))
        }
        Ok(Err(error)) => Err(ApiError::BadRequest(format!("cannot read the body: {error}"))),
        Err(_) => Err(ApiError::BadRequest("the body did not arrive in time".to_owned())),
    }
}

/// Takes what still comes: a client that sends everything before it reads would see a broken connection and not the reason.
async fn drop_rest(mut body: Body) {
    let mut dropped = 0;
    while let Some(Ok(frame)) = body.frame().await
        && dropped < MOST_DROPPED
    {
        dropped += frame.data_ref().map_or(0, bytes::Bytes::len);
    }
}
