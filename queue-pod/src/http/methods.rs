//! Methods of the queue protocol over HTTP.

use axum::extract::State;
use axum::routing::{MethodFilter, on};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use service::ApiError;
use service::access::{Caller, Gate};

use super::Front;
use super::body::Params;
use super::routes::{ROUTES, Route, Style, TELLS_USER};
use crate::methods::Reply;
use crate::python;

pub(super) fn routes(gate: &Gate) -> Router<Front> {
    let mut router = Router::new();
    for route in ROUTES {
        let filter = if route.is_get { MethodFilter::GET } else { MethodFilter::POST };
        let handler = async move |State(front): State<Front>, caller: Caller, params: Params| {
            call(&front, route, &caller, params).await.map(Json)
        };
        let guarded = gate.guard(on(filter, handler), route.scope);
        router = router.route(&format!("/api{}", route.path), guarded);
    }
    router
}

async fn call(
    front: &Front,
    route: &Route,
    caller: &Caller,
    params: Params,
) -> Result<Reply, ApiError> {
    let params = match route.wants_body {
        true => params.required()?,
        false => params.0.unwrap_or_default(),
    };
    if let Style::Keywords(function, allowed) = route.style {
        check_keywords(function, allowed, &params)?;
    }
    let params = translate(route, caller, params)?;
    Ok(front.desk.call(route.method, params).await)
}

/// Refuses what the Python client's function would not take.
fn check_keywords(
    function: &str,
    allowed: &[&str],
    params: &Map<String, Value>,
) -> Result<(), ApiError> {
    let call = format!("API_Async_Mixin.{function}()");
    if let Some(strange) = params.keys().find(|key| !allowed.contains(&key.as_str())) {
        let strange = python::repr_str(strange);
        let text = format!("{call} got an unexpected keyword argument {strange}");
        return Err(ApiError::bad_request(text));
    }
    if function == "queue_autostart" && !params.contains_key("enable") {
        let text = format!("{call} missing 1 required positional argument: 'enable'");
        return Err(ApiError::bad_request(text));
    }
    Ok(())
}

fn translate(
    route: &Route,
    caller: &Caller,
    mut params: Map<String, Value>,
) -> Result<Map<String, Value>, ApiError> {
    // A wish of the Python client for itself: to look past its cache, which is not here.
    params.remove("reload");
    if TELLS_USER.contains(&route.method) {
        params.insert("user".to_owned(), json!(caller.user()));
        params.insert("user_group".to_owned(), json!(caller.group()));
    }
    match route.method {
        "lock" => {
            params.insert("user".to_owned(), json!(caller.user()));
        }
        "plans_allowed" | "devices_allowed" | "plans_existing" | "devices_existing" => {
            if params.remove("reduced").is_some_and(|reduced| reduced != json!(false)) {
                return Err(ApiError::bad_request("Reduced descriptions are not available"));
            }
            if route.method.ends_with("allowed") {
                params.insert("user_group".to_owned(), json!(caller.group()));
            }
        }
        "queue_mode_set" if !params.contains_key("mode") => {
            let lock_key = params.remove("lock_key");
            params = Map::from_iter([("mode".to_owned(), Value::Object(params))]);
            params.extend(lock_key.map(|key| ("lock_key".to_owned(), key)));
        }
        "re_runs" => {
            if let Some(option) = route.path.strip_prefix("/re/runs/") {
                params.insert("option".to_owned(), json!(option));
            }
        }
        _ => {}
    }
    Ok(params)
}
