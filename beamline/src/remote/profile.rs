//! `beamline env diff|sync|reload`: the devices of the profile beside those of the registry, and its git checkout.

use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::QueueServer;
use super::output::{plain, table};

/// Longest wait for a checkout that is pulled, and for the end of the environment.
const RELOAD: Duration = Duration::from_secs(300);

/// Which devices the registry is to have from the profile.
#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// Devices to create, change or switch on.
    devices: Vec<String>,
    /// Create and change whatever differs, and delete what the profile does not make.
    #[arg(long, conflicts_with = "devices")]
    all: bool,
    #[command(flatten)]
    server: QueueServer,
}

pub(super) async fn diff(server: &QueueServer) -> anyhow::Result<()> {
    let mut queue = server.client().await?;
    let answer = queue.ask(Method::GET, "/api/devices/diff_against_profile", None).await?;
    queue.show(&answer, |answer| difference(&answer["diff"]))
}

pub(super) async fn sync(args: &SyncArgs) -> anyhow::Result<()> {
    let wish = match (args.all, args.devices.is_empty()) {
        (true, _) => json!({ "strategy": "all" }),
        (false, true) => json!({ "strategy": "additions_only" }),
        (false, false) => json!({ "strategy": "selected", "devices": args.devices }),
    };
    let mut queue = args.server.client().await?;
    let answer = queue.ask(Method::POST, "/api/devices/sync_from_profile", Some(wish)).await?;
    queue.show(&answer, |answer| {
        let applied = &answer["applied"];
        let (stored, deleted) = (names(&applied["upserted"]), names(&applied["deleted"]));
        let left = difference(&answer["diff_after"]);
        format!("created or changed: {stored}\ndeleted: {deleted}\n\n{left}")
    })
}

pub(super) async fn reload(server: &QueueServer) -> anyhow::Result<()> {
    let mut queue = server.client().await?;
    let path = "/api/profile_collection/reload";
    let answer = queue.client.ask_within(RELOAD, Method::POST, path, None).await?;
    queue.show(&answer, |answer| {
        let pull = &answer["pull"];
        let environment = match answer["environment_recycled"] == true {
            true => "the environment is being opened again",
            false => "no environment was open",
        };
        let (commit, files) = (plain(&pull["commit_after"]), names(&pull["files_changed"]));
        format!("the profile is at {commit}\nchanged: {files}\n{environment}")
    })
}

fn difference(diff: &Value) -> String {
    let mut rows = Vec::new();
    for (key, word) in [("added", "only in the profile"), ("removed", "only in the registry")] {
        rows.extend(list(&diff[key]).map(|name| [plain(name), word.to_owned(), String::new()]));
    }
    rows.extend(list(&diff["modified"]).map(|one| {
        let (name, changed) = (plain(&one["name"]), names(&one["fields_changed"]));
        [name, "different".to_owned(), changed]
    }));
    let disabled = list(&diff["disabled"]);
    rows.extend(disabled.map(|name| [plain(name), "disabled".to_owned(), String::new()]));
    match rows.is_empty() {
        true => "the registry has the devices of the profile".to_owned(),
        false => table(["DEVICE", "IS", "IN"], &rows),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn names(value: &Value) -> String {
    let names: Vec<_> = list(value).map(plain).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_has_its_line() {
        let modified = json!([{"name": "m", "fields_changed": ["args", "kwargs"]}]);
        let diff = json!({"added": ["a"], "removed": [], "modified": modified, "disabled": ["d"]});
        let text = difference(&diff);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[1], "a        only in the profile");
        assert_eq!(lines[2], "m        different             args, kwargs");
        assert_eq!(difference(&json!({})), "the registry has the devices of the profile");
    }
}
