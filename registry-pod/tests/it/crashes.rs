//! `kill -9` between any two writes: an operation that makes several is seen after the restart as a whole or not at
//! all, what was acknowledged is there, and the history tells of it.

use std::collections::BTreeMap;
use std::fs;

use registry_pod::Settings;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::lab::{Lab, mock, new_device, settings};

/// More writes than any operation here makes.
const MANY: usize = 40;

/// One request.
#[derive(Clone)]
struct Request(Method, &'static str, Value);

fn post(path: &'static str, body: Value) -> Request {
    Request(Method::POST, path, body)
}

fn lock(devices: &[&str], item: &str) -> Request {
    let body = json!({ "device_names": devices, "item_id": item, "plan_name": "count" });
    post("/api/v1/devices/lock", body)
}

async fn send(lab: &Lab, Request(method, path, body): &Request) -> bool {
    lab.send(method.clone(), path, Some(body)).await.status.is_success()
}

/// All that clients see of devices, PVs and locks, without what differs from run to run.
async fn seen(lab: &Lab) -> BTreeMap<String, Value> {
    let mut seen = BTreeMap::new();
    let mut paths: Vec<String> = [
        "/api/v1/devices-info",
        "/api/v1/devices/instantiation?active_only=false",
        "/api/v1/devices/lock/policy",
        "/api/v1/pvs/standalone",
    ]
    .map(str::to_owned)
    .into();
    let pvs = lab.get("/api/v1/pvs").await.of(200);
    let pvs = pvs["pvs"].as_array().unwrap().iter().map(|pv| pv.as_str().unwrap().to_owned());
    paths.extend(pvs.map(|pv| format!("/api/v1/pvs/lookup?pv_name={pv}")));
    for path in paths {
        let answer = lab.get(&path).await.of(200);
        seen.insert(path, answer);
    }
    let devices = lab.get("/api/v1/devices").await.of(200);
    for name in devices.as_array().unwrap() {
        let path = format!("/api/v1/devices/{}/status", name.as_str().unwrap());
        let mut status = lab.get(&path).await.of(200);
        status.as_object_mut().unwrap().remove("locked_at");
        seen.insert(path, status);
    }
    for record in seen.get_mut("/api/v1/pvs/standalone").unwrap().as_array_mut().unwrap() {
        for time in ["created_at", "updated_at"] {
            record.as_object_mut().unwrap().remove(time);
        }
    }
    for answer in seen.values_mut() {
        if let Some(answer) = answer.as_object_mut() {
            answer.remove("lock_epoch");
        }
    }
    seen
}

/// What the history says was done, from `version` on: how often to which device.
async fn told(lab: &Lab, version: usize) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for (_, device) in lab.history().await.into_iter().skip(version) {
        *told.entry(device).or_default() += 1;
    }
    told
}

/// A registry that was prepared, all of it recorded.
async fn prepared(devices: bool, prepare: &[Request]) -> Lab {
    let lab = if devices { Lab::with(mock()).await } else { Lab::new(settings()).await };
    let known = lab.get("/api/v1/devices").await.of(200).as_array().unwrap().len();
    lab.until(async || lab.history().await.len() == known).await;
    for request in prepare {
        assert!(send(&lab, request).await);
    }
    lab
}

/// Ends the registry before every single write of `operation`.
async fn is_all_or_nothing(prepare: &[Request], operation: Request) {
    let lab = prepared(true, prepare).await;
    let version = lab.history().await.len();
    assert!(send(&lab, &operation).await);
    let lab = lab.crash().await;
    let (after, rows) = (seen(&lab).await, told(&lab, version).await);
    assert!(!rows.is_empty());
    for writes in 0..MANY {
        let lab = prepared(true, prepare).await;
        let before = seen(&lab).await;
        lab.line().cut_behind(writes);
        let acknowledged = send(&lab, &operation).await;
        let was_cut = lab.line().has_refused();
        let lab = lab.crash().await;
        let now = seen(&lab).await;
        let done = now == after;
        assert!(done || now == before, "behind write {writes}: {now:#?}");
        assert!(done || !acknowledged, "behind write {writes}: acknowledged and lost");
        let wanted = if done { rows.clone() } else { BTreeMap::new() };
        let history = async || told(&lab, version).await;
        lab.until(async || history().await.len() >= wanted.len()).await;
        assert_eq!(history().await, wanted, "behind write {writes}: done: {done}");
        if done && was_cut {
            // What was mended stays as it is.
            let lab = lab.crash().await;
            assert_eq!(seen(&lab).await, now, "behind write {writes}");
            assert_eq!(told(&lab, version).await, wanted, "behind write {writes}");
        }
        if !was_cut {
            assert!(writes > 1 && acknowledged, "an operation of one write needs no such test");
            return;
        }
    }
    panic!("more than {MANY} writes");
}

#[tokio::test]
async fn a_created_device() {
    is_all_or_nothing(&[], post("/api/v1/devices", new_device("new", "P:new"))).await;
}

#[tokio::test]
async fn a_changed_device() {
    let change = json!({
        "metadata": { "documentation": "new" }, "instantiation_spec": { "active": false },
    });
    is_all_or_nothing(&[], Request(Method::PUT, "/api/v1/devices/det1", change)).await;
}

#[tokio::test]
async fn a_device_switched_off() {
    is_all_or_nothing(&[], Request(Method::PATCH, "/api/v1/devices/det1/disable", json!({}))).await;
}

