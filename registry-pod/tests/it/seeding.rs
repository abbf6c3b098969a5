//! Seeding at the first start from a profile.

use std::fs;
use std::path::Path;

use crds::Device;
use futures::future::join_all;
use kube::api::ListParams;
use registry_pod::{RunError, Server, Settings, Strategy};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::lab::{Lab, mock, new_device, settings};

fn profile(devices: &Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    write(folder.path(), devices);
    folder
}

fn write(folder: &Path, devices: &Value) {
    fs::write(folder.join("happi_db.json"), devices.to_string()).unwrap();
}

fn with(profile: &TempDir) -> Settings {
    Settings { profile_path: Some(profile.path().to_owned()), ..settings() }
}

fn two() -> Value {
    json!({
        "a": {"device_class": "ophyd.EpicsSignal", "prefix": "X:a", "args": ["{{prefix}}"]},
        "b": {"device_class": "ophyd.EpicsMotor", "prefix": "X:b", "args": ["{{prefix}}"]},
    })
}

async fn names(lab: &Lab) -> Value {
    lab.get("/api/v1/devices").await.of(200)
}

#[tokio::test]
async fn an_empty_registry_begins_with_its_profile_and_only_once() {
    let profile = profile(&two());
    let lab = Lab::new(with(&profile)).await;
    assert_eq!(names(&lab).await, json!(["a", "b"]));
    lab.until(async || lab.history().await.len() == 2).await;
    assert!(lab.history().await.iter().all(|(operation, _)| operation == "seed"));
    lab.delete("/api/v1/devices/a").await.of(200);
    // What was seeded is an object like any other; the profile is not looked at again.
    write(profile.path(), &json!({"c": {"device_class": "a.B"}}));
    let lab = lab.restart(async |_| {}).await;
    assert_eq!(names(&lab).await, json!(["b"]));
    lab.post("/api/v1/devices", new_device("mine", "X:c")).await.of(201);
    // A reset is a look at it: what was made here goes, what the profile says is there.
    let reset = lab.post("/api/v1/registry/reset", json!({})).await.of(200);
    assert_eq!(reset["message"], "Registry reset and re-seeded with 1 devices from profile");
    assert_eq!(names(&lab).await, json!(["c"]));
    lab.post("/api/v1/registry/clear", json!({})).await.of(200);
    let lab = lab.restart(async |_| {}).await;
    assert_eq!(names(&lab).await, json!([]), "a cleared registry stays empty");
}

#[tokio::test]
async fn the_mock_devices_are_those_of_the_python_service() {
    let lab = Lab::new(Settings { load_strategy: Strategy::Mock, ..settings() }).await;
    assert_eq!(lab.get("/health").await.of(200)["devices_loaded"], 3);
    assert_eq!(lab.get("/api/v1/pvs").await.of(200)["count"], 14);
}

#[tokio::test]
async fn a_registry_with_devices_is_not_seeded() {
    let lab = Lab::with(mock()).await;
    let before = names(&lab).await;
    let profile = profile(&two());
    let lab = lab.restart_with(with(&profile)).await;
    assert_eq!(names(&lab).await, before);
}

async fn refused(lab: &Lab, settings: Settings) -> RunError {
    let bound = Server::bind(settings).await.unwrap();
    bound.serve(lab.client(), "default", CancellationToken::new()).await.unwrap_err()
}

#[tokio::test]
async fn a_profile_with_a_bad_entry_leaves_nothing_behind() {
    let lab = Lab::new(Settings { load_strategy: Strategy::Empty, ..settings() }).await;
    let mut bad = two();
    bad["broken"] = json!({});
    let error = refused(&lab, with(&profile(&bad))).await.to_string();
    assert!(error.contains("Failed to load 1 of 3 happi entries; refusing to seed"), "{error}");
    // What only the API can tell is asked before the first device is stored.
    bad["broken"] = json!({"device_class": "a.B", "prefix": "x".repeat(600)});
    let error = refused(&lab, with(&profile(&bad))).await.to_string();
    assert!(error.contains("Errors: broken: "), "{error}");
    assert_eq!(names(&lab).await, json!([]));
}

#[tokio::test]
async fn replicas_that_start_together_seed_every_device_once() {
    let entries = (0..200).map(|at| (format!("d{at:03}"), json!({"device_class": "a.B"})));
    let profile = profile(&Value::Object(entries.collect()));
    let lab = Lab::new(Settings { load_strategy: Strategy::Empty, ..settings() }).await;
    let shutdown = CancellationToken::new();
    let replicas = (0..3).map(async |_| {
        let bound = Server::bind(with(&profile)).await.unwrap();
        let base = format!("http://{}", bound.addr());
        let (client, stop) = (lab.client(), shutdown.clone());
        let server = tokio::spawn(async move { bound.serve(client, "default", stop).await });
        let http = reqwest::Client::new();
        let ready = async || {
            let answer = http.get(format!("{base}/ready")).send().await;
            answer.is_ok_and(|answer| answer.status() == 200)
        };
        lab.until(ready).await;
        // Whoever is ready has all of them.
        let stored = lab.objects::<Device>().list(&ListParams::default()).await.unwrap();
        assert_eq!(stored.items.len(), 200);
        (base, server)
    });
    let servers = join_all(replicas).await;
    lab.until(async || lab.history().await.len() >= 200).await;
    let history = lab.history().await;
    assert!(history.iter().all(|(operation, _)| operation == "seed"), "{history:?}");
    shutdown.cancel();
    for (base, server) in servers {
        assert!(server.await.unwrap().is_ok(), "{base}");
    }
}

#[tokio::test]
async fn a_seeding_that_was_cut_off_is_completed() {
    let profile = profile(&two());
    let lab = Lab::new(with(&profile)).await;
    let lab = lab
        .restart(async |client| {
            let marks: kube::Api<k8s_openapi::api::core::v1::ConfigMap> =
                kube::Api::namespaced(client.clone(), "default");
            let cut = json!({ "data": { "state": "seeding" } });
            let patch = kube::api::Patch::Merge(&cut);
            marks.patch("registry-seed", &Default::default(), &patch).await.unwrap();
            let devices: kube::Api<Device> = kube::Api::namespaced(client, "default");
            devices.delete("a", &Default::default()).await.unwrap();
        })
        .await;
    assert_eq!(names(&lab).await, json!(["a", "b"]));
}

#[tokio::test]
async fn the_description_is_written_where_it_is_asked_for() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("openapi.json");
    let lab = Lab::new(Settings { openapi_export_path: Some(path.clone()), ..settings() }).await;
    let written: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(written, lab.get("/openapi.json").await.of(200));
    let nowhere = Some(folder.path().join("no/such/folder.json"));
    let error = refused(&lab, Settings { openapi_export_path: nowhere, ..settings() }).await;
    assert!(error.to_string().contains("cannot write the OpenAPI description"), "{error}");
}
