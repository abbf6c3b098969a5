//! Changes that come past the registry: what kubectl, Argo CD or another replica write.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use crds::{Device, ProcessVariable};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use registry_pod::Settings;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::lab::{Lab, mock, new_device, settings, spec};

fn plain(name: &str, pv: &str) -> Device {
    let spec = spec(json!({ "name": name, "deviceClass": "ophyd.EpicsSignal", "prefix": pv }));
    Device::new(&crds::names::object_name(name), spec)
}

async fn since(lab: &Lab, version: u64) -> Value {
    lab.get(&format!("/api/v1/devices/changes?since_version={version}")).await.of(200)
}

#[tokio::test]
async fn changes_by_kubectl_appear_in_the_feed_and_the_history() {
    let lab = Lab::with(mock()).await;
    let devices = lab.objects::<Device>();
    lab.until(async || since(&lab, 0).await["current_version"] == 3).await;
    let epoch = since(&lab, 0).await["service_epoch"].clone();

    devices.create(&PostParams::default(), &plain("k1", "K:1")).await.unwrap();
    lab.until(async || since(&lab, 3).await["changes"][0]["op"] == "upsert").await;
    let feed = since(&lab, 3).await;
    assert_eq!(feed["changes"][0]["metadata"]["pvs"], json!({ "readback": "K:1" }));
    assert_eq!(feed["changes"][0]["spec"]["args"], json!(["K:1"]));
    assert_eq!(lab.get("/api/v1/pvs/K:1").await.of(200)["device_name"], "k1");

    let patch = json!({ "spec": { "documentation": "by hand" } });
    devices.patch("k1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    lab.until(async || since(&lab, 4).await["current_version"] == 5).await;
    let patch = json!({ "metadata": { "annotations": { "beamline.dev/active": "false" } } });
    devices.patch("k1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    lab.until(async || since(&lab, 5).await["current_version"] == 6).await;
    assert_eq!(lab.get("/api/v1/devices/k1/status").await.of(200)["enabled"], false);
    // What the API does not show is nobody's news.
    let patch = json!({ "metadata": { "labels": { "any": "thing" } } });
    devices.patch("k1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();

    devices.delete("k1", &DeleteParams::default()).await.unwrap();
    lab.until(async || since(&lab, 6).await["changes"][0]["op"] == "delete").await;
    assert_eq!(since(&lab, 6).await["changes"][0]["metadata"], Value::Null);
    assert_eq!(since(&lab, 0).await["service_epoch"], epoch);
    let rows = lab.get("/api/v1/devices/history?device_name=k1").await.of(200);
    let rows: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["id"].as_u64().unwrap(),
                row["operation"].as_str().unwrap(),
                row["details"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (7, "delete", Some(r#"{"ophyd_class": "EpicsSignal", "device_label": "signal"}"#)),
            (6, "disable", Some(r#"{"field": "active", "old": true, "new": false}"#)),
            (5, "update", Some(r#"{"changed_fields": ["documentation"]}"#)),
            (4, "add", Some(r#"{"device_label": "signal", "ophyd_class": "EpicsSignal"}"#)),
        ]
    );
}

#[tokio::test]
async fn a_change_over_the_api_is_recorded_once() {
    let lab = Lab::new(settings()).await;
    for at in 0..10 {
        lab.post("/api/v1/devices", new_device(&format!("d{at}"), "P")).await.of(201);
    }
    lab.delete("/api/v1/devices/d0").await.of(200);
    // A change past the registry is recorded after everything before it.
    lab.objects::<Device>().create(&PostParams::default(), &plain("last", "K:1")).await.unwrap();
    lab.until(async || lab.history().await.last().is_some_and(|(_, name)| name == "last")).await;
    let history = lab.history().await;
    assert_eq!(history.len(), 12, "{history:?}");
    assert_eq!(history[10], ("delete".to_owned(), "d0".to_owned()));
}

#[tokio::test]
async fn a_change_that_could_not_be_recorded_at_once_is_recorded_later() {
    let lab = Lab::new(settings()).await;
    lab.line().history_fails(true);
    lab.post("/api/v1/devices", new_device("d", "P")).await.of(503);
    assert!(lab.history().await.is_empty());
    lab.line().history_fails(false);
    let row = ("add".to_owned(), "d".to_owned());
    lab.until(async || lab.history().await == std::slice::from_ref(&row)).await;
}

#[tokio::test]
async fn what_git_owns_is_changed_in_git_but_can_be_switched_off() {
    let lab = Lab::new(settings()).await;
    let mut device = plain("g1", "G:1");
    let label = ("kustomize.toolkit.fluxcd.io/name".to_owned(), "lab".to_owned());
    device.metadata.labels = Some([label].into());
    let devices = lab.objects::<Device>();
    devices.create(&PostParams::default(), &device).await.unwrap();
    lab.until(async || lab.get("/api/v1/devices/g1").await.status == 200).await;
    let detail = r#"{"detail":"Device 'g1' is synced from git by Flux kustomization 'lab'; change it there"}"#;
    lab.put("/api/v1/devices/g1", json!({ "metadata": { "documentation": "x" } }))
        .await
        .is(409, detail);
    lab.delete("/api/v1/devices/g1").await.is(409, detail);
    lab.post("/api/v1/registry/clear", json!({})).await.of(409);
    lab.patch("/api/v1/devices/g1/disable").await.of(200);
    let stored = devices.get("g1").await.unwrap();
    assert!(stored.spec.active, "git's own field is untouched");
    assert!(!stored.is_active());
}

#[tokio::test]
async fn a_standalone_pv_of_git_names_the_application_to_edit() {
    let lab = Lab::new(settings()).await;
    let tracking = "bl01-devices:beamline.dev/ProcessVariable:bl01/ring";
    let pv = json!({
        "metadata": { "name": "ring", "annotations": { "argocd.argoproj.io/tracking-id": tracking } },
        "spec": { "pvName": "SR:C" },
    });
    let pv: ProcessVariable = serde_json::from_value(pv).unwrap();
    lab.objects::<ProcessVariable>().create(&PostParams::default(), &pv).await.unwrap();
    lab.until(async || lab.get("/api/v1/pvs/SR:C").await.status == 200).await;
    let detail = r#"{"detail":"Standalone PV 'SR:C' is synced from git by Argo CD application 'bl01-devices'; change it there"}"#;
    let change = json!({ "description": "x" });
    lab.put("/api/v1/pvs/standalone/SR:C", change).await.is(409, detail);
    lab.delete("/api/v1/pvs/standalone/SR:C").await.is(409, detail);
}

#[tokio::test]
async fn what_git_owns_is_changed_when_the_beamline_allows_it() {
    let lab = Lab::new(Settings { runtime_edits: true, ..settings() }).await;
    let mut device = plain("g1", "G:1");
    let label = ("argocd.argoproj.io/instance".to_owned(), "lab".to_owned());
    device.metadata.labels = Some([label].into());
    lab.objects::<Device>().create(&PostParams::default(), &device).await.unwrap();
    lab.until(async || lab.get("/api/v1/devices/g1").await.status == 200).await;
    let change = json!({ "metadata": { "documentation": "x" } });
    lab.put("/api/v1/devices/g1", change).await.of(200);
    lab.delete("/api/v1/devices/g1").await.of(200);
}

#[tokio::test]
async fn a_reset_keeps_what_manifests_say_and_a_clear_keeps_nothing() {
    let lab = Lab::with(mock()).await;
    lab.post("/api/v1/devices", new_device("extra", "P")).await.of(201);
    lab.post("/api/v1/pvs", json!({ "pv_name": "S:1" })).await.of(201);
    lab.patch("/api/v1/devices/det1/disable").await.of(200);
    let lock = json!({ "device_names": ["cam1"], "item_id": "i", "plan_name": "p" });
    lab.post("/api/v1/devices/lock", lock).await.of(200);
    let before = since(&lab, 0).await;
    lab.post("/api/v1/registry/reset", json!({})).await.is(
        200,
        r#"{"success":true,"device_name":"*","operation":"reset","message":"Registry reset and re-seeded with 3 devices from profile"}"#,
    );
    assert_eq!(lab.get("/api/v1/devices").await.of(200), json!(["cam1", "det1", "sample_x"]));
    assert_eq!(lab.get("/api/v1/devices/det1/status").await.of(200)["enabled"], true);
    assert_eq!(lab.get("/api/v1/devices/cam1/status").await.of(200)["lock_status"], "unlocked");
    let version = before["current_version"].as_u64().unwrap();
    let after = since(&lab, version).await;
    assert_eq!(after["reset_occurred"], true);
    assert_ne!(after["service_epoch"], before["service_epoch"]);
    let upserts = after["changes"].as_array().unwrap();
    assert!(upserts.len() == 3 && upserts.iter().all(|change| change["op"] == "upsert"));

    lab.post("/api/v1/registry/clear", json!({})).await.is(
        200,
        r#"{"success":true,"device_name":"*","operation":"clear","message":"Registry cleared. 0 devices. Use CRUD or EE sync to populate."}"#,
    );
    assert_eq!(lab.get("/api/v1/devices-info").await.of(200), json!({}));
    assert_eq!(lab.get("/api/v1/pvs").await.of(200)["pvs"], json!(["S:1"]));
    let feed = since(&lab, 0).await;
    assert!(feed["changes"].as_array().unwrap().iter().all(|change| change["op"] == "delete"));
    assert_eq!(lab.history().await.last().unwrap().0, "reset");
}

#[tokio::test]
async fn a_replica_answers_what_the_other_wrote() {
    let lab = Lab::new(settings()).await;
    let (replica, _stop) = lab.replica().await;
    lab.post("/api/v1/devices", new_device("m", "P")).await.of(201);
    let history = async || {
        let path = "/api/v1/devices/history";
        lab.send_to(&replica, reqwest::Method::GET, path, None).await.of(200)
    };
    lab.until(async || history().await[0]["operation"] == "add").await;
    let path = "/api/v1/devices/m";
    lab.until(async || lab.send_to(&replica, reqwest::Method::GET, path, None).await.status == 200)
        .await;
}

#[tokio::test]
async fn the_history_says_who_changed_what() {
    let lab = Lab::with(mock()).await;
    lab.until(async || lab.history().await.len() == 3).await;
    let devices = lab.objects::<Device>();
    let latest = async |rows: usize| {
        lab.until(async || lab.history().await.len() == rows).await;
        let all = lab.get("/api/v1/devices/history?limit=1").await.of(200);
        let row = all[0].clone();
        (row["operation"].clone(), row["changed_by"].clone(), row["changes"].clone())
    };
    let by_hand = PatchParams { field_manager: Some("kubectl-edit".into()), ..Default::default() };
    let patch = json!({ "spec": { "documentation": "by hand" } });
    devices.patch("det1", &by_hand, &Patch::Merge(&patch)).await.unwrap();
    let changes = json!({ "documentation": { "old": null, "new": "by hand" } });
    assert_eq!(latest(4).await, (json!("update"), json!("kubectl-edit"), changes));

    let change = json!({ "metadata": { "documentation": "over the API" } });
    lab.put("/api/v1/devices/det1", change).await.of(200);
    let changes = json!({ "documentation": { "old": "by hand", "new": "over the API" } });
    assert_eq!(latest(5).await, (json!("update"), json!("beamline-registry"), changes));

    lab.patch("/api/v1/devices/det1/disable").await.of(200);
    let changes = json!({ "spec.active": { "old": true, "new": false } });
    assert_eq!(latest(6).await, (json!("disable"), json!("beamline-registry"), changes));

    let lock = json!({
        "device_names": ["cam1"], "item_id": "i", "plan_name": "p", "locked_by_service": "queue",
    });
    lab.post("/api/v1/devices/lock", lock).await.of(200);
    assert_eq!(latest(7).await, (json!("lock"), json!("queue"), Value::Null));

    // Kubernetes does not say who deletes.
    devices.delete("det1", &DeleteParams::default()).await.unwrap();
    assert_eq!(latest(8).await, (json!("delete"), Value::Null, Value::Null));
}

#[tokio::test]
async fn long_rows_do_not_outgrow_the_objects_that_keep_them() {
    let lab = Lab::with(mock()).await;
    // Each of them is seven bytes of a row.
    let long = "\u{1}".repeat(2000);
    let names = ["sample_x", "det1", "cam1"];
    for _ in 0..40 {
        let lock = json!({ "device_names": names, "item_id": "i", "plan_name": "count" });
        lab.post("/api/v1/devices/lock", lock).await.of(200);
        let release = json!({ "device_names": names, "reason": long });
        lab.post("/api/v1/devices/force-unlock", release).await.of(200);
    }
    assert_eq!(lab.history().await.len(), 3 + 40 * 6);
    let kept = lab.objects::<ConfigMap>().list(&ListParams::default()).await.unwrap();
    let sizes = kept.iter().map(|one| serde_json::to_string(one).unwrap().len());
    assert!(sizes.max().unwrap() < 512 * 1024, "the API takes no more than 1 MiB");
    let before = lab.get("/api/v1/devices/history?limit=10000").await.of(200);
    let lab = lab.restart(async |_| {}).await;
    assert_eq!(lab.get("/api/v1/devices/history?limit=10000").await.of(200), before);
}

/// Direct control writes the status of PVs and devices whenever an IOC comes or goes.
async fn others_are_faster(
    State(times): State<Arc<AtomicUsize>>,
    request: Request,
    next: Next,
) -> Response {
    let one_less = |left: usize| left.checked_sub(1);
    let replaces = request.method() == Method::PUT && !request.uri().path().contains("configmaps");
    if replaces && times.fetch_update(SeqCst, SeqCst, one_less).is_ok() {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 409,
            "reason": "Conflict", "message": "the object has been modified",
        });
        return (StatusCode::CONFLICT, axum::Json(status)).into_response();
    }
    next.run(request).await
}

#[tokio::test]
async fn a_change_survives_that_others_write_the_same_object() {
    let lab = Lab::with(mock()).await;
    lab.post("/api/v1/pvs", json!({ "pv_name": "S:1" })).await.of(201);
    let times = Arc::new(AtomicUsize::new(0));
    let api = lab.api().layer(from_fn_with_state(Arc::clone(&times), others_are_faster));
    let another = lab.another_on(api).await;
    let base = &another.base;
    lab.until(async || lab.get_from(base, "/ready").await.status == StatusCode::OK).await;
    let changes = [
        ("/api/v1/pvs/standalone/S:1", json!({ "description": "ring current" })),
        ("/api/v1/devices/det1", json!({ "metadata": { "documentation": "scaler" } })),
    ];
    for (path, change) in changes {
        times.store(3, SeqCst);
        lab.send_to(base, Method::PUT, path, Some(&change)).await.of(200);
        assert_eq!(times.load(SeqCst), 0);
        times.store(99, SeqCst);
        let refused = lab.send_to(base, Method::PUT, path, Some(&change)).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
}
