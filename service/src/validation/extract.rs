//! Extractors: a body or a query, read as a [`Model`].

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use super::{Model, Problem, Problems, json, read, read_at};
use crate::error::ApiError;

/// A JSON request body of the model `M`.
#[derive(Clone, Copy, Debug)]
pub struct Body<M>(pub M);

/// A JSON request body of the model `M`; an empty body and `null` are `None`.
#[derive(Clone, Copy, Debug)]
pub struct OptionalBody<M>(pub Option<M>);

/// The query of the model `M`. Every value is text, and of a repeated name the last one counts.
#[derive(Clone, Copy, Debug)]
pub struct Query<M>(pub M);

impl<M: Model, S: Send + Sync> FromRequest<S> for Body<M> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let Some(body) = body(request, state).await? else {
            return Err(Problems::from(Problem {
                kind: "missing",
                loc: vec!["body".into()],
                msg: "Field required".to_owned(),
                input: Value::Null,
                ctx: None,
            })
            .into());
        };
        Ok(Self(read(&body)?))
    }
}

impl<M: Model, S: Send + Sync> FromRequest<S> for OptionalBody<M> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        match body(request, state).await? {
            None | Some(Value::Null) => Ok(Self(None)),
            Some(body) => Ok(Self(Some(read(&body)?))),
        }
    }
}

impl<M: Model, S: Send + Sync> FromRequestParts<S> for Query<M> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let axum::extract::Query(pairs) =
            axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
                .map_err(|error| ApiError::bad_request(error.body_text()))?;
        let members: Map<String, Value> =
            pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        Ok(Self(read_at("query", &Value::Object(members), true)?))
    }
}

/// The body as JSON, or as one string where the client did not say that it is JSON. `None` when
/// there is no body.
async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Option<Value>, ApiError> {
    let is_json = is_json(request.headers());
    let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
        let detail = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "Request body too large".to_owned(),
            _ => rejection.body_text(),
        };
        ApiError::new(rejection.status(), detail)
    })?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if !is_json {
        return Ok(Some(Value::String(String::from_utf8_lossy(&bytes).into_owned())));
    }
    Ok(Some(json::parse(&bytes)?))
}

/// `application/json`, or any other type built on it.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}
