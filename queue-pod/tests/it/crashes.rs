//! `kill -9` at any time: after every single write, what was acknowledged is there and nothing is there twice.

use std::collections::HashSet;

use kube::api::ListParams;
use serde_json::{Value, json};

use crate::fake_worker::Operator;
use crate::fixture::{Machine, Pod, item, opened};

fn uids(items: &Value) -> Vec<String> {
    let items = items.as_array().unwrap();
    items.iter().map(|item| item["item_uid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_restart_finds_queue_history_mode_and_the_lost_plan() {
    let machine = Machine::new().await;
    let (pod, operator) = opened(&machine).await;
    pod.add("quick").await;
    pod.must("/queue/start", json!({})).await;
    pod.until("it ran", async |pod| pod.history().await.len() == 1).await;
    pod.manager("idle").await;
    pod.must("/queue/mode/set", json!({"mode": {"ignore_failures": true}})).await;
    let lost = pod.add("wait").await;
    pod.must("/queue/start", json!({})).await;
    pod.until("it runs", async |pod| pod.status().await["re_state"] == "running").await;
    pod.add("other").await;
    let before = pod.get("/queue/get").await;
    pod.kill().await;
    drop(operator);

    let pod = machine.serve().await;
    pod.until("the lost plan is history", async |pod| pod.history().await.len() == 2).await;
    let record = pod.history().await.remove(1);
    assert_eq!(record["item_uid"], lost);
    assert_eq!(record["result"]["exit_status"], "unknown");
    assert_eq!(
        record["result"]["msg"],
        "Plan exit status was lost due to restart of the RE Manager process"
    );
    assert_eq!(record["result"]["run_uids"], json!([]));
    assert_eq!(pod.get("/queue/get").await["items"], before["items"]);
    let status = pod.status().await;
    assert_eq!(status["plan_queue_mode"], json!({"loop": false, "ignore_failures": true}));
    assert_eq!(status["manager_state"], "idle");
    assert_eq!(pod.get("/plans/allowed").await["plans_allowed"]["quick"]["name"], "quick");
    pod.stop().await;
}

/// What a user does, as far as the server lets him; the uids that were acknowledged as queued.
async fn work(pod: &Pod) -> Option<HashSet<String>> {
    let mut acknowledged = HashSet::new();
    for plan in ["quick", "fail", "other"] {
        let reply = pod.post("/queue/item/add", json!({ "item": item(plan) })).await;
        if reply["success"] == true {
            acknowledged.insert(reply["item"]["item_uid"].as_str()?.to_owned());
        }
    }
    let batch = json!({"items": [item("quick"), item("other"), item("quick")]});
    let reply = pod.post("/queue/item/add/batch", batch).await;
    if reply["success"] == true {
        acknowledged.extend(uids(&reply["items"]));
    }
    pod.post("/queue/item/move", json!({"pos": "back", "pos_dest": "front"})).await;
    pod.post("/queue/item/move", json!({"pos": "front", "pos_dest": "back"})).await;
    pod.post("/queue/start", json!({})).await;
    Some(acknowledged)
}

#[tokio::test]
async fn after_a_crash_behind_any_write_the_queue_converges() {
    // The whole work takes 3 adds, 3 of the batch, 2 moves, 2 + 3 for the items that run: one more than that never crashes.
    for allowed in 0..=14 {
        let machine = Machine::new().await;
        let (pod, operator) = opened(&machine).await;
        pod.must("/environment/close", json!({})).await;
        pod.stop().await;
        drop(operator);
        let pod = machine.serve().await;
        let operator = Operator::start(machine.client());
        pod.must("/environment/open", json!({})).await;
        pod.until("open", async |pod| pod.status().await["worker_environment_exists"] == true)
            .await;
        let before = pod.writes.passed();
        pod.writes.allow(allowed);
        let acknowledged = work(&pod).await.unwrap();
        pod.until("the API is silent or the work is done", async |pod| {
            pod.writes.passed() - before >= allowed || pod.history().await.len() == 2
        })
        .await;
        pod.kill().await;
        let ran = operator.ran();
        drop(operator);

        let pod = machine.serve().await;
        pod.until("nothing is left running", async |pod| {
            let stored = machine.items().list(&ListParams::default()).await.unwrap();
            let running = stored.items.iter().filter(|item| {
                item.status.as_ref().is_some_and(|s| format!("{:?}", s.state) == "Running")
            });
            running.count() == 0 && pod.status().await["manager_state"] == "idle"
        })
        .await;
        let (queue, history) = (pod.get("/queue/get").await, pod.get("/history/get").await);
        let (queued, ended) = (uids(&queue["items"]), uids(&history["items"]));
        let all: Vec<_> = queued.iter().chain(&ended).collect();
        let distinct: HashSet<_> = all.iter().collect();
        assert_eq!(all.len(), distinct.len(), "behind write {allowed}: twice: {all:?}");
        for uid in &acknowledged {
            assert!(all.contains(&uid), "behind write {allowed}: {uid} is lost");
        }
        assert!(ended.len() >= ran.len().saturating_sub(1), "behind write {allowed}");
        let stored = machine.items().list(&ListParams::default()).await.unwrap().items.len();
        assert_eq!(
            stored,
            all.len(),
            "behind write {allowed}: something is stored that nobody sees"
        );
        // The order is total and stable: reading it again gives the same.
        pod.kill().await;
        let pod = machine.serve().await;
        assert_eq!(uids(&pod.get("/queue/get").await["items"]), queued);
        pod.stop().await;
    }
}
