//! Running: history, push-back, pause, loop, immediate execution.

use serde_json::json;

use crate::fixture::{Machine, Pod, item, opened};

async fn run_to_idle(pod: &Pod) {
    pod.must("/queue/start", json!({})).await;
    pod.manager("idle").await;
}

#[tokio::test]
async fn plans_run_in_order_into_the_history_and_are_durably_running_before_the_worker_knows() {
    let machine = Machine::new().await;
    let (pod, operator) = opened(&machine).await;
    let uids = [pod.add("quick").await, pod.add("other").await];
    run_to_idle(&pod).await;
    let history = pod.history().await;
    assert_eq!(history.len(), 2);
    for (record, uid) in history.iter().zip(&uids) {
        assert_eq!(record["item_uid"], *uid);
        assert_eq!(record["result"]["exit_status"], "completed");
        assert_eq!(record["result"]["run_uids"], json!([format!("run-of-{uid}")]));
    }
    assert_eq!(operator.ran(), ["quick", "other"]);
    let states: Vec<_> = operator.seen.lock().ran.iter().map(|(_, state)| state.clone()).collect();
    assert_eq!(states, vec![Some("Running".to_owned()); 2]);
    assert!(pod.queued().await.is_empty());
    pod.stop().await;
}

#[tokio::test]
async fn a_failed_plan_returns_to_the_front_with_its_result_and_stops_the_queue() {
    let machine = Machine::new().await;
    let (pod, operator) = opened(&machine).await;
    let uid = pod.add("fail").await;
    pod.add("quick").await;
    pod.must("/queue/autostart", json!({"enable": true})).await;
    pod.until("the plan failed", async |pod| pod.history().await.len() == 1).await;
    pod.manager("idle").await;
    pod.until("autostart is off", async |pod| {
        pod.status().await["queue_autostart_enabled"] == false
    })
    .await;
    let queue = pod.get("/queue/get").await;
    let first = &queue["items"][0];
    assert_eq!(pod.queued().await, ["fail", "quick"]);
    assert_ne!(first["item_uid"], uid);
    assert_eq!(first["result"]["msg"], "Plan failed: on purpose");
    assert_eq!(pod.history().await[0]["item_uid"], uid);
    assert_eq!(operator.ran(), ["fail"], "nothing ran after the failure");
    pod.stop().await;
}

#[tokio::test]
async fn a_paused_plan_can_be_resumed_and_aborted() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    pod.add("wait").await;
    pod.must("/queue/start", json!({})).await;
    pod.until("it runs", async |pod| pod.status().await["re_state"] == "running").await;
    assert_eq!(pod.status().await["worker_environment_state"], "executing_plan");
    // The Run Engine runs before the plan has opened its run.
    pod.until("its run is open", async |pod| {
        pod.get("/re/runs/open").await["run_list"].as_array().unwrap().len() == 1
    })
    .await;
    let busy = pod.post("/environment/close", json!({})).await;
    assert_eq!(busy["msg"], "Queue execution is in progress.");
    pod.must("/re/pause", json!({"option": "immediate"})).await;
    pod.manager("paused").await;
    let stop = pod.post("/queue/stop", json!({})).await;
    assert_eq!(
        stop["msg"],
        "Failed to pause the queue. Queue is not running. Manager state: MState.PAUSED"
    );
    pod.must("/re/resume", json!({})).await;
    pod.until("it runs again", async |pod| pod.status().await["re_state"] == "running").await;
    pod.must("/re/pause", json!({})).await;
    pod.manager("paused").await;
    pod.must("/re/abort", json!({})).await;
    pod.manager("idle").await;
    assert_eq!(pod.history().await[0]["result"]["exit_status"], "aborted");
    assert_eq!(pod.queued().await, ["wait"]);
    assert_eq!(pod.get("/re/runs/active").await["run_list"], json!([]));
    pod.stop().await;
}

#[tokio::test]
async fn in_loop_mode_an_item_returns_to_the_back_under_a_new_uid_until_the_stop() {
    let machine = Machine::new().await;
    let (pod, operator) = opened(&machine).await;
    pod.must("/queue/mode/set", json!({"loop": true})).await;
    let uid = pod.add("quick").await;
    let stop = json!({"name": "queue_stop", "item_type": "instruction"});
    pod.must("/queue/item/add", json!({ "item": stop })).await;
    run_to_idle(&pod).await;
    assert_eq!(operator.ran(), ["quick"]);
    assert_eq!(pod.queued().await, ["quick", "queue_stop"]);
    let queue = pod.get("/queue/get").await;
    assert_ne!(queue["items"][0]["item_uid"], uid);
    assert!(queue["items"][0].get("result").is_none());
    pod.stop().await;
}

#[tokio::test]
async fn an_item_executed_at_once_leaves_the_queue_alone_even_when_it_fails() {
    let machine = Machine::new().await;
    let (pod, operator) = opened(&machine).await;
    pod.add("quick").await;
    pod.must("/queue/item/execute", json!({ "item": item("fail") })).await;
    pod.until("it failed", async |pod| pod.history().await.len() == 1).await;
    pod.manager("idle").await;
    assert_eq!(pod.queued().await, ["quick"]);
    assert_eq!(operator.ran(), ["fail"]);
    pod.stop().await;
}

#[tokio::test]
async fn the_history_keeps_no_more_than_its_limit() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let queues: kube::Api<crds::Queue> = kube::Api::default_namespaced(machine.client());
    let patch = kube::api::Patch::Merge(json!({"spec": {"historyLimit": 2}}));
    queues.patch("main", &kube::api::PatchParams::default(), &patch).await.unwrap();
    let mut uids = Vec::new();
    for _ in 0..4 {
        uids.push(pod.add("quick").await);
    }
    run_to_idle(&pod).await;
    pod.until("the history is trimmed", async |pod| pod.history().await.len() == 2).await;
    assert_eq!(pod.history().await[1]["item_uid"], uids[3]);
    let left = machine.items().list(&kube::api::ListParams::default()).await.unwrap();
    assert_eq!(left.items.len(), 2);
    pod.stop().await;
}
