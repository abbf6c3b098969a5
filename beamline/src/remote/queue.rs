//! `beamline queue …`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use super::{QueueServer, Usage, json_or_text};

/// A request about the queue.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Add a plan: `queue add scan '["det"]' motor -1 1 num=11`.
    Add(AddArgs),
    /// Show the queue and the running item.
    List(QueueServer),
    /// Start the queue.
    Start(StartArgs),
    /// Stop the queue after the running item.
    Stop(QueueServer),
    /// Take back a stop that has not been reached.
    StopCancel(QueueServer),
    /// Remove one item.
    Remove {
        /// `item_uid` of the item.
        uid: String,
        #[command(flatten)]
        server: QueueServer,
    },
    /// Approve an item that must not run before.
    Approve {
        /// `item_uid` of the item.
        uid: String,
        #[command(flatten)]
        server: QueueServer,
    },
    /// Remove all items.
    Clear(QueueServer),
    /// Follow the queue until it is idle.
    Follow(QueueServer),
}

/// What to add.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Name of the plan.
    plan: String,
    /// Arguments: JSON, else text; `name=value` for keyword arguments.
    #[arg(allow_negative_numbers = true)]
    arguments: Vec<String>,
    /// Put it to the front instead of the back.
    #[arg(long)]
    front: bool,
    /// The queue stops before it until somebody has approved it.
    #[arg(long)]
    needs_approval: bool,
    #[command(flatten)]
    server: QueueServer,
}

/// How to start.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Follow the queue until it is idle.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    server: QueueServer,
}

pub(crate) async fn run(command: QueueCommand) -> anyhow::Result<()> {
    match command {
        QueueCommand::Add(args) => add(&args).await,
        QueueCommand::List(server) => list(&server).await,
        QueueCommand::Start(args) => start(&args).await,
        QueueCommand::Stop(server) => order(&server, "/api/queue/stop").await,
        QueueCommand::StopCancel(server) => order(&server, "/api/queue/stop/cancel").await,
        QueueCommand::Remove { uid, server } => remove(&uid, &server).await,
        QueueCommand::Approve { uid, server } => approve(&uid, &server).await,
        QueueCommand::Clear(server) => order(&server, "/api/queue/clear").await,
        QueueCommand::Follow(server) => follow::until_idle(&mut server.client().await?).await,
    }
}

async fn order(server: &QueueServer, path: &str) -> anyhow::Result<()> {
    let mut queue = server.client().await?;
    let answer = queue.ask(Method::POST, path, None).await?;
    queue.show(&answer, |_| "done".to_owned())
}

async fn remove(uid: &str, server: &QueueServer) -> anyhow::Result<()> {
    let mut queue = server.client().await?;
    let body = Some(json!({ "uid": uid }));
    let answer = queue.ask(Method::POST, "/api/queue/item/remove", body).await?;
    queue.show(&answer, |answer| format!("removed {}", line(&answer["item"])))
}

async fn approve(uid: &str, server: &QueueServer) -> anyhow::Result<()> {
    let mut queue = server.client().await?;
    let body = Some(json!({ "uid": uid }));
    let answer = queue.ask(Method::POST, "/api/queue/item/approve", body).await?;
    queue.show(&answer, |answer| format!("approved {}", line(&answer["item"])))
}

async fn add(args: &AddArgs) -> anyhow::Result<()> {
    let (positional, keywords) = arguments(&args.arguments)?;
    let mut item = json!({
        "item_type": "plan", "name": args.plan, "args": positional, "kwargs": keywords,
    });
    if args.needs_approval {
        item["approval"] = json!("Required");
    }
    let pos = if args.front { "front" } else { "back" };
    let body = Some(json!({ "item": item, "pos": pos }));
    let mut queue = args.server.client().await?;
    let answer = queue.ask(Method::POST, "/api/queue/item/add", body).await?;
    queue.show(&answer, |answer| {
        format!("added {}\n{} in the queue", line(&answer["item"]), answer["qsize"])
    })
}

