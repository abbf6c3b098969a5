//! API keys: made, shown and deleted.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::body::NewKey;
use super::{Shared, account, accounts, shown, written};
use crate::ApiError;
use crate::access::Caller;
use crate::access::accounts::{Accounts, FRESH, now};
use crate::access::book::ApiKey;
use crate::access::scope::{Scope, Scopes};
use crate::validation::Body;

/// Longest note.
const NOTE: usize = 1_000;
/// Longest life of a key, in seconds: what goes beyond is for ever.
const LONGEST: i64 = 100 * 365 * 24 * 3600;
/// The word for whatever the principal may do.
const INHERIT: &str = "inherit";

pub(super) async fn create(
    State(gate): Shared,
    caller: Caller,
    Body(wanted): Body<NewKey>,
) -> Result<Json<Value>, ApiError> {
    let (accounts, account) = account(&gate, &caller)?;
    let of = accounts.directory_scopes(account.principal).await?.unwrap_or_default();
    make(accounts, account.principal, (caller.scopes(), of), wanted).await
}

pub(super) async fn create_for(
    State(gate): Shared,
    Path(principal): Path<String>,
    Body(wanted): Body<NewKey>,
) -> Result<Json<Value>, ApiError> {
    let accounts = accounts(&gate)?;
    let absent = || {
        let text = format!("Principal {principal} does not exist or insufficient permissions.");
        ApiError::not_found(text)
    };
    let id: Uuid = principal.parse().map_err(|_| absent())?;
    let of = accounts.directory_scopes(id).await?.ok_or_else(absent)?;
    make(accounts, id, (of, of), wanted).await
}

/// A key of a principal. Nobody hands on more than `has`, and what `has` is less than what the principal may do stays so.
async fn make(
    accounts: &Accounts,
    principal: Uuid,
    (has, principal_has): (Scopes, Scopes),
    wanted: NewKey,
) -> Result<Json<Value>, ApiError> {
    let NewKey { expires_in, scopes, note } = wanted;
    let scopes = allowed(scopes.as_deref(), has, principal_has)?;
    if note.as_ref().is_some_and(|note| note.chars().count() > NOTE) {
        return Err(ApiError::bad_request(format!("The note is longer than {NOTE} characters")));
    }
    if expires_in.is_some_and(|seconds| seconds <= 0) {
        return Err(ApiError::bad_request("expires_in must be positive"));
    }
    let now = now();
    let expires = expires_in.filter(|seconds| *seconds < LONGEST).map(|seconds| now + seconds);
    let made = accounts
        .change(|book| book.add_key(principal, scopes, note.clone(), (now, expires)))
        .await?
        .map_err(|error| ApiError::conflict(error.to_string()))?;
    let (key, secret) = made.ok_or_else(|| ApiError::not_found("The principal is gone"))?;
    let mut answer = described(&key, None);
    answer["secret"] = json!(secret.reveal());
    Ok(Json(answer))
}

/// The scopes of a new key; `None` for whatever its principal may do.
fn allowed(
    wanted: Option<&[String]>,
    has: Scopes,
    principal_has: Scopes,
) -> Result<Option<Scopes>, ApiError> {
    let wanted = wanted.unwrap_or_default();
    if wanted.is_empty() || wanted.iter().any(|name| name == INHERIT) {
        return Ok((has != principal_has).then_some(has));
    }
    let scopes: Result<Scopes, _> = wanted.iter().map(|name| name.parse::<Scope>()).collect();
    match scopes {
        Ok(scopes) if has.contains(scopes) => Ok(Some(scopes)),
        _ => {
            let names: Vec<_> = wanted.iter().map(|name| format!("'{name}'")).collect();
            Err(ApiError::bad_request(format!(
                "Requested scopes [{}] must be a subset of the allowed principal's scopes {has}.",
                names.join(", ")
            )))
        }
    }
}

pub(super) async fn info(State(gate): Shared, caller: Caller) -> Result<Json<Value>, ApiError> {
    let none = || {
        let text = "No API key was provided with this request.";
        ApiError::new(StatusCode::UNAUTHORIZED, text)
    };
    let account = caller.account().ok_or_else(none)?;
    let first_eight = account.key.as_deref().ok_or_else(none)?;
    let accounts = accounts(&gate)?;
    let known = accounts.book(FRESH).await?;
    let principal = known.kept.book.principal(account.principal).ok_or_else(none)?;
    let key = principal.api_keys.iter().find(|key| key.first_eight == first_eight);
    let key = key.ok_or_else(none)?;
    Ok(Json(described(key, accounts.used(first_eight))))
}

/// Which key.
#[derive(Deserialize)]
pub(super) struct Which {
    first_eight: String,
}

pub(super) async fn delete(
    State(gate): Shared,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Value>, ApiError> {
    let (accounts, account) = account(&gate, &caller)?;
    let first_eight = which.first_eight.as_str();
    match accounts.change(|book| book.delete_key(account.principal, first_eight)).await? {
        true => Ok(Json(json!({ "success": true, "msg": "" }))),
        false => Err(ApiError::not_found(
            "The currently-authenticated PrincipalType.user has no such API key.",
        )),
    }
}

/// A key on the wire, without its secret.
pub(super) fn described(key: &ApiKey, used: Option<i64>) -> Value {
    json!({
        "first_eight": key.first_eight,
        "expiration_time": key.expires.and_then(written),
        "note": key.note,
        "scopes": shown(key.scopes),
        "latest_activity": used.and_then(written),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_hands_on_more_than_there_is() {
        let has = Scopes::of(&[Scope::ReadStatus, Scope::UserApiKeys]);
        let all = has.and(Scope::WriteExecute.into());
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(allowed(None, all, all).unwrap(), None);
        assert_eq!(allowed(None, has, all).unwrap(), Some(has), "less stays less");
        let less = allowed(Some(&names(&["read:status"])), has, all).unwrap();
        assert_eq!(less, Some(Scope::ReadStatus.into()));
        for more in [names(&["write:execute"]), names(&["read:all"])] {
            let error = allowed(Some(&more), has, all).unwrap_err();
            assert_eq!(
                error.body()["detail"],
                format!(
                    "Requested scopes ['{}'] must be a subset of the allowed principal's scopes ['read:status', 'user:apikeys'].",
                    more[0]
                )
            );
        }
    }
}
