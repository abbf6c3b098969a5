//! Adding, moving, removing: over HTTP, as resources, and by the number of writes.

use serde_json::json;

use crate::fixture::{Machine, item, opened};

#[tokio::test]
async fn each_operation_on_one_item_is_one_write() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let mut before = pod.writes.passed();
    let mut cost = |pod: &crate::fixture::Pod| {
        let now = pod.writes.passed();
        now - std::mem::replace(&mut before, now)
    };
    let first = pod.add("quick").await;
    assert_eq!(cost(&pod), 1);
    let second = pod.add("other").await;
    assert_eq!(cost(&pod), 1);
    pod.must("/queue/item/move", json!({"uid": second, "pos_dest": "front"})).await;
    assert_eq!(cost(&pod), 1);
    assert_eq!(pod.queued().await, ["other", "quick"]);
    pod.must("/queue/item/move", json!({"uid": second, "pos_dest": "front"})).await;
    assert_eq!(cost(&pod), 0, "moving to its own place writes nothing");
    let mut changed = item("quick");
    changed["item_uid"] = json!(first);
    changed["kwargs"] = json!({"num": 7});
    pod.must("/queue/item/update", json!({"item": changed})).await;
    assert_eq!(cost(&pod), 1);
    let got = pod.get_with("/queue/item/get", json!({"uid": first})).await;
    assert_eq!(got["item"]["kwargs"], json!({"num": 7}));
    assert_eq!(cost(&pod), 0);
    pod.must("/queue/item/remove", json!({"uid": first})).await;
    assert_eq!(cost(&pod), 1);
    let items: Vec<_> = (0..20).map(|_| item("quick")).collect();
    pod.must("/queue/item/add/batch", json!({"items": items, "pos": "front"})).await;
    assert_eq!(cost(&pod), 20);
    assert_eq!(pod.queued().await.last().unwrap(), "other");
    pod.must("/queue/clear", json!({})).await;
    assert_eq!(cost(&pod), 21);
    assert!(
        machine.items().list(&kube::api::ListParams::default()).await.unwrap().items.is_empty()
    );
    pod.stop().await;
}

#[tokio::test]
async fn refusals_have_the_texts_of_the_contract() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    pod.add("quick").await;
    for (path, body, text) in [
        (
            "/queue/item/add",
            json!({}),
            "Failed to add an item: Incorrect request format: request contains no item info",
        ),
        (
            "/queue/item/add",
            json!({"item": {"name": "quick"}}),
            "Failed to add an item: Incorrect request format: 'item_type' key is not found",
        ),
        (
            "/queue/item/add",
            json!({"item": item("nope")}),
            "Failed to add an item: Plan validation failed: Plan 'nope' is not in the list of allowed plans.\nPlan: {'name': 'nope', 'item_type': 'plan'}",
        ),
        (
            "/queue/item/add",
            json!({"item": item("quick"), "pos": "mid"}),
            "Failed to add an item: Parameter 'pos' has incorrect value: pos='mid' (type=<class 'str'>)",
        ),
        (
            "/queue/item/remove",
            json!({"uid": "nope"}),
            "Failed to remove an item: Plan with UID 'nope' is not in the queue.",
        ),
        (
            "/queue/item/move",
            json!({"pos": 0}),
            "Failed to move the item: Destination position or UID is not specified.",
        ),
        (
            "/queue/item/execute",
            json!({}),
            "Failed to start execution of the item: Incorrect request format: request contains no item info",
        ),
        (
            "/queue/stop",
            json!({}),
            "Failed to pause the queue. Queue is not running. Manager state: MState.IDLE",
        ),
        ("/re/resume", json!({}), "RE Manager is not paused: current state is 'idle'"),
        ("/environment/open", json!({}), "RE Worker environment already exists."),
        (
            "/function/execute",
            json!({}),
            "Error: Incorrect request format: request contains no item info",
        ),
        (
            "/function/execute",
            json!({"item": {"item_type": "plan", "name": "f"}}),
            "Error: Incorrect request format: unsupported 'item_type' value: 'plan', supported item types ('function',)",
        ),
        (
            "/function/execute",
            json!({"item": {"item_type": "function", "name": "f", "args": 1}}),
            "Error: Parameter 'args' is not a tuple or a list: <class 'int'>",
        ),
    ] {
        let reply = pod.post(path, body).await;
        assert_eq!(reply["success"], false, "{path}");
        assert_eq!(reply["msg"], text, "{path}");
    }
    let batch = json!({"items": [item("quick"), item("nope")]});
    let reply = pod.post("/queue/item/add/batch", batch).await;
    assert_eq!(
        reply["msg"],
        "Failed to add all items: validation of 1 out of 2 submitted items failed"
    );
    assert_eq!(pod.queued().await, ["quick"], "nothing of a refused batch is queued");
    pod.stop().await;
}

#[tokio::test]
async fn a_lock_keeps_others_out_and_survives_a_restart() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let lock = json!({"lock_key": "k", "queue": true, "note": "mine"});
    let locked = pod.must("/lock", lock).await;
    let refused = pod.post("/queue/item/add", json!({"item": item("quick")})).await;
    let text = refused["msg"].as_str().unwrap();
    assert!(text.starts_with("Failed to add an item: Invalid lock key: \nRE Manager is locked by UNAUTHENTICATED_SINGLE_USER at "), "{text}");
    pod.kill().await;

    let pod = machine.serve().await;
    let info = pod.get("/lock/info").await;
    assert_eq!(info["lock_info"], locked["lock_info"]);
    assert_eq!(info["lock_info_uid"], locked["lock_info_uid"]);
    pod.must("/queue/item/add", json!({"item": item("quick"), "lock_key": "k"})).await;
    assert_eq!(pod.post("/unlock", json!({"lock_key": "zz"})).await["success"], false);
    pod.must("/unlock", json!({"lock_key": "k"})).await;
    pod.add("quick").await;
    assert_eq!(pod.queued().await.len(), 2);
    pod.stop().await;
}
