//! `beamline history`: what has been executed.

use clap::Args;
use http::Method;
use serde_json::Value;

use super::QueueServer;
use super::queue::line;

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Show only the newest items.
    #[arg(long, default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    server: QueueServer,
}

pub(crate) async fn run(args: &HistoryArgs) -> anyhow::Result<()> {
    let mut queue = args.server.client().await?;
    let answer = queue.ask(Method::GET, "/api/history/get", None).await?;
    queue.show(&answer, |answer| {
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let newest = &items[items.len().saturating_sub(args.limit)..];
        if newest.is_empty() {
            return "nothing has been executed".to_owned();
        }
        newest.iter().map(entry).collect::<Vec<_>>().join("\n")
    })
}

/// An item, how it ended, and its runs or the reason.
fn entry(item: &Value) -> String {
    let result = &item["result"];
    let mut text = format!("{:<10} {}", result["exit_status"].as_str().unwrap_or("?"), line(item));
    for uid in result["run_uids"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text.push_str(&format!("\n           run {uid}"));
    }
    if let Some(message) = result["msg"].as_str().filter(|message| !message.is_empty()) {
        text.push_str(&format!("\n           {message}"));
    }
    text
}
