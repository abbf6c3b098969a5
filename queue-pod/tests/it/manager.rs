//! The end of the server, its beginning anew, and what it asks of the Run Engine: over 0MQ alone, as upstream.

use queue_pod::{Files, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clients::{run, zmq};
use crate::fixture::{Machine, alone, opened};

#[tokio::test]
async fn the_worker_is_asked_for_the_metadata_of_its_run_engine() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let Some(reply) = zmq(&pod, "re_metadata", json!({})).await else { return };
    assert_eq!(reply, json!({"success": true, "msg": "", "re_metadata": {"keys": ["/"]}}));
    pod.stop().await;
}

#[tokio::test]
async fn the_manager_stops_only_while_nothing_goes_on_unless_it_has_to() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    pod.add("wait").await;
    pod.must("/queue/start", json!({})).await;
    pod.until("it runs", async |pod| pod.status().await["re_state"] == "running").await;
    let Some(busy) = zmq(&pod, "manager_stop", json!({})).await else { return };
    assert_eq!(
        busy["msg"],
        "Error: Closing RE Manager with option 'safe_on' is allowed only in 'idle' state. Current state: 'executing_queue'"
    );
    let wrong = zmq(&pod, "manager_stop", json!({"option": "zz"})).await.unwrap();
    let text = "Error: Option 'zz' is not allowed. Allowed options: ('safe_off', 'safe_on')";
    assert_eq!(wrong["msg"], text);
    let stopped = zmq(&pod, "manager_stop", json!({"option": "safe_off"})).await.unwrap();
    assert_eq!(stopped, json!({"success": true, "msg": ""}));
    pod.ends_by_itself().await;
}

#[tokio::test]
async fn one_that_is_a_part_of_something_larger_cannot_be_stopped() {
    let machine = Machine::new().await;
    let settings = Settings { can_be_stopped: false, ..alone() };
    let pod = machine.serve_with(usize::MAX, settings).await;
    let Some(reply) = zmq(&pod, "manager_stop", json!({})).await else { return };
    assert_eq!(reply["success"], false, "{reply}");
    pod.stop().await;
}

#[tokio::test]
async fn a_killed_manager_begins_anew_with_what_is_stored() {
    let machine = Machine::new().await;
    let pod = machine.serve().await;
    let stop = json!({"name": "queue_stop", "item_type": "instruction"});
    pod.must("/queue/item/add", json!({ "item": stop })).await;
    let locked = json!({"lock_key": "k", "user": "u", "queue": true});
    let Some(lock) = zmq(&pod, "lock", locked).await else { return };
    let before = pod.status().await;
    let kill = r#"{"method": "manager_kill"}"#;
    let silence = run("request.py", &[&pod.control, kill, "1000"]).await;
    assert_eq!(silence.as_deref().map(str::trim), Some("null"));
    pod.until("it is there again", async |pod| pod.status().await["manager_state"] == "idle").await;
    let after = pod.status().await;
    assert_eq!(after["lock_info_uid"], lock["lock_info_uid"]);
    assert_ne!(after["plan_queue_uid"], before["plan_queue_uid"]);
    assert_eq!(after["items_in_queue"], 1);
    pod.stop().await;
}

#[tokio::test]
async fn permissions_are_those_of_the_file_at_the_start_and_when_they_are_reloaded() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("user_group_permissions.yaml");
    let write = |groups: &str| std::fs::write(&path, format!("user_groups: {groups}")).unwrap();
    write("{root: {allowed_plans: [null]}, staff: {}}");
    let files = Files { permissions: Some(folder.path().to_owned()), ..Files::default() };
    let machine = Machine::new().await;
    let pod = machine.serve_with(usize::MAX, Settings { files, ..alone() }).await;
    let groups = async || {
        let found = pod.get("/permissions/get").await;
        let groups = found["user_group_permissions"]["user_groups"].as_object().unwrap().clone();
        groups.keys().cloned().collect::<Vec<_>>()
    };
    pod.until("the file counts", async |_| groups().await == ["root", "staff"]).await;
    write("{root: {allowed_plans: [null]}, guests: {}}");
    pod.must("/permissions/reload", json!({"restore_permissions": false})).await;
    assert_eq!(groups().await, ["root", "staff"]);
    pod.must("/permissions/reload", json!({})).await;
    assert_eq!(groups().await, ["root", "guests"]);
    write("5");
    let refused = pod.post("/permissions/reload", json!({})).await;
    assert_eq!(refused["success"], false, "{refused}");
    pod.stop().await;
}

#[tokio::test]
async fn what_a_group_may_not_run_any_more_fails_and_stays_in_the_queue() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    pod.add("quick").await;
    let rules = |plans: Value| json!({"allowed_plans": plans, "allowed_devices": [null]});
    let groups = json!({"root": rules(json!([null])), "primary": rules(json!(["other"]))});
    let permissions = json!({"user_group_permissions": {"user_groups": groups}});
    pod.must("/permissions/set", permissions).await;
    pod.must("/queue/start", json!({})).await;
    pod.until("it is history", async |pod| pod.history().await.len() == 1).await;
    let result = &pod.history().await[0]["result"];
    assert_eq!(result["exit_status"], "failed");
    let text = result["msg"].as_str().unwrap();
    assert!(text.contains("Plan 'quick' is not in the list of allowed plans."), "{text}");
    assert_eq!(pod.queued().await, ["quick"]);
    pod.stop().await;
}
