//! Requests to a running beamline: to its registry, direct control and queue server over HTTP, and
//! to its objects.

mod client;
mod cluster;
pub(crate) mod devices;
pub(crate) mod doctor;
pub(crate) mod engine;
pub(crate) mod environment;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod monitor;
mod objects;
mod output;
pub(crate) mod place;
pub(crate) mod plan;
mod profile;
pub(crate) mod queue;
mod road;
pub(crate) mod status;
mod subject;
pub(crate) mod value;

pub(crate) use self::output::{Format, Output, say};

use anyhow::bail;
use clap::Args;
use http::Method;
use serde_json::Value;

use self::client::Client;
use self::place::{Part, Place};

/// What was asked for cannot be asked for in this way: exit code 2, as for any wrong command line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Where the queue server is, and how to print what it answers.
#[derive(Clone, Debug, Args)]
pub(crate) struct QueueServer {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

impl QueueServer {
    async fn client(&self) -> anyhow::Result<QueueClient> {
        Ok(QueueClient { client: self.place.client(Part::Queue).await?, output: self.output })
    }
}

/// A client of the queue server.
struct QueueClient {
    client: Client,
    output: Output,
}

impl QueueClient {
    /// Asks the queue server. An answer with `success: false` is an error in the server's words.
    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let answer = self.client.ask(method, path, body).await?;
        if answer["success"] == Value::Bool(false) {
            bail!("{}", answer["msg"].as_str().unwrap_or("the queue server refused"));
        }
        Ok(answer)
    }

    /// Prints `answer` as JSON if that was asked for; else what `summary` makes of it.
    fn show(&self, answer: &Value, summary: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
        self.output.show(answer, summary)
    }
}

/// A word of the command line as JSON, or as text where it is none: `5`, `[1, 2]`, `det1`.
fn json_or_text(word: &str) -> Value {
    serde_json::from_str(word).unwrap_or_else(|_| Value::String(word.to_owned()))
}
