//! Requests to one part of a beamline, and sockets of it, over whichever road leads there.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::task::AbortOnDropHandle;

use super::place::Part;
use super::road::{self, Road, Trouble};

/// How long one answer may take when the request does not say.
pub(super) const ANSWER: Duration = Duration::from_secs(60);

/// A socket of a part.
pub(super) type Socket = WebSocketStream<Box<dyn road::Bytes>>;

/// A client of one part.
pub(crate) struct Client {
    part: Part,
    road: Road,
    /// What it shows of itself.
    authorization: Option<HeaderValue>,
    /// The connection of the last request, for the next one.
    open: Option<Open>,
}

/// What is asked, and how long the answer may take.
struct Question<'a> {
    method: Method,
    path: &'a str,
    body: Option<Value>,
    limit: Duration,
}

/// A connection that speaks HTTP.
struct Open {
    requests: SendRequest<Full<Bytes>>,
    trouble: Trouble,
    /// Moves the bytes.
    _driver: AbortOnDropHandle<()>,
}

impl Client {
    /// A client that has asked nothing yet.
    pub(super) fn new(part: Part, road: Road, authorization: Option<HeaderValue>) -> Self {
        Self { part, road, authorization, open: None }
    }

    /// One request.
    ///
    /// # Errors
    /// What the server says, or that it does not answer.
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        self.ask_within(ANSWER, method, path, body).await
    }

    /// One request whose answer may take `limit`.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub(crate) async fn ask_within(
        &mut self,
        limit: Duration,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let (status, value) = self.exchange(&Question { method, path, body, limit }).await?;
        if status.is_success() {
            return Ok(value);
        }
        match &value["detail"] {
            Value::String(detail) => bail!("{detail}"),
            Value::Null => bail!("{} answered {path} with {status}: {value}", self.part.name()),
            detail => bail!("{} answered {path} with {status}: {detail}", self.part.name()),
        }
    }

    /// The status and the JSON of an answer, whatever the status is.
    ///
    /// # Errors
    /// When there is no answer, or none in JSON.
    pub(super) async fn look(&mut self, path: &str) -> anyhow::Result<(StatusCode, Value)> {
        let get = Question { method: Method::GET, path, body: None, limit: ANSWER };
        self.exchange(&get).await
    }

    async fn exchange(&mut self, question: &Question<'_>) -> anyhow::Result<(StatusCode, Value)> {
        let (status, text) = self.request(question).await?;
        let (part, path) = (self.part.name(), question.path);
        let value = serde_json::from_slice(&text)
            .with_context(|| format!("{part} answered {path} with {status}, not in JSON"))?;
        Ok((status, value))
    }

    async fn request(&mut self, question: &Question<'_>) -> anyhow::Result<(StatusCode, Bytes)> {
        let kept = self.open.is_some();
        let answered = self.attempt(question).await;
        // The server may have closed a connection that was kept, or its pod may be another one now.
        if answered.is_err() && kept && question.method == Method::GET {
            return self.attempt(question).await;
        }
        answered
    }

    async fn attempt(&mut self, question: &Question<'_>) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = self.build(question)?;
        let mut open = match self.open.take().filter(|open| !open.requests.is_closed()) {
            Some(open) => open,
            None => self.connect().await?,
        };
        let exchange = async {
            open.requests.ready().await?;
            let answer = open.requests.send_request(request).await?;
            let status = answer.status();
            Ok::<_, hyper::Error>((status, answer.into_body().collect().await?.to_bytes()))
        };
        let limit = question.limit;
        match timeout(limit, exchange).await {
            Ok(Ok(answer)) => {
                self.open = Some(open);
                Ok(answer)
            }
            Ok(Err(error)) => match open.trouble.tell().await {
                Some(reason) => Err(anyhow!("{} cannot be reached: {reason}", self.part.name())),
                None => Err(anyhow!(error)
                    .context(format!("the connection to {} broke off", self.part.name()))),
            },
            Err(_) => {
                Err(anyhow!("{} did not answer within {} s", self.part.name(), limit.as_secs()))
            }
        }
    }

    fn build(&self, question: &Question<'_>) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(&question.method)
            .uri(format!("{}{}", self.road.prefix(), question.path))
            .header(header::HOST, self.road.host());
        if let Some(shown) = &self.authorization {
            request = request.header(header::AUTHORIZATION, shown);
        }
        let bytes = match &question.body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        Ok(request.body(Full::new(bytes))?)
    }

    async fn connect(&self) -> anyhow::Result<Open> {
        let (bytes, trouble) = self.road.open().await?.split();
        let (requests, connection) = http1::handshake(TokioIo::new(bytes)).await?;
        // How the connection ends is told to the request that is under way.
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Open { requests, trouble, _driver: AbortOnDropHandle::new(driver) })
    }

    /// Opens the socket at `path`.
    ///
    /// # Errors
    /// When the server does not answer, or does not open it.
    pub(super) async fn socket(&self, path: &str) -> anyhow::Result<Socket> {
        let address = format!("ws://{}{}{path}", self.road.host(), self.road.prefix());
        let mut request = address.as_str().into_client_request()?;
        if let Some(shown) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, shown.clone());
        }
        let (bytes, mut trouble) = self.road.open().await?.split();
        let opened = timeout(ANSWER, tokio_tungstenite::client_async(request, bytes)).await;
        match opened {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => match trouble.tell().await {
                Some(reason) => Err(anyhow!("{} cannot be reached: {reason}", self.part.name())),
                None => Err(anyhow!(error)
                    .context(format!("{} opens no socket at {path}", self.part.name()))),
            },
            Err(_) => bail!("{} did not open a socket in time", self.part.name()),
        }
    }
}

/// A name as one segment of a path.
pub(super) fn segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
