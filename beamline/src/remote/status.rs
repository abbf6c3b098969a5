//! `beamline status`: whether every part answers, and what the queue server does.

use anyhow::{Context, anyhow};
use clap::Args;
use futures::future::join_all;
use http::StatusCode;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::output::{Output, plain, table};
use super::place::{Part, Place};

/// Whose status.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// Everything is asked before anything is printed; then what did not answer is the error.
pub(crate) async fn run(args: &StatusArgs) -> anyhow::Result<()> {
    // With one address only the queue server can be asked.
    let parts: &[Part] = if args.place.is_one_address() {
        &[Part::Queue]
    } else {
        &[Part::Registry, Part::Control, Part::Queue]
    };
    let beamline = beamline(&args.place).await?;
    let states = join_all(parts.iter().map(|part| state(&args.place, *part))).await;
    let (mut answer, mut failures) = (json!({}), Vec::new());
    if let Some(beamline) = &beamline {
        answer["beamline"] = beamline.clone();
    }
    for (part, state) in parts.iter().zip(states) {
        let key = part.name().trim_start_matches("the ").replace(' ', "_");
        answer[key] = state.unwrap_or_else(|error| {
            let reason = format!("{error:#}");
            let named = reason.contains(part.name());
            failures.push(if named {
                reason.clone()
            } else {
                format!("{}: {reason}", part.name())
            });
            json!({ "ready": false, "reason": reason })
        });
    }
    args.output.show(&answer, summary)?;
    if failures.is_empty() { Ok(()) } else { Err(anyhow!(failures.join("; "))) }
}

/// The Beamline and its condition, on a cluster.
async fn beamline(place: &Place) -> anyhow::Result<Option<Value>> {
    let Some(cluster) = place.on_cluster(Part::Queue).await? else { return Ok(None) };
    let found = cluster.beamline().await?;
    let conditions = found.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
    Ok(Some(json!({
        "name": found.name_any(),
        "namespace": cluster.namespace,
        "ready": ready.map(|ready| ready.status.as_str()),
        "reason": ready.map(|ready| ready.reason.as_str()),
        "message": ready.map(|ready| ready.message.as_str()),
    })))
}

/// Whether a part is ready, and what it says of itself.
async fn state(place: &Place, part: Part) -> anyhow::Result<Value> {
    let mut client = place.client(part).await?;
    let (status, ready) = client.look("/ready").await?;
    let path = if part == Part::Queue { "/api/status" } else { "/health" };
    let (_, mut state) = client.look(path).await?;
    let state = state.as_object_mut().with_context(|| format!("{path} is no object"))?;
    state.insert("ready".to_owned(), (status == StatusCode::OK).into());
    if let Some(reason) = ready.get("reason").filter(|_| status != StatusCode::OK) {
        state.insert("reason".to_owned(), reason.clone());
    }
    Ok(Value::Object(std::mem::take(state)))
}

fn summary(answer: &Value) -> String {
    let mut text = String::new();
    let beamline = &answer["beamline"];
    if !beamline.is_null() {
        let word = |key: &str| plain(&beamline[key]);
        let ready = if beamline["ready"] == "True" { "ready" } else { "not ready" };
        text.push_str(&format!(
            "beamline {} in {}: {ready} ({}: {})\n\n",
            word("name"),
            word("namespace"),
            word("reason"),
            word("message")
        ));
    }
    let row = |part: &str, key: &str, detail: &dyn Fn(&Value) -> String| {
        let state = answer.get(key)?;
        let (word, detail) = match (&state["ready"], &state["reason"]) {
            (Value::Bool(true), _) => ("ready", detail(state)),
            (_, reason) => ("not ready", plain(reason)),
        };
        Some([part.to_owned(), word.to_owned(), detail])
    };
    let rows = [
        row("registry", "registry", &|state| {
            format!("{} devices", plain(&state["devices_loaded"]))
        }),
        row("direct control", "direct_control", &|state| {
            let writes = if state["read_only"] == true { "read-only" } else { "writes allowed" };
            format!("{} PVs connected, {writes}", plain(&state["connected_pvs"]))
        }),
        row("queue server", "queue_server", &|state| plain(&state["msg"])),
    ];
    let rows: Vec<[String; 3]> = rows.into_iter().flatten().collect();
    text.push_str(&table(["PART", "STATE", "DETAIL"], &rows));
    let queue = &answer["queue_server"];
    if queue["ready"] == true {
        text.push_str("\n\n");
        text.push_str(&queue_state(queue));
    }
    text
}

fn queue_state(status: &Value) -> String {
    let usual = [
        ("manager", "manager_state"),
        ("environment", "worker_environment_state"),
        ("Run Engine", "re_state"),
        ("queued", "items_in_queue"),
        ("history", "items_in_history"),
        ("running item", "running_item_uid"),
    ];
    let trouble = Some(("trouble", "config_service_sync_error"));
    let trouble = trouble.filter(|(_, key)| !status[*key].is_null());
    let lines = usual.into_iter().chain(trouble);
    let lines = lines.map(|(label, key)| format!("{label:<13} {}", plain(&status[key])));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_shown_with_what_they_say_or_why_they_do_not() {
        let answer = json!({
            "beamline": { "name": "bl01", "namespace": "lab", "ready": "False",
                "reason": "Progressing", "message": "control" },
            "registry": { "ready": true, "devices_loaded": 26 },
            "direct_control": { "ready": false, "reason": "nothing answers" },
            "queue_server": { "ready": true, "msg": "RE Manager", "manager_state": "idle",
                "items_in_queue": 0, "running_item_uid": null },
        });
        let text = summary(&answer);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "beamline bl01 in lab: not ready (Progressing: control)");
        assert_eq!(lines[3], "registry         ready       26 devices");
        assert_eq!(lines[4], "direct control   not ready   nothing answers");
        assert!(text.contains("manager       idle") && text.ends_with("running item  -"), "{text}");
    }
}
