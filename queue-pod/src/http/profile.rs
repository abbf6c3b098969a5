//! The git checkout of the profile over HTTP (contract queue-server §5.4).

use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Map, Value};
use service::ApiError;
use service::access::{Caller, Gate, Scope};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, PathsBuilder};

use super::Front;
use super::body::Params;
use super::description::reply;
use crate::checkout::{CheckoutError, Pulled, Standing};
use crate::console::Level;
use crate::desk::now;
use crate::methods::Reply;

const STATUS: &str = "/api/profile_collection/status";
const PULL: &str = "/api/profile_collection/pull";
const RELOAD: &str = "/api/profile_collection/reload";
/// How long an environment may take to close, and the pause between looks.
const CLOSING: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(super) fn routes(gate: &Gate) -> Router<Front> {
    let control = Scope::WriteManagerControl;
    Router::new()
        .route(STATUS, gate.guard(get(status), Scope::ReadStatus))
        .route(PULL, gate.guard(post(pull), control))
        .route(RELOAD, gate.guard(post(reload), control))
}

async fn status(State(front): State<Front>) -> Result<Json<Standing>, ApiError> {
    Ok(Json(front.checkout.standing().await.map_err(|error| refusal(&error))?))
}

async fn pull(State(front): State<Front>, caller: Caller) -> Result<Json<Pulled>, ApiError> {
    let user = caller.user().to_owned();
    to_its_end(async move { pulled(&front, &user).await }).await.map(Json)
}

/// What came of a reload (`ProfileReloadResponse`).
#[derive(Debug, Serialize)]
struct Reloaded {
    pull: Pulled,
    /// Whether an environment was closed, and is being opened again.
    environment_recycled: bool,
}

async fn reload(
    State(front): State<Front>,
    caller: Caller,
    params: Params,
) -> Result<Json<Reloaded>, ApiError> {
    let user = caller.user().to_owned();
    let lock_key = params.0.unwrap_or_default().into_iter().filter(|(key, _)| key == "lock_key");
    let lock_key: Map<String, Value> = lock_key.collect();
    to_its_end(async move { reloaded(&front, &user, lock_key).await }).await.map(Json)
}

/// Goes on when the caller leaves: neither a checkout nor an environment is left half-way.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    let ended = tokio::spawn(work).await;
    ended.unwrap_or_else(|error| Err(ApiError::internal(error.to_string())))
}

fn refusal(error: &CheckoutError) -> ApiError {
    let text = error.to_string();
    if error.is_conflict() { ApiError::conflict(text) } else { ApiError::internal(text) }
}

async fn pulled(front: &Front, user: &str) -> Result<Pulled, ApiError> {
    let console = &front.desk.console;
    let pulled = front.checkout.pull().await;
    match &pulled {
        Ok(pulled) => {
            let (files, commit) = (pulled.files_changed.len(), &pulled.commit_after);
            tracing::info!(user, commit, files, "the profile collection was pulled");
            let line = format!("Profile collection is at {commit}: {files} files changed.");
            console.say(now(), Level::Info, &line);
        }
        Err(error) => {
            tracing::warn!(user, %error, "the profile collection was not pulled");
            let line = format!("Profile collection was not pulled: {error}");
            console.say(now(), Level::Warning, &line);
        }
    }
    pulled.map_err(|error| refusal(&error))
}

async fn reloaded(
    front: &Front,
    user: &str,
    lock_key: Map<String, Value>,
) -> Result<Reloaded, ApiError> {
    let manager = front.desk.view().status["manager_state"].clone();
    if manager != "idle" {
        let manager = manager.as_str().unwrap_or_default();
        return Err(ApiError::conflict(format!(
            "RE Manager is busy ({manager}): the environment cannot be closed now. Nothing was pulled."
        )));
    }
    let pull = pulled(front, user).await?;
    if !has_environment(front) {
        return Ok(Reloaded { pull, environment_recycled: false });
    }
    if pull.pixi_toml_changed {
        return Err(ApiError::conflict(
            "pixi.toml changed and an environment is open: Python and its packages are others now, which takes more than a new \
             worker. The profile was pulled; close the environment, bring the worker's Python up to date, and open it again.",
        ));
    }
    let closed = front.desk.call("environment_close", lock_key.clone()).await;
    if let Some(why) = refused(&closed) {
        return Err(ApiError::conflict(format!(
            "The profile was pulled, but the environment is still the one before: {why}"
        )));
    }
    is_closed(front).await?;
    let opened = front.desk.call("environment_open", lock_key).await;
    if let Some(why) = refused(&opened) {
        return Err(ApiError::internal(format!(
            "The profile was pulled and the environment closed, but it does not open again: {why}"
        )));
    }
    Ok(Reloaded { pull, environment_recycled: true })
}

/// Why the manager does not do it.
fn refused(reply: &Reply) -> Option<&str> {
    let why = reply.get("msg").and_then(Value::as_str).unwrap_or_default();
    (reply.get("success") != Some(&Value::Bool(true))).then_some(why)
}

fn has_environment(front: &Front) -> bool {
    front.desk.view().status["worker_environment_exists"] == true
}

async fn is_closed(front: &Front) -> Result<(), ApiError> {
    let closed = async {
        while has_environment(front) || front.desk.view().status["manager_state"] != "idle" {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(CLOSING, closed).await.map_err(|_| {
        ApiError::internal(
            "The profile was pulled, but the environment does not close: open it again when it is closed",
        )
    })
}

/// Adds them to the OpenAPI description.
pub(super) fn describe(paths: PathsBuilder) -> PathsBuilder {
    let failed = "Git failed, in its own words";
    let status = OperationBuilder::new()
        .operation_id(Some("profile_collection_status"))
        .summary(Some("How the git checkout of the profile stands, without asking upstream"))
        .response("200", reply("`profile_dir`, `commit`, `branch`, `is_dirty`, and how many commits it is `ahead` and `behind`"))
        .response("409", reply("No checkout is named"))
        .response("500", reply(failed));
    let pull = OperationBuilder::new()
        .operation_id(Some("profile_collection_pull"))
        .summary(Some("Fast-forward the git checkout of the profile to its upstream"))
        .response("200", reply("`commit_before`, `commit_after`, `files_changed` and `pixi_toml_changed`"))
        .response("409", reply("No checkout is named, something is changed in it, or it has commits of its own. Nothing was changed"))
        .response("500", reply(failed));
    let reload = OperationBuilder::new()
        .operation_id(Some("profile_collection_reload"))
        .summary(Some("Pull, then close the environment if one is open, and open it again"))
        .response(
            "200",
            reply("`pull`, and whether the environment is an `environment_recycled` one"),
        )
        .response("409", reply("As for a pull; or the manager is busy, or pixi.toml changed"))
        .response("500", reply(failed));
    paths
        .path(STATUS, PathItem::new(HttpMethod::Get, status))
        .path(PULL, PathItem::new(HttpMethod::Post, pull))
        .path(RELOAD, PathItem::new(HttpMethod::Post, reload))
}
