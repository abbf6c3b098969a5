//! The API is away while the registry runs: reads go on, writes say why not, and nothing is half done when it is back.

use std::collections::BTreeSet;

use crds::Device;
use kube::api::{Patch, PatchParams};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::lab::{Lab, mock, new_device};
use crate::stream::Listener;

const CHANGES: &str = "/api/v1/devices/changes";
/// More writes than any operation here makes.
const MANY: usize = 40;
const UNREACHABLE: &str = r#"{"detail":"registry store unreachable"}"#;

async fn recorded() -> Lab {
    let lab = Lab::with(mock()).await;
    lab.until(async || lab.history().await.len() == 3).await;
    lab
}

/// Every write that there is.
fn writes() -> Vec<(Method, &'static str, Value)> {
    let held = json!({ "device_names": ["det1", "cam1"], "item_id": "i", "plan_name": "p" });
    let forced = json!({ "device_names": ["det1"], "reason": "r" });
    vec![
        (Method::POST, "/api/v1/devices", new_device("new", "P:new")),
        (Method::PUT, "/api/v1/devices/det1", json!({ "metadata": { "documentation": "new" } })),
        (Method::PATCH, "/api/v1/devices/det1/disable", json!({})),
        (Method::DELETE, "/api/v1/devices/det1", json!({})),
        (Method::POST, "/api/v1/devices/lock", held.clone()),
        (Method::POST, "/api/v1/devices/unlock", held),
        (Method::POST, "/api/v1/devices/force-unlock", forced),
        (Method::PUT, "/api/v1/devices/lock/policy", json!({ "lock_all": true })),
        (Method::POST, "/api/v1/pvs", json!({ "pv_name": "S:2" })),
        (Method::PUT, "/api/v1/pvs/standalone/S:1", json!({ "description": "new" })),
        (Method::DELETE, "/api/v1/pvs/standalone/S:1", json!({})),
        (Method::POST, "/api/v1/registry/reset", json!({})),
        (Method::POST, "/api/v1/registry/clear", json!({})),
    ]
}

#[tokio::test]
async fn reads_go_on_and_writes_say_why_not() {
    let lab = recorded().await;
    lab.post("/api/v1/pvs", json!({ "pv_name": "S:1" })).await.of(201);
    let reads = [
        "/api/v1/devices",
        "/api/v1/devices-info",
        "/api/v1/devices/det1",
        "/api/v1/devices/det1/status",
        "/api/v1/devices/instantiation",
        "/api/v1/devices/history",
        "/api/v1/devices/lock/policy",
        "/api/v1/pvs",
        "/api/v1/pvs/standalone",
        "/api/v1/registry/export",
        CHANGES,
    ];
    let mut before = Vec::new();
    for path in reads {
        before.push(lab.get(path).await.of(200));
    }
    lab.line().cut(true);
    for (method, path, body) in writes() {
        lab.send(method, path, Some(&body)).await.is(503, UNREACHABLE);
    }
    let unhealthy = lab.get("/health").await.of(503);
    assert_eq!(unhealthy["detail"], "registry store unreachable");
    assert_eq!(lab.get("/ready").await.status, StatusCode::OK, "readers are not turned away");
    for (path, before) in reads.into_iter().zip(&before) {
        assert_eq!(&lab.get(path).await.of(200), before, "{path}");
    }

    lab.line().cut(false);
    lab.until(async || lab.get("/health").await.status == StatusCode::OK).await;
    for (path, before) in reads.into_iter().zip(&before) {
        assert_eq!(&lab.get(path).await.of(200), before, "{path}: nothing was done");
    }
    lab.post("/api/v1/devices", new_device("new", "P:new")).await.of(201);
}

