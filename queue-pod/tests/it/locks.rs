//! Devices of running plans in the lock table.

use crds::device_locks::{DeviceLock, OBJECT_NAME};
use crds::{Device, DeviceLocks, DeviceLocksSpec};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::fake_worker::Operator;
use crate::fixture::{Machine, Pod, opened};

async fn register(machine: &Machine, name: &str) {
    let spec = json!({"name": name, "deviceClass": "ophyd.EpicsMotor", "prefix": "x:"});
    let device = Device::new(name, serde_json::from_value(spec).unwrap());
    let devices: Api<Device> = Api::default_namespaced(machine.client());
    devices.create(&PostParams::default(), &device).await.unwrap();
}

fn tables(machine: &Machine) -> Api<DeviceLocks> {
    Api::default_namespaced(machine.client())
}

/// Who holds which device.
async fn held(machine: &Machine) -> Vec<(String, DeviceLock)> {
    let table = tables(machine).get_opt(OBJECT_NAME).await.unwrap();
    table.map(|table| table.spec.locks.into_iter().collect()).unwrap_or_default()
}

/// Somebody else locks a device.
async fn lock_elsewhere(machine: &Machine, device: &str) {
    let foreign = DeviceLock {
        lock_id: "l".into(),
        item_id: "i".into(),
        plan_name: "align".into(),
        locked_by_service: "somebody".into(),
        locked_at: "2026-11-21T01:35:28.544336+00:00".into(),
        expires_at: None,
        sequence: 1,
    };
    let spec =
        DeviceLocksSpec { locks: [(device.to_owned(), foreign)].into(), ..Default::default() };
    let table = DeviceLocks::new(OBJECT_NAME, spec);
    tables(machine).create(&PostParams::default(), &table).await.unwrap();
}

/// A plan that uses two devices of the registry, one of them by a part, and a name that is none.
fn plan() -> Value {
    json!({"name": "wait", "item_type": "plan", "kwargs": {"num": [["m1.user_setpoint"], "m2", "m9"]}})
}

async fn start(pod: &Pod) -> String {
    let reply = pod.must("/queue/item/add", json!({ "item": plan() })).await;
    pod.must("/queue/start", json!({})).await;
    reply["item"]["item_uid"].as_str().unwrap().to_owned()
}

async fn runs(pod: &Pod) {
    pod.until("it runs", async |pod| pod.status().await["re_state"] == "running").await;
}

#[tokio::test]
async fn a_running_plan_holds_its_devices_and_gives_them_back_at_its_end() {
    let machine = Machine::new().await;
    for name in ["m1", "m2", "m3"] {
        register(&machine, name).await;
    }
    let (pod, _operator) = opened(&machine).await;
    let uid = start(&pod).await;
    runs(&pod).await;
    let locks = held(&machine).await;
    let names: Vec<_> = locks.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["m1", "m2"]);
    for (_, lock) in &locks {
        assert_eq!((lock.item_id.as_str(), lock.plan_name.as_str()), (uid.as_str(), "wait"));
        assert_eq!(lock.locked_by_service, "bluesky-queueserver");
        assert_eq!(lock.lock_id, locks[0].1.lock_id);
    }
    pod.must("/re/pause", json!({"option": "immediate"})).await;
    pod.manager("paused").await;
    assert_eq!(held(&machine).await.len(), 2, "a pause gives nothing back");
    pod.must("/re/abort", json!({})).await;
    pod.until("they are free", async |_| held(&machine).await.is_empty()).await;
    pod.stop().await;
}

#[tokio::test]
async fn a_plan_whose_device_is_taken_does_not_start_and_stays_in_front() {
    let machine = Machine::new().await;
    register(&machine, "m1").await;
    register(&machine, "m2").await;
    lock_elsewhere(&machine, "m2").await;
    let (pod, operator) = opened(&machine).await;
    let uid = start(&pod).await;
    pod.manager("idle").await;
    let queue = pod.get("/queue/get").await;
    assert_eq!((&queue["items"][0]["item_uid"], &queue["running_item"]), (&json!(uid), &json!({})));
    let text = pod.get("/console_output").await["text"].as_str().unwrap().to_owned();
    let why = "config-service per-plan device lock failed: Device 'm2' is locked by plan 'align'";
    assert!(text.contains(why), "{text}");
    assert_eq!(pod.status().await["config_service_sync_error"], why);
    let execute = pod.post("/queue/item/execute", json!({ "item": plan() })).await;
    assert!(execute["msg"].as_str().unwrap().contains(why), "{execute}");
    assert!(operator.ran().is_empty());
    assert_eq!(held(&machine).await.len(), 1, "half of a claim is left over");
    assert_eq!(pod.queued().await.len(), 1);

    let free = DeviceLocks::new(OBJECT_NAME, DeviceLocksSpec::default());
    tables(&machine).delete(OBJECT_NAME, &DeleteParams::default()).await.unwrap();
    tables(&machine).create(&PostParams::default(), &free).await.unwrap();
    pod.must("/queue/start", json!({})).await;
    runs(&pod).await;
    let status = pod.status().await;
    assert_eq!(status["config_service_sync_error"], Value::Null);
    assert_eq!(status["http_server_state"], "running");
    pod.stop().await;
}

