//! Parameters of a request: a JSON object in the body, for GET too.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};
use service::ApiError;
use service::validation::{Problem, Problems, parse_json};

use crate::python;

/// The object in the body, `None` when the body is empty.
#[derive(Debug)]
pub(super) struct Params(pub(super) Option<Map<String, Value>>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| ApiError::new(rejection.status(), rejection.body_text()))?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        match parse_json(&bytes)? {
            Value::Object(params) => Ok(Self(Some(params))),
            Value::Null => Ok(Self(None)),
            other => Err(problem("dict_type", "Input should be a valid dictionary", other)),
        }
    }
}

impl Params {
    /// The parameters of a route that wants a body.
    pub(super) fn required(self) -> Result<Map<String, Value>, ApiError> {
        self.0.ok_or_else(|| problem("missing", "Field required", Value::Null))
    }
}

/// The parameters, when there is no other than that one.
pub(super) fn only(params: Map<String, Value>, key: &str) -> Result<Map<String, Value>, ApiError> {
    let strange: Vec<_> =
        params.keys().filter(|name| *name != key).map(|name| python::repr_str(name)).collect();
    match strange.is_empty() {
        true => Ok(params),
        false => Err(ApiError::bad_request(format!(
            "Request contains keys the are not supported: {{{}}}.",
            strange.join(", ")
        ))),
    }
}

fn problem(kind: &'static str, msg: &str, input: Value) -> ApiError {
    let loc = vec!["body".into()];
    Problems::from(Problem { kind, loc, msg: msg.to_owned(), input, ctx: None }).into()
}
