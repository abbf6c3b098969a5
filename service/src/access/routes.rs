//! `/api/auth`: logging in, sessions and API keys (contract queue-server §4.5).

mod body;
mod elsewhere;
mod keys;
mod principals;
mod sessions;

use axum::Router;
use axum::routing::{delete, get, post};
use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::accounts::Accounts;
use super::caller::{Account, Caller};
use super::gate::Gate;
use super::refusal::Refusal;
use super::scope::{Scope, Scopes};
use crate::ApiError;

/// The routes, guarded.
pub fn routes(gate: &Gate) -> Router {
    let own_keys = gate
        .guard(post(keys::create).delete(keys::delete), Scope::UserApiKeys)
        .merge(gate.guard_any(get(keys::info)));
    Router::new()
        .route("/api/auth/provider/{provider}/token", post(sessions::log_in))
        .route(
            "/api/auth/provider/{provider}/authorize",
            get(elsewhere::authorize).post(elsewhere::wait),
        )
        .route(
            "/api/auth/provider/{provider}/code",
            get(elsewhere::come_back).post(elsewhere::come_back),
        )
        .route(
            "/api/auth/provider/{provider}/device_code",
            get(elsewhere::authorize_for_device).post(elsewhere::approve),
        )
        .route("/api/auth/session/refresh", post(sessions::refresh))
        .route("/api/auth/session/revoke/{session}", gate.guard_any(delete(sessions::revoke)))
        .route("/api/auth/apikey", own_keys)
        .route("/api/auth/whoami", gate.guard_any(get(principals::whoami)))
        .route("/api/auth/scopes", gate.guard_any(get(scopes)))
        .route("/api/auth/logout", gate.guard_any(post(async || Json(json!({})))))
        .route("/api/auth/principal", gate.guard(get(principals::list), Scope::AdminReadPrincipals))
        .route(
            "/api/auth/principal/{uuid}",
            gate.guard(get(principals::one), Scope::AdminReadPrincipals),
        )
        .route(
            "/api/auth/principal/{uuid}/apikey",
            gate.guard(post(keys::create_for), Scope::AdminApiKeys),
        )
        .with_state(gate.clone())
}

async fn scopes(caller: Caller) -> Json<Value> {
    Json(json!({ "roles": caller.roles(), "scopes": caller.scopes() }))
}

type Shared = State<Gate>;

/// The accounts and the caller's own.
fn account<'a>(
    gate: &'a Gate,
    caller: &'a Caller,
) -> Result<(&'a Accounts, &'a Account), ApiError> {
    accounts(gate).and_then(|accounts| {
        let account =
            caller.account().ok_or_else(|| ApiError::forbidden("The caller has no account"))?;
        Ok((accounts, account))
    })
}

fn accounts(gate: &Gate) -> Result<&Accounts, ApiError> {
    gate.accounts().ok_or_else(|| {
        let text = "There are no accounts: no authentication provider is configured";
        ApiError::new(axum::http::StatusCode::NOT_IMPLEMENTED, text)
    })
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status(), refusal.to_string())
    }
}

/// A time in seconds as the Python server writes it: UTC, and nothing that says so.
fn written(seconds: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(seconds).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

/// Scopes of a key on the wire.
fn shown(scopes: Option<Scopes>) -> Value {
    scopes.map_or_else(|| json!(["inherit"]), |scopes| json!(scopes))
}