#[tokio::test]
async fn the_change_feed_goes_on_without_a_gap() {
    let lab = recorded().await;
    let mut listener = Listener::new(&lab, CHANGES, None).await;
    let mut heard = listener.next().await.unwrap();
    lab.line().cut(true);
    // By others, who still reach the API.
    let devices = lab.objects::<Device>();
    let patch = json!({ "spec": { "documentation": "meanwhile" } });
    devices.patch("det1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    devices.delete("cam1", &Default::default()).await.unwrap();
    lab.post("/api/v1/devices", new_device("new", "P:new")).await.of(503);
    lab.line().cut(false);

    let mut changed = BTreeSet::new();
    while changed.len() < 2 {
        let next = listener.next().await.unwrap();
        let at = |event: &Value| event["current_version"].as_u64().unwrap();
        assert!(at(&next.data) >= at(&heard.data));
        assert_eq!(next.data["reset_occurred"], false);
        let changes = next.data["changes"].as_array().unwrap().iter();
        changed.extend(changes.map(|one| format!("{} {}", one["op"], one["device_name"])));
        heard = next;
    }
    let wanted = [r#""delete" "cam1""#, r#""upsert" "det1""#];
    assert_eq!(changed, wanted.map(str::to_owned).into());
    let ids = lab.get("/api/v1/devices/history").await.of(200);
    let ids: Vec<_> =
        ids.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [5, 4, 3, 2, 1]);
}

/// Rows of the history of [`in_use`].
const BEFORE: usize = 6;

/// A registry with a device of its own, and locks.
async fn in_use() -> Lab {
    let lab = recorded().await;
    lab.post("/api/v1/devices", new_device("own", "P:own")).await.of(201);
    let lock = json!({ "device_names": ["cam1", "own"], "item_id": "i", "plan_name": "p" });
    lab.post("/api/v1/devices/lock", lock).await.of(200);
    lab
}

/// The API goes away before every single write of an operation, and comes back.
async fn is_whole_afterwards(path: &str) {
    let lab = in_use().await;
    let before = devices_and_locks(&lab).await;
    lab.post(path, json!({})).await.of(200);
    let (after, rows) = (devices_and_locks(&lab).await, lab.history().await.len());
    for writes in 0..MANY {
        let lab = in_use().await;
        lab.line().cut_behind(writes);
        let answer = lab.post(path, json!({})).await;
        let was_cut = lab.line().has_refused();
        lab.line().restore();
        if !was_cut {
            assert!(writes > 1 && answer.status.is_success(), "{}", answer.text);
            return;
        }
        answer.is(503, UNREACHABLE);
        let wanted = if writes == 0 { (&before, BEFORE) } else { (&after, rows) };
        lab.until(async || (&devices_and_locks(&lab).await, lab.history().await.len()) == wanted)
            .await;
    }
    panic!("more than {MANY} writes");
}

async fn devices_and_locks(lab: &Lab) -> Value {
    let mut seen = vec![lab.get("/api/v1/devices").await.of(200)];
    for name in seen[0].as_array().unwrap().clone() {
        let path = format!("/api/v1/devices/{}/status", name.as_str().unwrap());
        // It may be gone by now.
        seen.push(lab.get(&path).await.json()["locked_by_item"].clone());
    }
    json!(seen)
}

#[tokio::test]
async fn a_clear_that_was_cut_off_is_completed_or_was_not_begun() {
    is_whole_afterwards("/api/v1/registry/clear").await;
}

#[tokio::test]
async fn a_reset_that_was_cut_off_is_completed_or_was_not_begun() {
    is_whole_afterwards("/api/v1/registry/reset").await;
}

#[tokio::test]
async fn a_lock_that_was_cut_off_is_not_held() {
    let lab = recorded().await;
    lab.line().cut_behind(1);
    let lock = json!({ "device_names": ["det1", "cam1"], "item_id": "i", "plan_name": "p" });
    lab.post("/api/v1/devices/lock", lock.clone()).await.is(503, UNREACHABLE);
    lab.line().restore();
    for device in ["det1", "cam1"] {
        let path = format!("/api/v1/devices/{device}/status");
        lab.until(async || lab.get(&path).await.of(200)["lock_status"] == "unlocked").await;
    }
    lab.post("/api/v1/devices/lock", lock).await.of(200);
    assert_eq!(lab.history().await.len(), 5);
}

#[tokio::test]
async fn a_release_that_was_cut_off_is_in_the_history_later() {
    let lab = recorded().await;
    let held = json!({ "device_names": ["det1", "cam1"], "item_id": "i", "plan_name": "p" });
    lab.post("/api/v1/devices/lock", held.clone()).await.of(200);
    lab.line().cut_behind(1);
    lab.post("/api/v1/devices/unlock", held).await.is(503, UNREACHABLE);
    lab.line().restore();
    lab.until(async || lab.history().await.len() == 7).await;
    assert_eq!(lab.get("/api/v1/devices/det1/status").await.of(200)["lock_status"], "unlocked");
}

/// A registry whose lock table is written without its being told so, and what holds two of its devices.
async fn unsure(prepare: impl AsyncFn(&Lab, &Value)) -> (Lab, Value) {
    let lab = recorded().await;
    let held = json!({ "device_names": ["det1", "cam1"], "item_id": "i", "plan_name": "p" });
    prepare(&lab, &held).await;
    lab.line().mute(true);
    (lab, held)
}

async fn holder(lab: &Lab) -> Value {
    lab.get("/api/v1/devices/det1/status").await.of(200)["locked_by_item"].clone()
}

#[tokio::test]
async fn a_lock_that_was_stored_without_an_answer_is_not_held() {
    let (lab, held) = unsure(async |_, _| {}).await;
    lab.post("/api/v1/devices/lock", held.clone()).await.is(503, UNREACHABLE);
    lab.line().mute(false);
    lab.until(async || holder(&lab).await.is_null()).await;
    let mut again = held;
    again["item_id"] = json!("another");
    lab.until(async || lab.post("/api/v1/devices/lock", again.clone()).await.status == 200).await;
    assert_eq!(lab.history().await.len(), 5, "nothing is told of the first");
    assert_eq!(holder(&lab).await, "another");
}

#[tokio::test]
async fn a_release_that_was_stored_without_an_answer_is_in_the_history_later() {
    let lock = async |lab: &Lab, held: &Value| {
        lab.post("/api/v1/devices/lock", held.clone()).await.of(200);
    };
    let (lab, held) = unsure(lock).await;
    lab.post("/api/v1/devices/unlock", held).await.is(503, UNREACHABLE);
    lab.line().mute(false);
    lab.until(async || lab.history().await.len() == 7).await;
    assert_eq!(holder(&lab).await, Value::Null);
}

#[tokio::test]
async fn a_release_that_did_not_happen_is_not_in_the_history() {
    let lab = recorded().await;
    let held = json!({ "device_names": ["det1", "cam1"], "item_id": "i", "plan_name": "p" });
    lab.post("/api/v1/devices/lock", held.clone()).await.of(200);
    lab.line().cut_behind(0);
    lab.post("/api/v1/devices/unlock", held.clone()).await.is(503, UNREACHABLE);
    lab.line().restore();
    assert_eq!(holder(&lab).await, "i");
    let written = lab.line().table_writes();
    lab.line().until_written(written + 1).await;
    lab.post("/api/v1/devices/unlock", held).await.of(200);
    assert_eq!(lab.history().await.len(), 7);
}
