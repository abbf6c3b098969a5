//! Who somebody is, and who there is.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::keys::described;
use super::{Shared, account, accounts, shown, written};
use crate::ApiError;
use crate::access::Caller;
use crate::access::accounts::{Accounts, FRESH};
use crate::access::book::Principal;

pub(super) async fn whoami(State(gate): Shared, caller: Caller) -> Result<Json<Value>, ApiError> {
    let (accounts, account) = account(&gate, &caller)?;
    let known = accounts.book(FRESH).await?;
    let principal = known.kept.book.principal(account.principal);
    let principal = principal.ok_or_else(|| ApiError::not_found("The principal is gone"))?;
    let mut answer = about(accounts, principal);
    let key = principal.api_keys.iter().find(|key| Some(&key.first_eight) == account.key.as_ref());
    if let Some(key) = key {
        answer["api_key_scopes"] = shown(key.scopes);
    }
    Ok(Json(answer))
}

pub(super) async fn list(State(gate): Shared) -> Result<Json<Value>, ApiError> {
    let accounts = accounts(&gate)?;
    let known = accounts.book(FRESH).await?;
    let all = known.kept.book.principals.iter().map(|one| about(accounts, one));
    Ok(Json(all.collect()))
}

pub(super) async fn one(
    State(gate): Shared,
    Path(uuid): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let accounts = accounts(&gate)?;
    let known = accounts.book(FRESH).await?;
    let principal = uuid.parse::<Uuid>().ok().and_then(|id| known.kept.book.principal(id));
    let principal =
        principal.ok_or_else(|| ApiError::not_found(format!("No such Principal {uuid}")))?;
    Ok(Json(about(accounts, principal)))
}

fn about(accounts: &Accounts, principal: &Principal) -> Value {
    let Principal { uuid, provider, id, latest_login, sessions, api_keys } = principal;
    let used = |key: &str| accounts.used(key);
    let latest_use = api_keys.iter().filter_map(|key| used(&key.first_eight)).max();
    let sessions: Vec<_> = sessions
        .iter()
        .map(|session| {
            json!({
                "uuid": session.uuid,
                "expiration_time": written(session.expires),
                "revoked": session.revoked,
            })
        })
        .collect();
    let api_keys: Vec<_> =
        api_keys.iter().map(|key| described(key, used(&key.first_eight))).collect();
    json!({
        "uuid": uuid,
        "type": "user",
        "identities": [{ "id": id, "provider": provider, "latest_login": written(*latest_login) }],
        "api_keys": api_keys,
        "sessions": sessions,
        "latest_activity": written(latest_use.unwrap_or_default().max(*latest_login)),
        "roles": accounts.directory.roles_of(id),
        "scopes": accounts.directory.scopes_shown(id),
        "api_key_scopes": null,
    })
}
