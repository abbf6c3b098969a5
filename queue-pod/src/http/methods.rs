//! Methods of the queue protocol over HTTP.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use service::ApiError;
use service::access::{Caller, Gate, Scope, Scopes};

use super::Front;
use super::body::{Params, only};
use super::routes::{ROUTES, Route, Style, TELLS_GROUP, TELLS_USER};
use crate::encoding::Encoding;
use crate::methods::Reply;
use crate::plans::reduced::reduced;
use crate::python;

pub(super) fn routes(gate: &Gate) -> Router<Front> {
    let mut router = Router::new();
    for route in ROUTES {
        let filter = if route.is_get { MethodFilter::GET } else { MethodFilter::POST };
        let handler = async move |State(front): State<Front>, caller: Caller, params: Params| {
            call(&front, route, &caller, params).await
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
) -> Result<Response, ApiError> {
    let mut params = match route.wants_body {
        true => params.required()?,
        false => params.0.unwrap_or_default(),
    };
    let mut is_reduced = false;
    if matches!(route.style, Style::Plans) {
        params = only(params, "reduced")?;
        is_reduced = params.remove("reduced").is_some_and(|wish| python::is_true(&wish));
    }
    let params = translate(route, caller, params)?;
    let tells_kernel = route.method == "config_get";
    if !is_reduced && !tells_kernel {
        let reply = front.desk.call_encoded(route.method, params, Encoding::Json).await;
        return Ok(([(CONTENT_TYPE, "application/json")], reply).into_response());
    }
    let mut reply = front.desk.call(route.method, params).await;
    if tells_kernel {
        withhold_kernel(&mut reply, caller.scopes());
    }
    if is_reduced && let Some(Value::Object(plans)) = reply.get_mut(route.method) {
        *plans = reduced(plans);
    }
    Ok(Json(reply).into_response())
}

/// The kernel runs any code for who has its key: it is for those who may upload scripts.
fn withhold_kernel(reply: &mut Reply, scopes: Scopes) {
    if !scopes.contains(Scope::WriteScripts.into())
        && let Some(config) = reply.get_mut("config")
    {
        config["ip_connect_info"] = json!({});
    }
}

fn translate(
    route: &Route,
    caller: &Caller,
    mut params: Map<String, Value>,
) -> Result<Map<String, Value>, ApiError> {
    if TELLS_USER.contains(&route.method) {
        params.insert("user".to_owned(), json!(caller.user()));
    }
    if TELLS_GROUP.contains(&route.method) {
        params.insert("user_group".to_owned(), json!(caller.group()));
    }
    Ok(match route.style {
        Style::Direct | Style::Plans => params,
        Style::Bare => match route.path.strip_prefix("/re/runs/") {
            Some(option) => Map::from_iter([("option".to_owned(), json!(option))]),
            None => Map::new(),
        },
        Style::Call(function) => function.call(params).map_err(ApiError::bad_request)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::success;

    #[test]
    fn the_key_of_the_kernel_is_for_those_who_may_upload_scripts() {
        let config = json!({ "ip_connect_info": { "key": "k" } });
        let mut reply = success([("config", config.clone())]);
        withhold_kernel(&mut reply, Scopes::of(&[Scope::ReadConfig, Scope::WriteScripts]));
        assert_eq!(reply["config"], config);
        withhold_kernel(&mut reply, Scope::ReadConfig.into());
        assert_eq!(reply["config"], json!({ "ip_connect_info": {} }));
    }
}
