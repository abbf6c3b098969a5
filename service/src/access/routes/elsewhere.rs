//! Logging in at a provider with a page of its own: browsers are sent there and come back, devices wait.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, FromRequest, Path, Query, Request, State};
use axum::http::{Extensions, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::Shared;
use crate::ApiError;
use crate::access::gate::{Asked, Gate};
use crate::access::login_elsewhere::{Elsewhere, LoggedIn, Returned};
use crate::access::oidc::devices::LIFETIME;
use crate::access::oidc::page;
use crate::access::oidc::ticket::Purpose;
use crate::access::refusal::Refusal;
use crate::access::scope::Scopes;

/// Seconds that a device lets pass before it asks again.
const INTERVAL_S: u32 = 5;
/// The grant of a device (RFC 8628 §3.4).
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

type Parts = (Method, Uri, Extensions);

/// The provider of that name, if it has a page.
fn elsewhere<'a>(gate: &'a Gate, name: &'a str) -> Option<Elsewhere<'a>> {
    let accounts = gate.accounts()?;
    let oidc = accounts.directory.providers.get(name)?.page()?;
    Some(Elsewhere { accounts, name, oidc })
}

fn absent() -> Response {
    ApiError::not_found("Not Found").into_response()
}

fn asked((method, uri, extensions): &Parts) -> Asked {
    // A login is worth a line, also one that a browser asks for with GET.
    Asked { changes: true, ..Asked::of(extensions, (method, uri), None) }
}

fn refused(refusal: &Refusal) -> Response {
    refusal.answer(Scopes::default())
}

async fn redirect(gate: &Gate, name: &str, purpose: Purpose) -> Result<Response, Response> {
    let to = elsewhere(gate, name)
        .ok_or_else(absent)?
        .begin(purpose)
        .await
        .map_err(|refusal| refused(&refusal))?;
    Ok(unkept(Redirect::to(to.as_str())))
}

/// An answer that nobody keeps.
fn unkept(answer: impl IntoResponse) -> Response {
    let mut answer = answer.into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A browser that wants a refresh token.
pub(super) async fn authorize(
    State(gate): Shared,
    Path(name): Path<String>,
) -> Result<Response, Response> {
    redirect(&gate, &name, Purpose::Token).await
}

/// A browser whose user is going to type the code of a device.
pub(super) async fn authorize_for_device(
    State(gate): Shared,
    Path(name): Path<String>,
) -> Result<Response, Response> {
    redirect(&gate, &name, Purpose::Device).await
}

/// A device begins to wait.
pub(super) async fn wait(
    State(gate): Shared,
    Path(name): Path<String>,
    parts: Parts,
) -> Result<Response, Response> {
    let elsewhere = elsewhere(&gate, &name).ok_or_else(absent)?;
    let codes = gate.wait_for_login(elsewhere, &asked(&parts));
    let codes = codes.map_err(|refusal| refused(&refusal))?;
    Ok(unkept(Json(json!({
        "authorization_uri": elsewhere.oidc.route("device_code").as_str(),
        "verification_uri": elsewhere.oidc.route("token").as_str(),
        "interval": INTERVAL_S,
        "device_code": codes.device_code.reveal(),
        "expires_in": LIFETIME.as_secs(),
        "user_code": codes.user_code,
    }))))
}

/// What a provider sends a browser back with.
#[derive(Deserialize)]
pub(super) struct FromProvider {
    code: Option<String>,
    state: Option<String>,
}

/// A browser comes back.
pub(super) async fn come_back(
    State(gate): Shared,
    Path(name): Path<String>,
    query: Result<Query<FromProvider>, QueryRejection>,
    parts: Parts,
) -> Result<Response, Response> {
    let elsewhere = elsewhere(&gate, &name).ok_or_else(absent)?;
    let Query(FromProvider { code, state }) = query.map_err(|_| {
        ApiError::unprocessable("A query with code and state is expected").into_response()
    })?;
    let outcome = gate.come_back(elsewhere, &asked(&parts), Returned { code, state }).await;
    Ok(match outcome.map_err(|refusal| refused(&refusal))? {
        // As upstream: the one that is pasted into a client.
        LoggedIn::Tokens(tokens) => unkept(Json(&tokens["refresh_token"])),
        LoggedIn::TypesCode { user, approval } => page::ask_for_code(&user, &approval),
    })
}

/// The form of the page that asks for the code of a device.
#[derive(Deserialize)]
pub(super) struct Typed {
    approval: String,
    user_code: String,
}

/// Somebody has typed the code of a device.
pub(super) async fn approve(
    State(gate): Shared,
    Path(name): Path<String>,
    parts: Parts,
    form: Result<Form<Typed>, FormRejection>,
) -> Result<Response, Response> {
    let elsewhere = elsewhere(&gate, &name).ok_or_else(absent)?;
    let Form(Typed { approval, user_code }) = form.map_err(|_| {
        ApiError::unprocessable("A form with approval and user_code is expected").into_response()
    })?;
    let outcome = gate.approve(elsewhere, &asked(&parts), (&approval, &user_code)).await;
    Ok(match outcome {
        Ok(user) => page::say(StatusCode::OK, &elsewhere.oidc.confirmation(&user)),
        Err(Refusal::Elsewhere) => page::say(
            StatusCode::UNAUTHORIZED,
            "No program waits with that code, or the login took too long. Go back and try again.",
        ),
        Err(refusal) => page::say(refusal.status(), &refusal.to_string()),
    })
}

/// What a device asks with.
#[derive(Deserialize)]
struct DeviceRequest {
    device_code: String,
    grant_type: Option<String>,
}

/// A device asks whether somebody has logged in for it.
pub(super) async fn ask(gate: &Gate, name: &str, parts: &Parts, body: Request<Body>) -> Response {
    let Some(DeviceRequest { device_code, grant_type }) = device_request(body).await else {
        return error("invalid_request");
    };
    if grant_type.is_some_and(|grant| grant != DEVICE_GRANT) {
        return error("unsupported_grant_type");
    }
    let Some(elsewhere) = elsewhere(gate, name) else { return absent() };
    match gate.ask_for_device(elsewhere, &asked(parts), &device_code.as_str().into()).await {
        Ok(Some(tokens)) => unkept(Json(tokens)),
        Ok(None) => error("authorization_pending"),
        // It cannot be told from one that was never given out: both are worth nothing.
        Err(Refusal::Elsewhere) => error("expired_token"),
        Err(refusal) => refused(&refusal),
    }
}

async fn device_request(request: Request<Body>) -> Option<DeviceRequest> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_form = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form"));
    match is_form {
        true => Form::from_request(request, &()).await.ok().map(|Form(read)| read),
        false => Json::from_request(request, &()).await.ok().map(|Json(read)| read),
    }
}

/// An error as RFC 8628 §3.5 has it, and where clients of tiled look for it.
fn error(name: &str) -> Response {
    let body = json!({ "error": name, "detail": { "error": name } });
    (StatusCode::BAD_REQUEST, unkept(Json(body))).into_response()
}
