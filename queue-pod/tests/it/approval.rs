//! The approval gate, and what becomes of an aborted item.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::fixture::{Machine, Pod, item, opened};

async fn add_gated(pod: &Pod, plan: &str) -> String {
    let mut asked = item(plan);
    asked["approval"] = json!("Required");
    let reply = pod.must("/queue/item/add", json!({ "item": asked })).await;
    reply["item"]["item_uid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_queue_stops_before_an_item_until_it_is_approved() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    pod.add("quick").await;
    let uid = add_gated(&pod, "other").await;
    pod.must("/queue/start", json!({})).await;
    pod.until("the first ran", async |pod| pod.history().await.len() == 1).await;
    pod.manager("idle").await;
    assert_eq!(pod.queued().await, ["other"]);
    let refused = pod.post("/queue/start", json!({})).await;
    assert_eq!(refused["msg"], format!("Item '{uid}' (other) waits for approval."));

    let approved = pod.must("/queue/item/approve", json!({ "uid": uid })).await;
    assert_eq!(approved["item"]["approved"]["by"], "UNAUTHENTICATED_SINGLE_USER");
    let before = pod.writes.passed();
    pod.must("/queue/item/approve", json!({ "uid": uid })).await;
    assert_eq!(pod.writes.passed(), before, "an approved item stays as it is");
    pod.must("/queue/start", json!({})).await;
    pod.until("it ran", async |pod| pod.history().await.len() == 2).await;
    pod.stop().await;
}

#[tokio::test]
async fn an_edit_makes_an_approval_void_and_a_move_or_a_restart_does_not() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let uid = add_gated(&pod, "quick").await;
    pod.add("other").await;
    pod.must("/queue/item/approve", json!({ "uid": uid })).await;
    pod.must("/queue/item/move", json!({"uid": uid, "pos_dest": "back"})).await;
    pod.must("/queue/item/move", json!({"uid": uid, "pos_dest": "front"})).await;
    pod.kill().await;

    let (pod, _operator) = opened(&machine).await;
    let name = format!("item-{uid}");
    let patch = Patch::Merge(json!({"spec": {"kwargs": {"num": 2}}}));
    pod.must("/queue/item/move", json!({"uid": uid, "pos_dest": "front"})).await;
    let stored = pod.get_with("/queue/item/get", json!({ "uid": uid })).await;
    assert_eq!(stored["item"]["approved"]["by"], "UNAUTHENTICATED_SINGLE_USER");
    machine.items().patch(&name, &PatchParams::default(), &patch).await.unwrap();
    pod.until("the edit is seen", async |pod| {
        let reply = pod.post("/queue/start", json!({})).await;
        reply["msg"] == format!("Item '{uid}' (quick) waits for approval.")
    })
    .await;
    let mut changed = item("quick");
    changed["item_uid"] = json!(uid);
    let reply = pod.must("/queue/item/update", json!({ "item": changed })).await;
    assert_eq!(reply["item"]["approval"], "Required", "the gate is not edited away");
    pod.stop().await;
}

#[tokio::test]
async fn a_queue_can_want_an_approval_of_everything() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    machine.configure(json!({"approval": "Required", "autostart": true})).await;
    pod.until("configured", async |pod| pod.status().await["queue_autostart_enabled"] == true)
        .await;
    let executed = pod.post("/queue/item/execute", json!({ "item": item("quick") })).await;
    assert_eq!(
        executed["msg"],
        "Failed to start execution of the item: An item that needs an approval has to go through the queue."
    );
    let uid = pod.add("quick").await;
    let applied =
        crds::QueueItem::new("mine", serde_json::from_value(json!({"name": "other"})).unwrap());
    machine.items().create(&PostParams::default(), &applied).await.unwrap();
    pod.until("it is queued", async |pod| pod.queued().await == ["quick", "other"]).await;
    assert_eq!(pod.status().await["manager_state"], "idle");
    pod.must("/queue/item/approve", json!({ "uid": uid })).await;
    pod.until("it started by itself", async |pod| pod.history().await.len() == 1).await;
    pod.manager("idle").await;
    assert_eq!(pod.queued().await, ["other"]);
    pod.stop().await;
}

#[tokio::test]
async fn an_aborted_item_is_held_or_dropped_when_the_queue_says_so() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    for (fate, left) in [("hold", vec!["wait"]), ("drop", vec![])] {
        // The mode, which has no part in it, shows that the queue server knows.
        let mode = json!({ "ignoreFailures": fate == "hold" });
        machine.configure(json!({ "onAbort": fate, "mode": mode })).await;
        pod.until("configured", async |pod| {
            let status = pod.status().await;
            status["plan_queue_mode"]["ignore_failures"] == (fate == "hold")
        })
        .await;
        pod.must("/queue/clear", json!({})).await;
        let before = pod.history().await.len();
        pod.add("wait").await;
        pod.must("/queue/start", json!({})).await;
        pod.until("it runs", async |pod| pod.status().await["re_state"] == "running").await;
        pod.must("/re/pause", json!({"option": "immediate"})).await;
        pod.manager("paused").await;
        pod.must("/re/abort", json!({})).await;
        pod.until("it ended", async |pod| pod.history().await.len() == before + 1).await;
        pod.manager("idle").await;
        assert_eq!(pod.history().await.last().unwrap()["result"]["exit_status"], "aborted");
        assert_eq!(pod.queued().await, left, "{fate}");
        if fate == "hold" {
            let refused = pod.post("/queue/start", json!({})).await;
            assert!(refused["msg"].as_str().unwrap().ends_with("(wait) waits for approval."));
        }
    }
    pod.stop().await;
}
