//! Where Starlette's routing differs from axum's: HEAD, plain OPTIONS, trailing slashes, and the
//! wording of preflight answers.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tower::{Service, ServiceExt};

use super::REQUEST_METHOD;

/// A method that no route has: asking with it tells whether a path exists without running anything.
const PROBE: &str = "PROBE";
/// What a preflight answer depends on.
const PREFLIGHT_VARY: &str = "Origin, Access-Control-Request-Method, \
                              Access-Control-Request-Headers, \
                              Access-Control-Request-Private-Network";

/// Routes a request; a path that exists only without its trailing slash is redirected there.
pub(super) async fn dispatch(routes: Router, mut request: Request) -> Response {
    // axum answers HEAD from GET and has no rule for OPTIONS; the Python services refuse both.
    if matches!(*request.method(), Method::HEAD | Method::OPTIONS) {
        *request.method_mut() = probe();
    }
    let redirect = without_slash(request.uri(), request.headers());
    let response = call(routes.clone(), request).await;
    match redirect {
        Some((path, location)) if response.status() == StatusCode::NOT_FOUND => {
            let mut question = Request::new(Body::empty());
            *question.method_mut() = probe();
            *question.uri_mut() = path;
            let answer = call(routes, question).await;
            if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
                return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)])
                    .into_response();
            }
            response
        }
        _ => listing_methods(response),
    }
}

fn probe() -> Method {
    Method::from_bytes(PROBE.as_bytes()).unwrap_or(Method::TRACE)
}

async fn call(routes: Router, request: Request) -> Response {
    match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The path without its trailing slash, and the same as an absolute URL.
fn without_slash(uri: &Uri, headers: &HeaderMap) -> Option<(Uri, HeaderValue)> {
    let path = uri.path();
    let shorter = path.trim_end_matches('/');
    if shorter.is_empty() || shorter.len() == path.len() {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let location = match host {
        Some(host) => format!("http://{host}{shorter}{query}"),
        None => format!("{shorter}{query}"),
    };
    Some((shorter.parse().ok()?, HeaderValue::from_str(&location).ok()?))
}

/// axum writes `GET,HEAD`; HEAD is refused, so it must not be listed.
fn listing_methods(mut response: Response) -> Response {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Some(allow) = response.headers().get(header::ALLOW).and_then(|v| v.to_str().ok())
    {
        let methods: Vec<&str> = allow.split(',').filter(|method| *method != "HEAD").collect();
        if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    response
}

/// Outside the CORS layer: keeps plain OPTIONS requests away from it, words its preflight answers,
/// and leaves HEAD answers without a body.
pub(super) async fn starlette_edges<S>(
    inside: S,
    mut request: Request,
) -> Result<Response, Infallible>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    let head = request.method() == Method::HEAD;
    let options = request.method() == Method::OPTIONS;
    let preflight = options
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(REQUEST_METHOD);
    if options && !preflight {
        *request.method_mut() = probe();
    }
    let mut response = inside.oneshot(request).await?;
    if head {
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if preflight {
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static(PREFLIGHT_VARY));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from("OK");
    }
    Ok(response)
}
