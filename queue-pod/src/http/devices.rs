//! The devices of the profile against those of the registry (contract queue-server §5.4).

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value};
use service::ApiError;
use service::access::{Gate, Scope};
use service::validation::{self, Fields, Model, kinds};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;

use super::Front;
use super::body::Params;
use super::description::{anything, reply};
use crate::driver::UNREACHABLE;
use crate::methods::Reply;

const DIFFERENCE: &str = "/api/devices/diff_against_profile";
const SYNC: &str = "/api/devices/sync_from_profile";

pub(super) fn routes(gate: &Gate) -> Router<Front> {
    Router::new()
        .route(DIFFERENCE, gate.guard(get(difference), Scope::ReadStatus))
        .route(SYNC, gate.guard(post(sync), Scope::WriteManagerControl))
}

async fn difference(State(front): State<Front>) -> Result<Json<Reply>, ApiError> {
    let reply = front.desk.call("config_service_diff", Map::new()).await;
    answer(reply, &["diff"])
}

/// The body of a request to bring the registry up to date (`DeviceSyncRequest`): only what it is made of is looked at here.
struct Wish;

impl Model for Wish {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let strategy = fields.optional("strategy", kinds::string);
        let devices = fields.nullable("devices", kinds::list(kinds::string));
        strategy?;
        devices?;
        Some(Self)
    }
}

async fn sync(State(front): State<Front>, params: Params) -> Result<Json<Reply>, ApiError> {
    let mut params = Value::Object(params.0.unwrap_or_default());
    validation::read::<Wish>(&params)?;
    let params = params.as_object_mut().map(std::mem::take).unwrap_or_default();
    let known = params.into_iter().filter(|(key, _)| ["strategy", "devices"].contains(&&**key));
    let reply = front.desk.call("config_service_sync", known.collect()).await;
    answer(reply, &["applied", "diff_after"])
}

/// The members of a reply that are for HTTP; a refusal has a status.
fn answer(mut reply: Reply, keys: &[&str]) -> Result<Json<Reply>, ApiError> {
    if reply.get("success") == Some(&Value::Bool(true)) {
        reply.retain(|key, _| keys.contains(&key.as_str()));
        return Ok(Json(reply));
    }
    let is_unreachable = reply.get("error_kind").and_then(Value::as_str) == Some(UNREACHABLE);
    let status =
        if is_unreachable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::CONFLICT };
    Err(ApiError::new(status, reply.remove("msg").unwrap_or_default()))
}

/// Adds them to the OpenAPI description.
pub(super) fn describe(paths: PathsBuilder) -> PathsBuilder {
    let refused = "The environment is not open, or it has no profile";
    let difference = OperationBuilder::new()
        .operation_id(Some("devices_diff_against_profile"))
        .summary(Some("How the devices of the profile differ from those of the registry"))
        .response("200", reply("`diff`: names of what is `added`, `removed` and `disabled`, and what is `modified`"))
        .response("409", reply(refused))
        .response("503", reply("The Kubernetes API does not answer"));
    let body = RequestBodyBuilder::new()
        .description(Some(
            "`strategy`: `all` creates, changes and deletes devices, `additions_only` creates them, \
             `selected` creates, changes or enables those that `devices` names",
        ))
        .content("application/json", anything())
        .build();
    let sync = OperationBuilder::new()
        .operation_id(Some("devices_sync_from_profile"))
        .summary(Some("Bring the registry up to date with the devices of the profile"))
        .request_body(Some(body))
        .response("200", reply("`applied`: what was `upserted` and `deleted`; `diff_after`: what still differs"))
        .response("409", reply("The same; or git owns a device, a plan holds it, or that is no strategy. Nothing was changed"))
        .response("503", reply("The Kubernetes API does not answer"));
    paths
        .path(DIFFERENCE, PathItem::new(HttpMethod::Get, difference))
        .path(SYNC, PathItem::new(HttpMethod::Post, sync))
}
