//! Requests to a running beamline: the queue server and direct control, over HTTP.

pub(crate) mod engine;
pub(crate) mod environment;
pub(crate) mod history;
pub(crate) mod pv;
pub(crate) mod queue;

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Method;
use serde_json::Value;

/// How long one answer may take. A motor move that is waited for has its own limit on the server.
const ANSWER: Duration = Duration::from_secs(60);

/// Where the queue server is.
#[derive(Clone, Debug, Args)]
pub(crate) struct QueueUrl {
    /// Address of the queue server.
    #[arg(long = "url", env = "BEAMLINE_QUEUE_URL", default_value = "http://127.0.0.1:60610")]
    url: String,
    /// Print the server's answer as JSON.
    #[arg(long)]
    json: bool,
}

impl QueueUrl {
    /// Asks the queue server. An answer with `success: false` is an error in the server's words.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let answer = ask(&self.url, method, path, body).await?;
        if answer["success"] == Value::Bool(false) {
            bail!("{}", answer["msg"].as_str().unwrap_or("the queue server refused"));
        }
        Ok(answer)
    }

    /// Prints `answer` as JSON if that was asked for; else what `summary` makes of it.
    fn show(&self, answer: &Value, summary: impl FnOnce(&Value) -> String) {
        if self.json {
            println!("{answer:#}");
        } else {
            println!("{}", summary(answer));
        }
    }
}

/// One request; errors of the server come as its `detail`.
async fn ask(url: &str, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
    let http = reqwest::Client::builder().timeout(ANSWER).no_proxy().build()?;
    let address = format!("{}{path}", url.trim_end_matches('/'));
    let mut request = http.request(method, &address);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request
        .send()
        .await
        .with_context(|| format!("nothing answers at {url}: is the beamline up?"))?;
    let status = answer.status();
    let text = answer.text().await.context("the answer broke off")?;
    let value: Value = serde_json::from_str(&text)
        .with_context(|| format!("{address} answered {status}, not in JSON"))?;
    if !status.is_success() {
        match &value["detail"] {
            Value::String(detail) => bail!("{detail}"),
            detail => bail!("{address} answered {status}: {detail}"),
        }
    }
    Ok(value)
}

/// A word of the command line as JSON, or as text where it is none: `5`, `[1, 2]`, `det1`.
fn json_or_text(word: &str) -> Value {
    serde_json::from_str(word).unwrap_or_else(|_| Value::String(word.to_owned()))
}