#[tokio::test]
async fn devices_of_a_plan_that_ended_with_its_server_are_given_back_by_the_next() {
    let machine = Machine::new().await;
    register(&machine, "m1").await;
    register(&machine, "m2").await;
    let (pod, operator) = opened(&machine).await;
    start(&pod).await;
    runs(&pod).await;
    pod.kill().await;
    drop(operator);
    assert_eq!(held(&machine).await.len(), 2);
    let pod = machine.serve().await;
    pod.until("they are free", async |_| held(&machine).await.is_empty()).await;
    assert_eq!(pod.history().await[0]["result"]["exit_status"], "unknown");
    pod.stop().await;
}

/// A queue server whose environment, which is asked for, locks what it has.
async fn holding(machine: &Machine) -> (Pod, Operator) {
    let pod = machine.serve().await;
    machine.configure(json!({"lockScope": "environment", "autostart": true})).await;
    pod.until("configured", async |pod| pod.status().await["queue_autostart_enabled"] == true)
        .await;
    let operator = Operator::start(machine.client());
    pod.must("/environment/open", json!({})).await;
    (pod, operator)
}

async fn names(machine: &Machine) -> Vec<String> {
    held(machine).await.into_iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn an_environment_holds_what_it_has_until_it_is_closed_and_its_plans_use_that() {
    let machine = Machine::new().await;
    for name in ["det", "m3"] {
        register(&machine, name).await;
    }
    let (pod, _operator) = holding(&machine).await;
    pod.manager("idle").await;
    assert_eq!(names(&machine).await, ["det"], "what the environment has, and no more");
    let (_, lock) = held(&machine).await.remove(0);
    assert_eq!(lock.plan_name, "__environment__");
    assert!(lock.item_id.starts_with("env:"), "{}", lock.item_id);
    pod.add("quick").await;
    pod.until("it has run", async |pod| pod.history().await.len() == 1).await;
    assert_eq!(pod.history().await[0]["result"]["exit_status"], "completed");
    assert_eq!(
        held(&machine).await[0].1.lock_id,
        lock.lock_id,
        "the end of a plan gives nothing back"
    );
    pod.must("/environment/close", json!({})).await;
    pod.until("they are free", async |_| held(&machine).await.is_empty()).await;
    pod.stop().await;
}

#[tokio::test]
async fn an_environment_whose_devices_are_taken_does_not_open() {
    let machine = Machine::new().await;
    register(&machine, "det").await;
    lock_elsewhere(&machine, "det").await;
    let (pod, _operator) = holding(&machine).await;
    let why = "Failed to start RE Worker environment. Error: config-service environment device lock failed: \
               Device 'det' is locked by plan 'align'";
    pod.until("it says so", async |pod| {
        pod.get("/console_output").await["text"].as_str().unwrap().contains(why)
    })
    .await;
    pod.manager("idle").await;
    assert_eq!(pod.status().await["worker_environment_exists"], false);
    assert_eq!(held(&machine).await.len(), 1, "the other keeps what it has");
    pod.stop().await;
}

#[tokio::test]
async fn devices_of_an_environment_that_ended_with_its_server_are_given_back_by_the_next() {
    let machine = Machine::new().await;
    register(&machine, "det").await;
    let (pod, operator) = holding(&machine).await;
    pod.manager("idle").await;
    assert_eq!(names(&machine).await, ["det"]);
    pod.kill().await;
    drop(operator);
    let pod = machine.serve().await;
    pod.until("they are free", async |_| held(&machine).await.is_empty()).await;
    pod.stop().await;
}
