//! Scripts and functions: given to the worker, waited for, and looked up.

use serde_json::{Value, json};

use crate::fixture::{Machine, Pod, opened};

async fn call(pod: &Pod, name: &str, background: bool) -> Value {
    let item = json!({"item_type": "function", "name": name, "args": [1, "x"]});
    pod.post("/function/execute", json!({"item": item, "run_in_background": background})).await
}

async fn status(pod: &Pod, uid: &Value) -> Value {
    pod.get_with("/task/status", json!({"task_uid": uid})).await["status"].clone()
}

#[tokio::test]
async fn a_function_is_called_and_what_it_returns_is_kept() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let before = pod.status().await["task_results_uid"].clone();
    let called = call(&pod, "f", false).await;
    assert_eq!(called["success"], true, "{called}");
    let uid = &called["task_uid"];
    assert_eq!(called["item"]["item_uid"], *uid);
    assert_eq!(called["item"]["kwargs"], json!({}));
    assert!(called["item"].get("item_type").is_none());
    pod.until("completed", async |pod| status(pod, uid).await == "completed").await;
    pod.manager("idle").await;
    let result = pod.get_with("/task/result", json!({"task_uid": uid})).await;
    assert_eq!(result["result"]["return_value"], json!([1, "x"]));
    assert_eq!(result["result"]["success"], true);
    assert_ne!(pod.status().await["task_results_uid"], before);
    let both = pod.get_with("/task/status", json!({"task_uid": [uid, "other"]})).await;
    assert_eq!(both["status"], json!({uid.as_str().unwrap(): "completed", "other": "not_found"}));
    pod.stop().await;
}

#[tokio::test]
async fn a_task_between_plans_keeps_the_manager_and_one_beside_them_does_not() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    call(&pod, "hang", true).await;
    assert_eq!(pod.status().await["worker_background_tasks"], 1);
    assert_eq!(pod.status().await["manager_state"], "idle");
    let hanging = call(&pod, "hang", false).await;
    let now = pod.status().await;
    assert_eq!(
        (&now["manager_state"], &now["worker_environment_state"]),
        (&json!("executing_task"), &json!("executing_task"))
    );
    let second = call(&pod, "f", false).await;
    assert_eq!(
        second["msg"],
        "Error: Failed to start the task: RE Manager must be in idle state. Current state: 'executing_task'"
    );
    let close = pod.post("/environment/close", json!({})).await;
    assert_eq!(close["msg"], "Foreground task execution is in progress.");
    pod.must("/environment/destroy", json!({})).await;
    pod.manager("idle").await;
    assert_eq!(status(&pod, &hanging["task_uid"]).await, "not_found");
    assert_eq!(pod.status().await["worker_background_tasks"], 0);
    pod.stop().await;
}

#[tokio::test]
async fn a_script_may_bring_other_plans() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let before = pod.status().await["plans_existing_uid"].clone();
    let missing = pod.post("/script/upload", json!({})).await;
    assert_eq!(missing["msg"], "Error: Required 'script' parameter is is missing in API call.");
    pod.must("/script/upload", json!({"script": "x = 1"})).await;
    pod.until("other plans", async |pod| {
        pod.get("/plans/existing").await["plans_existing"].get("loaded").is_some()
    })
    .await;
    assert_ne!(pod.status().await["plans_existing_uid"], before);
    pod.stop().await;
}

#[tokio::test]
async fn a_function_that_a_group_may_not_call_is_refused() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let rules = |functions: Value| {
        json!({
            "allowed_plans": [null], "allowed_devices": [null], "allowed_functions": functions,
        })
    };
    let groups = json!({"root": rules(json!([null])), "primary": rules(json!(["safe"]))});
    let permissions = json!({"user_group_permissions": {"user_groups": groups}});
    pod.must("/permissions/set", permissions).await;
    let refused = call(&pod, "f", false).await;
    assert_eq!(
        refused["msg"],
        "Error: Function 'f' is not allowed for users from 'primary' group."
    );
    assert_eq!(refused["task_uid"], Value::Null);
    assert_eq!(call(&pod, "safe", false).await["success"], true);
    pod.stop().await;
}

#[tokio::test]
async fn a_task_needs_an_environment() {
    let machine = Machine::new().await;
    let pod = machine.serve().await;
    let update = pod.post("/environment/update", json!({})).await;
    assert_eq!(update["msg"], "RE Worker environment is not open");
    assert_eq!(update["task_uid"], Value::Null);
    assert_eq!(call(&pod, "f", false).await["msg"], "Error: RE Worker environment is not open");
    pod.stop().await;
}
