//! Asking other servers over HTTP: not for ever, and not for more than fits.

use std::time::Duration;

use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

/// For a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// For a whole answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Largest answer. Key sets and tokens take a few kilobytes, everybody of a facility some hundreds.
const BODY: usize = 1 << 20;

/// A server has no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("{0} does not answer in time")]
    Late(String),
    #[error("{0} cannot be reached")]
    Unreachable(String, #[source] hyper_util::client::legacy::Error),
    #[error("the answer of {0} breaks off, or is too large")]
    Body(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{0} answers {1}")]
    Status(String, StatusCode),
    #[error("{0} answers with something else than the JSON that is expected")]
    Content(String),
    #[error("{0} is not an address that can be asked")]
    Address(String),
}

/// Asks. Redirects are not followed, connections not kept.
#[derive(Clone, Debug)]
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Http {
    pub(super) fn new(tls: &ClientConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self(client)
    }

    /// A JSON document.
    pub(super) async fn document(&self, url: &Url) -> Result<Value, NoAnswer> {
        let request = request(Method::GET, url);
        let request =
            request.body(Full::default()).map_err(|_| NoAnswer::Address(url.to_string()))?;
        match self.ask(url, request).await? {
            (StatusCode::OK, Some(document)) => Ok(document),
            (StatusCode::OK, None) => Err(NoAnswer::Content(url.to_string())),
            (status, _) => Err(NoAnswer::Status(url.to_string(), status)),
        }
    }

    /// What is answered to a form: its status, and its body if that is JSON.
    pub(super) async fn form(
        &self,
        url: &Url,
        fields: &[(&str, &str)],
        authorization: Option<HeaderValue>,
    ) -> Result<(StatusCode, Option<Value>), NoAnswer> {
        let form =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = request(Method::POST, url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(form.into()).map_err(|_| NoAnswer::Address(url.to_string()))?;
        self.ask(url, request).await
    }

    async fn ask(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Option<Value>), NoAnswer> {
        let answer = async {
            let answer = self.0.request(request).await;
            let answer = answer.map_err(|error| NoAnswer::Unreachable(url.to_string(), error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), BODY).collect().await;
            let body = body.map_err(|error| NoAnswer::Body(url.to_string(), error))?.to_bytes();
            Ok((status, serde_json::from_slice(&body).ok()))
        };
        timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(NoAnswer::Late(url.to_string())))
    }
}

fn request(method: Method, url: &Url) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("beamline/", env!("CARGO_PKG_VERSION")))
}
