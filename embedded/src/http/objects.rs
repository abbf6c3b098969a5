//! Requests on objects: finds the resource and the verb.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::{Method, StatusCode};

use super::options::{Form, Query};
use super::path::ObjectPath;
use super::table::Include;
use super::{Ending, json, render, watch, write};
use crate::api::selector::Selector;
use crate::api::{Api, Part, Resource};
use crate::error::ApiError;

/// One request on a resource.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) resource: Resource,
    /// Empty for cluster-scoped kinds; absent for all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) part: Part,
    pub(crate) query: Query,
    pub(crate) form: Form,
}

impl Call {
    /// The namespace to look an object up in.
    pub(crate) fn scope(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// Which objects a list or watch is about.
    pub(crate) fn selector(&self) -> Result<Selector, ApiError> {
        let fields = self.query.text("fieldSelector");
        Selector::parse(&self.resource, self.query.text("labelSelector"), fields)
    }
}

/// Answers a request on a resource.
pub(crate) async fn answer(
    api: &Arc<Api>,
    path: ObjectPath,
    request: Request,
) -> Result<Response, ApiError> {
    let resource =
        api.resource(&path.group, &path.version, &path.plural).ok_or(ApiError::UnknownPath)?;
    let kind = resource.kind.clone();
    let part = match path.subresource.as_deref() {
        None => Part::Main,
        Some("status") if kind.status => Part::Status,
        Some(_) => return Err(ApiError::UnknownPath),
    };
    if path.namespace.is_some() && !kind.namespaced {
        return Err(ApiError::UnknownPath);
    }
    let name = path.name.as_deref().map(decode).transpose()?;
    if name.is_some() && kind.namespaced && path.namespace.is_none() {
        return Err(ApiError::UnknownPath);
    }
    let namespace = if kind.namespaced { path.namespace } else { Some(String::new()) };
    let query = Query::of(request.uri())?;
    let watching = path.watch || query.flag("watch");
    let form = Form::of(request.headers());
    let call = Call { resource, namespace, name, part, query, form };
    let method = request.method().clone();
    match (method, call.name.is_some()) {
        (Method::GET, false) if watching => watch::answer(api, call, ending(&request)),
        (Method::GET, true) if watching => watch::answer(api, call, ending(&request)),
        (Method::GET, true) => get(api, &call),
        (Method::GET, false) => list(api, &call),
        (Method::POST, false) if call.namespace.is_some() => {
            write::create(api, &call, request).await
        }
        (Method::PUT, true) => write::replace(api, &call, request).await,
        (Method::PATCH, true) => write::patch(api, &call, request).await,
        (Method::DELETE, true) if part == Part::Main => write::delete(api, &call, request).await,
        (Method::DELETE, false) => write::delete_collection(api, &call, request).await,
        (Method::PUT | Method::PATCH, false) if !kind.built_in => {
            Err(ApiError::BadRequest("name must be provided".to_owned()))
        }
        _ => Err(ApiError::MethodNotAllowed),
    }
}

fn decode(name: &str) -> Result<String, ApiError> {
    // Names need no escapes; a client that escapes anyway means the same name.
    if !name.contains('%') {
        return Ok(name.to_owned());
    }
    Err(ApiError::BadRequest(format!("invalid name in the path: {name:?}")))
}

fn ending(request: &Request) -> tokio_util::sync::CancellationToken {
    request.extensions().get::<Ending>().map(|ending| ending.0.clone()).unwrap_or_default()
}

fn get(api: &Api, call: &Call) -> Result<Response, ApiError> {
    let name = call.name.as_deref().unwrap_or_default();
    if let Some(wanted) = call.query.number("resourceVersion")? {
        let current = api.store.version();
        if wanted > current {
            return Err(ApiError::FutureVersion { wanted, current });
        }
    }
    let stored = api.get(&call.resource, call.scope(), name)?;
    Ok(json(StatusCode::OK, render::object(&call.resource, &stored, call.form)))
}

fn list(api: &Api, call: &Call) -> Result<Response, ApiError> {
    let page = api.list(
        &call.resource,
        call.namespace.as_deref().filter(|_| call.resource.kind.namespaced),
        &call.selector()?,
        &call.query.list()?,
    )?;
    let include = Include::parse(call.query.text("includeObject"));
    Ok(render::list(&call.resource, &page, call.form, include))
}
