//! Logging in, refreshing and ending sessions.

use axum::Json;
use axum::extract::{Form, FromRequest, Path, Request, State};
use axum::http::Extensions;
use axum::http::{Method, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::body::RefreshToken;
use super::{Shared, account, accounts, elsewhere};
use crate::ApiError;
use crate::access::Caller;
use crate::access::accounts::FRESH;
use crate::access::gate::Asked;
use crate::access::login::Login;
use crate::access::refusal::Refusal;
use crate::access::scope::Scopes;
use crate::access::secret::Secret;
use crate::validation::Body;
use axum::response::{IntoResponse, Response};

/// The form of an OAuth2 password grant, as far as it is looked at.
#[derive(Deserialize)]
pub(super) struct Password {
    username: String,
    password: String,
}

pub(super) async fn log_in(
    State(gate): Shared,
    Path(provider): Path<String>,
    (method, uri, extensions): (Method, Uri, Extensions),
    request: Request,
) -> Result<Response, Response> {
    let known = gate.accounts().and_then(|accounts| {
        let provider = accounts.directory.providers.get(&provider)?;
        Some((accounts, provider))
    });
    let (accounts, known) =
        known.ok_or_else(|| ApiError::not_found("Not Found").into_response())?;
    if known.page().is_some() {
        let parts = (method, uri, extensions);
        return Ok(elsewhere::ask(&gate, &provider, &parts, request).await);
    }
    let form = Form::from_request(request, &()).await;
    let Form(Password { username, password }) = form.map_err(|_| {
        ApiError::unprocessable("A form with username and password is expected").into_response()
    })?;
    let asked = Asked::of(&extensions, (&method, &uri), None);
    let login = Login { provider, user: username, password: password.as_str().into() };
    let outcome = gate.log_in(accounts, &asked, login).await;
    let answer = outcome.map(|tokens| Json(tokens).into_response());
    answer.map_err(|refusal| refusal.answer(Scopes::default()))
}

pub(super) async fn refresh(
    State(gate): Shared,
    Body(RefreshToken(token)): Body<RefreshToken>,
) -> Result<Json<Value>, Response> {
    let accounts = accounts(&gate).map_err(IntoResponse::into_response)?;
    let outcome = accounts.refresh(&Secret::from(token.as_str())).await;
    outcome.map(Json).map_err(|refusal: Refusal| refusal.answer(Scopes::default()))
}

pub(super) async fn revoke(
    State(gate): Shared,
    caller: Caller,
    Path(session): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (accounts, account) = account(&gate, &caller)?;
    let absent = || ApiError::not_found(format!("No session {session}"));
    let id: Uuid = session.parse().map_err(|_| absent())?;
    let known = accounts.book(FRESH).await?;
    let (owner, _) = known.kept.book.any_session(id).ok_or_else(absent)?;
    if owner.uuid != account.principal {
        let text = "Sessions does not exist or requester has insufficient permissions";
        return Err(ApiError::not_found(text));
    }
    accounts.change(|book| book.revoke(id)).await?;
    Ok(Json(json!({ "success": true, "msg": "" })))
}
