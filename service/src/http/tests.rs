use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use utoipa::OpenApi as _;

use super::*;
use crate::settings::JsonList;
use crate::validation;

struct Report {
    message: Option<String>,
}

impl validation::Model for Report {
    const FORBID_EXTRA: bool = true;

    fn read(fields: &mut validation::Fields<'_, '_>) -> Option<Self> {
        let message = fields.nullable("message", validation::kinds::string);
        Some(Self { message: message? })
    }
}

/// Reads a thing.
#[utoipa::path(get, path = "/api/v1/things/{name}", params(("name" = String, Path)))]
async fn get_thing(Path(name): Path<String>) -> Json<Value> {
    Json(json!({ "name": name }))
}

async fn report(
    validation::Body(report): validation::Body<Report>,
) -> Result<Json<Value>, ApiError> {
    match report.message.as_deref() {
        Some("panic") => panic!("as asked"),
        Some("store") => Err(ApiError::unavailable("store unreachable").caused_by("secret")),
        message => Ok(Json(json!(message))),
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(get_thing), info(title = "Things", version = "1.0.0"))]
struct Interface;

fn service(cors: Cors) -> Router {
    let routes = Router::new()
        .route("/api/v1/things", get(|| async { "[]" }).post(report))
        .route("/api/v1/things/{name}", get(get_thing));
    finish(
        routes,
        ServiceInfo {
            name: "things",
            openapi: Interface::openapi(),
            pages: Pages::of("THINGS_CORS_ORIGINS", Some(&JsonList(cors.origins.clone()))),
            cors,
            body_limit: 64,
        },
    )
}

