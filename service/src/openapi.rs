//! `/openapi.json` and `/docs`, with the names that FastAPI would give.
//!
//! A pod declares its handlers with `#[utoipa::path]` and collects them with
//! `#[derive(OpenApi)]`; operation ids and the validation error answer are added here, so that
//! clients generated from the published files fit.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

/// Methods that a path item can have.
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// The interface in JSON, completed.
pub fn document(openapi: &OpenApi) -> Value {
    let mut document = serde_json::to_value(openapi).unwrap_or_default();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    for (path, item) in paths {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                complete(operation, path, method);
            }
        }
    }
    if document.pointer("/components/schemas").is_none() {
        document["components"]["schemas"] = json!({});
    }
    document["components"]["schemas"]["HTTPValidationError"] = json!({
        "type": "object",
        "title": "HTTPValidationError",
        "properties": { "detail": {
            "type": "array",
            "title": "Detail",
            "items": { "$ref": "#/components/schemas/ValidationError" },
        } },
    });
    document["components"]["schemas"]["ValidationError"] = json!({
        "type": "object",
        "title": "ValidationError",
        "required": ["loc", "msg", "type"],
        "properties": {
            "loc": {
                "type": "array",
                "title": "Location",
                "items": { "anyOf": [{ "type": "string" }, { "type": "integer" }] },
            },
            "msg": { "type": "string", "title": "Message" },
            "type": { "type": "string", "title": "Error Type" },
            "input": { "title": "Input" },
            "ctx": { "type": "object", "title": "Context" },
        },
    });
    document
}

/// `get_device` of `GET /api/v1/devices/{name}` becomes `get_device_api_v1_devices__name__get`.
fn complete(operation: &mut Value, path: &str, method: &str) {
    let function = operation["operationId"].as_str().unwrap_or_default();
    let id: String = format!("{function}{path}")
        .chars()
        .map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' })
        .collect();
    operation["operationId"] = json!(format!("{id}_{method}"));
    let takes_input =
        operation.get("parameters").is_some() || operation.get("requestBody").is_some();
    if !takes_input {
        return;
    }
    let invalid = json!({ "$ref": "#/components/schemas/HTTPValidationError" });
    match operation.pointer_mut("/responses/422/content/application~1json/schema") {
        // The same status for a refusal of its own.
        Some(schema) => *schema = json!({ "anyOf": [schema.take(), invalid] }),
        None => {
            operation["responses"]["422"] = json!({
                "description": "Validation Error",
                "content": { "application/json": { "schema": invalid } },
            });
        }
    }
}

const PAGE: &str = r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({ url: "openapi.json", dom_id: "#swagger-ui" });</script>
</body>
</html>
"##;

/// `/openapi.json`, `/docs` and the files of the viewer. Nothing is fetched from elsewhere.
pub(crate) fn routes(openapi: &OpenApi) -> Router {
    let document = Arc::new(document(openapi));
    let title = document.pointer("/info/title").and_then(Value::as_str).unwrap_or("API");
    let page = PAGE.replace("<title>API", &format!("<title>{title}"));
    let viewer = Arc::new(Config::from("/openapi.json"));
    Router::new()
        .route("/openapi.json", get(async move || Json(Value::clone(&document))))
        .route("/docs", get(async move || Html(page.clone())))
        .route("/docs/{file}", get(asset))
        .with_state(viewer)
}

async fn asset(State(viewer): State<Arc<Config<'static>>>, Path(file): Path<String>) -> Response {
    match utoipa_swagger_ui::serve(&file, viewer) {
        Ok(Some(file)) => {
            ([(header::CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response()
        }
        Ok(None) => crate::ApiError::not_found("Not Found").into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot read a file of the API viewer");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