/// Splits `["det"] motor -1 1 num=11` into positional and keyword arguments.
fn arguments(words: &[String]) -> anyhow::Result<(Vec<Value>, Map<String, Value>)> {
    let (mut positional, mut keywords) = (Vec::new(), Map::new());
    for word in words {
        match word.split_once('=') {
            Some((name, value)) if is_identifier(name) => {
                if keywords.insert(name.to_owned(), json_or_text(value)).is_some() {
                    return Err(Usage(format!("the keyword argument {name} is given twice")).into());
                }
            }
            _ => positional.push(json_or_text(word)),
        }
    }
    Ok((positional, keywords))
}

fn is_identifier(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

async fn list(server: &QueueServer) -> anyhow::Result<()> {
    let mut queue = server.client().await?;
    let answer = queue.ask(Method::GET, "/api/queue/get", None).await?;
    queue.show(&answer, |answer| {
        let mut lines = Vec::new();
        if answer["running_item"].get("name").is_some() {
            lines.push(format!("running  {}", line(&answer["running_item"])));
        }
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (position, item) in items.iter().enumerate() {
            let waits = item.get("approval").is_some() && item.get("approved").is_none();
            let waits = if waits { "  waits for approval" } else { "" };
            lines.push(format!("{position:>7}  {}{waits}", line(item)));
        }
        if lines.is_empty() { "the queue is empty".to_owned() } else { lines.join("\n") }
    })
}

/// An item in one line: `scan(["det"], "motor", -1, 1, num=11)  1a2b…`.
pub(super) fn line(item: &Value) -> String {
    let positional = item["args"].as_array().into_iter().flatten().map(ToString::to_string);
    let keywords = item["kwargs"].as_object().into_iter().flatten();
    let keywords = keywords.map(|(name, value)| format!("{name}={value}"));
    let arguments: Vec<String> = positional.chain(keywords).collect();
    let text = |key: &str| item[key].as_str().unwrap_or("?").to_owned();
    format!("{}({})  {}", text("name"), arguments.join(", "), text("item_uid"))
}

async fn start(args: &StartArgs) -> anyhow::Result<()> {
    order(&args.server, "/api/queue/start").await?;
    if args.follow { follow::until_idle(&mut args.server.client().await?).await } else { Ok(()) }
}

mod follow {
    //! Follows the queue: a line whenever the state changes, until the manager is idle.

    use std::time::Duration;

    use http::Method;
    use serde_json::Value;
    use tokio::time::sleep;

    use super::super::QueueClient;
    use super::line;
    use crate::remote::output::say;

    /// Pause between two looks at the status.
    const PAUSE: Duration = Duration::from_millis(200);

    pub(super) async fn until_idle(queue: &mut QueueClient) -> anyhow::Result<()> {
        let mut shown = Value::Null;
        let mut running = Value::Null;
        loop {
            let status = queue.ask(Method::GET, "/api/status", None).await?;
            if status["running_item_uid"] != running {
                running = status["running_item_uid"].clone();
                if !running.is_null() {
                    let items = queue.ask(Method::GET, "/api/queue/get", None).await?;
                    say(&format!("running  {}", line(&items["running_item"])))?;
                }
            }
            if status["manager_state"] != shown {
                shown = status["manager_state"].clone();
                say(&format!("manager  {}", shown.as_str().unwrap_or("?")))?;
            }
            if shown == "idle" || shown == "paused" {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_positional_and_keyword_arguments() {
        let words =
            ["[\"det\"]", "motor", "-1", "1.5", "num=11", "md={\"a\": 1}", "x=y z", "a-b=c"];
        let words: Vec<String> = words.map(str::to_owned).to_vec();
        let (positional, keywords) = arguments(&words).unwrap();
        assert_eq!(json!(positional), json!([["det"], "motor", -1, 1.5, "a-b=c"]));
        assert_eq!(json!(keywords), json!({"num": 11, "md": {"a": 1}, "x": "y z"}));
        assert!(arguments(&["n=1".into(), "n=2".into()]).is_err());
    }

    #[test]
    fn an_item_reads_like_a_call() {
        let item =
            json!({"name": "scan", "args": [["det"], "m"], "kwargs": {"num": 3}, "item_uid": "u"});
        assert_eq!(line(&item), "scan([\"det\"], \"m\", num=3)  u");
    }
}
