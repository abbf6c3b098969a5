//! What remains after the registry was stopped and started again.

use crds::Device;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::lab::{Lab, mock, new_device, settings, spec};

#[tokio::test]
async fn devices_history_versions_epoch_and_locks_survive_a_restart() {
    let lab = Lab::with(mock()).await;
    lab.post("/api/v1/devices", new_device("m2", "P:2")).await.of(201);
    lab.post("/api/v1/pvs", json!({ "pv_name": "S:1" })).await.of(201);
    lab.patch("/api/v1/devices/det1/disable").await.of(200);
    let lock = json!({ "device_names": ["m2"], "item_id": "i1", "plan_name": "count" });
    let taken = lab.post("/api/v1/devices/lock", lock).await.of(200);
    lab.put("/api/v1/devices/lock/policy", json!({ "lock_all": true })).await.of(200);
    let paths = [
        "/api/v1/devices-info",
        "/api/v1/devices/instantiation?active_only=false",
        "/api/v1/pvs/standalone",
        "/api/v1/pvs",
        "/api/v1/devices/history",
        "/api/v1/devices/changes",
        "/api/v1/devices/m2/status",
        "/api/v1/devices/cam1/status",
        "/api/v1/devices/lock/policy",
    ];
    let mut before = Vec::new();
    for path in paths {
        before.push(lab.get(path).await.of(200));
    }
    let lab = lab.restart(async |_| {}).await;
    for (path, before) in paths.into_iter().zip(before) {
        assert_eq!(lab.get(path).await.of(200), before, "{path}");
    }
    let release = json!({ "device_names": ["m2"], "item_id": "i1" });
    let released = lab.post("/api/v1/devices/unlock", release).await.of(200);
    assert_eq!(released["unlocked_devices"], json!(["m2"]));
    assert_eq!(released["lock_epoch"], taken["lock_epoch"]);
}

#[tokio::test]
async fn changes_made_while_no_registry_ran_are_recorded_at_start() {
    let lab = Lab::with(mock()).await;
    lab.until(async || lab.history().await.len() == 3).await;
    let lab = lab
        .restart(async |client| {
            let devices: Api<Device> = Api::namespaced(client, "default");
            let new =
                spec(json!({ "name": "new", "deviceClass": "ophyd.EpicsSignal", "prefix": "N" }));
            devices.create(&PostParams::default(), &Device::new("new", new)).await.unwrap();
            devices.delete("det1", &DeleteParams::default()).await.unwrap();
            let patch = json!({ "spec": { "documentation": "changed" } });
            devices.patch("cam1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        })
        .await;
    lab.until(async || lab.history().await.len() == 6).await;
    let mut late = lab.history().await.split_off(3);
    late.sort();
    let row = |operation: &str, device: &str| (operation.to_owned(), device.to_owned());
    assert_eq!(late, [row("add", "new"), row("delete", "det1"), row("update", "cam1")]);
    let feed = lab.get("/api/v1/devices/changes?since_version=3").await.of(200);
    assert_eq!(feed["changes"].as_array().unwrap().len(), 3);
    assert_eq!(feed["reset_occurred"], false);
}

#[tokio::test]
async fn the_history_is_bounded_and_its_versions_keep_growing() {
    let lab = Lab::new(settings()).await;
    lab.post("/api/v1/devices", new_device("old", "P:old")).await.of(201);
    lab.post("/api/v1/devices", new_device("m", "P:m")).await.of(201);
    lab.post("/api/v1/devices", new_device("gone", "P:gone")).await.of(201);
    lab.delete("/api/v1/devices/gone").await.of(200);
    // One lock of a device that is named often writes many rows at once.
    let many = vec!["m"; 2000];
    let mut rounds = 0;
    let rows = async || lab.get("/api/v1/devices/changes").await.of(200)["current_version"].clone();
    while rows().await.as_u64().unwrap() < 10_500 {
        let lock = json!({ "device_names": many, "item_id": "i", "plan_name": "p" });
        lab.post("/api/v1/devices/lock", lock).await.of(200);
        let release = json!({ "device_names": ["m"], "item_id": "i" });
        lab.post("/api/v1/devices/unlock", release).await.of(200);
        rounds += 1;
    }
    let version = 4 + rounds * 2001;
    for lab in [lab] {
        let kept = lab.history().await.len();
        assert_eq!(kept, 10_000, "the most that one request can ask for");
        let lab = lab.restart(async |_| {}).await;
        let feed = lab.get("/api/v1/devices/changes").await.of(200);
        assert_eq!(feed["current_version"], version);
        assert_eq!(feed["reset_occurred"], false);
        let names: Vec<_> = feed["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| &change["device_name"])
            .collect();
        assert_eq!(names, ["m", "old"]);
        // Whoever was away for that long may have missed the deletion, and is told so.
        let feed = lab.get("/api/v1/devices/changes?since_version=3").await.of(200);
        assert_eq!(feed["reset_occurred"], true);
        lab.post("/api/v1/devices", new_device("next", "P:next")).await.of(201);
        let feed = lab.get("/api/v1/devices/changes").await.of(200);
        assert_eq!(feed["current_version"], version + 1);
    }
}