#[tokio::test]
async fn a_deleted_device_whose_pvs_find_another_owner() {
    let shared = post("/api/v1/devices", new_device("zz", "BL01:DET1:CNT"));
    let delete = Request(Method::DELETE, "/api/v1/devices/zz", json!({}));
    is_all_or_nothing(&[shared], delete).await;
}

#[tokio::test]
async fn a_device_that_takes_over_pvs_of_others_and_of_none() {
    let standalone = post("/api/v1/pvs", json!({ "pv_name": "S:1" }));
    let mut device = new_device("zz", "BL01:DET1:CNT");
    device["metadata"]["pvs"]["second"] = json!("S:1");
    is_all_or_nothing(&[standalone], post("/api/v1/devices", device)).await;
}

#[tokio::test]
async fn a_lock_on_several_devices() {
    is_all_or_nothing(&[], lock(&["det1", "cam1"], "i1")).await;
}

#[tokio::test]
async fn a_release_of_several_devices() {
    let release = json!({ "device_names": ["det1", "cam1"], "item_id": "i1" });
    let held = lock(&["det1", "cam1", "sample_x"], "i1");
    is_all_or_nothing(&[held], post("/api/v1/devices/unlock", release)).await;
}

#[tokio::test]
async fn a_forced_release_of_several_devices() {
    let release = json!({ "device_names": ["det1", "cam1"], "reason": "the plan is gone" });
    let held = lock(&["det1", "cam1", "sample_x"], "i1");
    is_all_or_nothing(&[held], post("/api/v1/devices/force-unlock", release)).await;
}

/// Devices of a manifest and of this API, some switched off, some locked.
fn in_use() -> Vec<Request> {
    vec![
        post("/api/v1/devices", new_device("own", "P:own")),
        post("/api/v1/devices", new_device("other", "P:other")),
        Request(Method::PATCH, "/api/v1/devices/det1/disable", json!({})),
        Request(Method::PATCH, "/api/v1/devices/sample_x/disable", json!({})),
        post("/api/v1/pvs", json!({ "pv_name": "S:1" })),
        lock(&["cam1", "own"], "i1"),
    ]
}

#[tokio::test]
async fn a_reset() {
    is_all_or_nothing(&in_use(), post("/api/v1/registry/reset", json!({}))).await;
}

#[tokio::test]
async fn a_clear() {
    is_all_or_nothing(&in_use(), post("/api/v1/registry/clear", json!({}))).await;
}

/// A happi database of three devices.
fn profile() -> TempDir {
    let folder = TempDir::new().unwrap();
    let device = |pv: &str| json!({ "device_class": "ophyd.EpicsSignal", "prefix": pv, "args": ["{{prefix}}"] });
    let devices = json!({ "a": device("X:a"), "b": device("X:b"), "c": device("X:c") });
    fs::write(folder.path().join("happi_db.json"), devices.to_string()).unwrap();
    folder
}

/// Ends a registry that seeds itself before every single write, and starts it again with other settings. `all` says
/// whether its devices must be there then.
async fn seeds_all_or_nothing(again: impl Fn(&Settings) -> Settings, all: bool) {
    let folder = profile();
    let with = Settings { profile_path: Some(folder.path().to_owned()), ..settings() };
    for writes in 0..MANY {
        let lab = Lab::dying(with.clone(), writes).await;
        let recorded = async || lab.is_ready().await && lab.history().await.len() == 3;
        lab.until(async || lab.line().has_refused() || recorded().await).await;
        let was_cut = lab.line().has_refused();
        lab.line().cut(true);
        let lab = lab.restart_with(again(&with)).await;
        let names = lab.get("/api/v1/devices").await.of(200);
        let is_seeded = names == json!(["a", "b", "c"]);
        assert!(is_seeded || !all && names == json!([]), "behind write {writes}: {names}");
        let rows: Vec<_> = if is_seeded { vec!["a", "b", "c"] } else { Vec::new() };
        let told = async || {
            let mut rows = lab.history().await;
            rows.sort_by(|one, other| one.1.cmp(&other.1));
            rows
        };
        lab.until(async || told().await.len() >= rows.len()).await;
        let wanted: Vec<_> =
            rows.iter().map(|name| ("seed".to_owned(), (*name).to_owned())).collect();
        assert_eq!(told().await, wanted, "behind write {writes}");
        if !was_cut {
            assert!(is_seeded && writes > 5);
            return;
        }
    }
    panic!("more than {MANY} writes");
}

#[tokio::test]
async fn a_seeding() {
    seeds_all_or_nothing(Clone::clone, true).await;
}

#[tokio::test]
async fn a_seeding_whose_profile_is_gone_at_the_next_start() {
    seeds_all_or_nothing(|with| Settings { profile_path: None, ..with.clone() }, false).await;
}

#[tokio::test]
async fn a_crash_while_a_clear_is_completed() {
    for (first, second) in
        [2, 3, 4, 6].into_iter().flat_map(|first| [0, 2, 4].map(|second| (first, second)))
    {
        let lab = prepared(true, &in_use()).await;
        let before = lab.history().await.len();
        lab.line().cut_behind(first);
        send(&lab, &post("/api/v1/registry/clear", json!({}))).await;
        let lab = lab.crash_again(second).await.crash().await;
        let at = format!("behind writes {first} and {second}");
        assert_eq!(lab.get("/api/v1/devices").await.of(200), json!([]), "{at}");
        assert_eq!(told(&lab, before).await, [("*".to_owned(), 1)].into(), "{at}");
    }
}