async fn send(request: axum::http::request::Builder, body: &str) -> (StatusCode, Response) {
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = service(Cors::default()).oneshot(request).await.unwrap();
    (response.status(), response)
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn header_of<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let (status, response) = send(Request::get("/nope"), "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(header_of(&response, "vary").unwrap().eq_ignore_ascii_case("origin"));
    assert_eq!(text(response).await, r#"{"detail":"Not Found"}"#);
}

#[tokio::test]
async fn a_wrong_method_lists_the_right_ones() {
    let (status, response) = send(Request::delete("/api/v1/things"), "").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header_of(&response, "allow"), Some("GET, POST"));
    assert_eq!(text(response).await, r#"{"detail":"Method Not Allowed"}"#);
    for method in [Method::HEAD, Method::OPTIONS] {
        let request = Request::builder().method(method).uri("/api/v1/things/a");
        let (status, response) = send(request, "").await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header_of(&response, "allow"), Some("GET"));
    }
}

#[tokio::test]
async fn a_trailing_slash_is_redirected_where_the_path_exists_without() {
    let request = Request::get("/api/v1/things/?a=1").header("host", "lab:8004");
    let (status, response) = send(request, "").await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(header_of(&response, "location"), Some("http://lab:8004/api/v1/things?a=1"));
    let (status, _) = send(Request::get("/nope/"), "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn bodies_are_refused_as_pydantic_does() {
    let post = || Request::post("/api/v1/things");
    let (status, response) = send(post().header("content-type", "application/json"), "{x").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        text(response).await,
        r#"{"detail":[{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},"ctx":{"error":"Expecting property name enclosed in double quotes"}}]}"#
    );
    let (_, response) = send(post(), "{}").await;
    assert_eq!(
        text(response).await,
        r#"{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":"{}"}]}"#
    );
    let (_, response) = send(post(), "").await;
    assert_eq!(
        text(response).await,
        r#"{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}"#
    );
    let long = format!("{{\"message\":\"{}\"}}", "x".repeat(100));
    let (status, response) = send(post().header("content-type", "application/json"), &long).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(text(response).await, r#"{"detail":"Request body too large"}"#);
}

#[tokio::test]
async fn a_panic_is_a_plain_500_and_causes_stay_inside() {
    let post = || Request::post("/api/v1/things").header("content-type", "application/json");
    let (status, response) = send(post(), r#"{"message":"panic"}"#).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(header_of(&response, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(header_of(&response, "vary"), None);
    assert_eq!(text(response).await, "Internal Server Error");
    let (status, response) = send(post(), r#"{"message":"store"}"#).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(response).await, r#"{"detail":"store unreachable"}"#);
}

#[tokio::test]
async fn browsers_are_answered_by_the_cors_settings() {
    let (_, response) = send(Request::get("/api/v1/things").header("origin", "http://a"), "").await;
    assert_eq!(header_of(&response, "access-control-allow-origin"), Some("*"));
    let preflight = Request::options("/api/v1/things")
        .header("origin", "http://a")
        .header("access-control-request-method", "POST");
    let (status, response) = send(preflight, "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        header_of(&response, "access-control-allow-methods").map(|v| v.replace(',', ", ")),
        Some("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY".to_owned())
    );
    assert_eq!(header_of(&response, "access-control-max-age"), Some("600"));
    assert_eq!(text(response).await, "OK");

    let listed =
        Cors { origins: vec!["http://a".to_owned()], allow_credentials: true, mirror: false };
    for (origin, answer) in [("http://a", Some("http://a")), ("http://localhost", None)] {
        let request = Request::get("/api/v1/things").header("origin", origin);
        let request = request.body(Body::empty()).unwrap();
        let response = service(listed.clone()).oneshot(request).await.unwrap();
        assert_eq!(header_of(&response, "access-control-allow-origin"), answer);
    }
}

#[tokio::test]
async fn the_interface_is_described_and_can_be_browsed() {
    let (_, response) = send(Request::get("/openapi.json"), "").await;
    let document: Value = serde_json::from_str(&text(response).await).unwrap();
    let operation = &document["paths"]["/api/v1/things/{name}"]["get"];
    assert_eq!(operation["operationId"], "get_thing_api_v1_things__name__get");
    assert!(operation["responses"]["422"].is_object());
    let (status, response) = send(Request::get("/docs"), "").await;
    assert_eq!(status, StatusCode::OK);
    let page = text(response).await;
    assert!(page.contains("<title>Things"));
    for file in ["/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"] {
        assert!(page.contains(&file[1..]));
        assert_eq!(send(Request::get(file), "").await.0, StatusCode::OK);
    }
    assert_eq!(send(Request::get("/docs/nope.js"), "").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_process_that_answers_lives() {
    let (status, response) = send(Request::get("/livez"), "").await;
    assert_eq!((status, text(response).await.as_str()), (StatusCode::OK, r#"{"status":"alive"}"#));
}

#[tokio::test]
async fn requests_are_counted_by_route_and_service() {
    metrics::install().unwrap();
    metrics::install().unwrap();
    send(Request::get("/api/v1/things/some"), "").await;
    let (_, response) = send(Request::get("/metrics"), "").await;
    let metrics = text(response).await;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("http_requests_total") && line.contains("{name}"))
        .unwrap();
    assert!(line.contains(r#"service="things""#) && line.contains(r#"status="200""#), "{line}");
    assert!(!metrics.contains("/api/v1/things/some"));
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let first = Listener::bind("127.0.0.1:0", "registry").await.unwrap();
    let addr = first.addr();
    let error = Listener::bind(&addr.to_string(), "control").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("control cannot listen on {addr}: address already in use")
    );
}

#[tokio::test]
async fn shutdown_lets_a_running_request_finish_and_then_frees_the_port() {
    let (started, mut running) = tokio::sync::mpsc::channel::<()>(1);
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let release = std::sync::Arc::clone(&gate);
    let slow = get(move || async move {
        started.send(()).await.ok();
        gate.notified().await;
        "done"
    });
    let listener = Listener::bind("127.0.0.1:0", "test").await.unwrap();
    let addr = listener.addr();
    let shutdown = CancellationToken::new();
    let server =
        tokio::spawn(serve(listener, Router::new().route("/slow", slow), shutdown.clone()));
    let client = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let request = b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    });
    running.recv().await.unwrap();
    shutdown.cancel();
    release.notify_one();
    assert!(client.await.unwrap().ends_with("done"));
    server.await.unwrap().unwrap();
    Listener::bind(&addr.to_string(), "test").await.unwrap();
}
