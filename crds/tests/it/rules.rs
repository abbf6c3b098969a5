//! The CEL rules, run on the client side with the evaluator that the API server's rules are written
//! for.

use crds::{Device, DeviceClass, DeviceLocks, PlanWorker, ProcessVariable, QueueItem};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn object<K: DeserializeOwned>(kind: &str, name: &str, spec: &Value, status: &Value) -> K {
    serde_json::from_value(json!({
        "apiVersion": "beamline.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
        "status": status,
    }))
    .unwrap()
}

fn device(spec: &Value) -> Device {
    object("Device", "d", spec, &json!(null))
}

fn item(args: &Value, state: &str) -> QueueItem {
    object("QueueItem", "i", &json!({"name": "scan", "args": args}), &json!({"state": state}))
}

#[test]
fn the_name_of_a_device_cannot_change() {
    let old = device(&json!({"name": "a", "deviceClass": "x.Y"}));
    let moved = device(&json!({"name": "a", "deviceClass": "x.Z", "prefix": "P:"}));
    let renamed = device(&json!({"name": "b", "deviceClass": "x.Y"}));
    assert!(old.validate_cel().is_ok());
    assert!(moved.validate_cel_update(&old).is_ok());
    let error = renamed.validate_cel_update(&old).unwrap_err().to_string();
    assert!(error.contains("the name of a device cannot change"), "{error}");
}

#[test]
fn the_name_of_a_pv_and_the_path_of_a_class_cannot_change() {
    let pv = |name: &str, access: &str| -> ProcessVariable {
        let spec = json!({"pvName": name, "accessMode": access});
        object("ProcessVariable", "p", &spec, &json!(null))
    };
    assert!(pv("A", "read-write").validate_cel_update(&pv("A", "read-only")).is_ok());
    assert!(pv("B", "read-only").validate_cel_update(&pv("A", "read-only")).is_err());
    let class = |path: &str, label: &str| -> DeviceClass {
        let spec = json!({"classPath": path, "deviceLabel": label, "behaviour": "Signal"});
        object("DeviceClass", "c", &spec, &json!(null))
    };
    assert!(class("a.B", "motor").validate_cel_update(&class("a.B", "signal")).is_ok());
    assert!(class("a.C", "motor").validate_cel_update(&class("a.B", "motor")).is_err());
}

#[test]
fn a_component_with_a_readback_suffix_needs_a_suffix() {
    let class = |component: &Value| -> DeviceClass {
        let spec = json!({
            "classPath": "a.B", "deviceLabel": "motor", "behaviour": "Signal",
            "components": [component],
        });
        object("DeviceClass", "c", &spec, &json!(null))
    };
    assert!(class(&json!({"name": "x", "suffix": ""})).validate_cel().is_ok());
    assert!(
        class(&json!({"name": "x", "suffix": "", "readbackSuffix": "_R"})).validate_cel().is_ok()
    );
    assert!(class(&json!({"name": "x", "readbackSuffix": "_R"})).validate_cel().is_err());
}

#[test]
fn a_queued_item_may_be_edited_and_one_that_has_run_may_not() {
    let edited = |state| item(&json!([["det"], 2]), state);
    for state in ["Running", "Completed", "Failed", "Stopped", "Aborted", "Halted", "Unknown"] {
        let old = item(&json!([["det"], 1]), state);
        let error = edited(state).validate_cel_update(&old).unwrap_err().to_string();
        assert!(error.contains("cannot be changed any more"), "{state}: {error}");
        assert!(old.validate_cel_update(&old).is_ok(), "{state}: an unchanged spec is no change");
    }
    for state in ["Queued", "Rejected"] {
        assert!(edited(state).validate_cel_update(&item(&json!([["det"], 1]), state)).is_ok());
    }
    let mut fresh = item(&json!([]), "Queued");
    fresh.status = None;
    assert!(edited("Queued").validate_cel_update(&fresh).is_ok());
}

#[test]
fn the_status_of_a_running_item_may_change() {
    let args = json!([["det"], 1]);
    assert!(item(&args, "Completed").validate_cel_update(&item(&args, "Running")).is_ok());
    assert!(item(&args, "Queued").validate_cel_update(&item(&args, "Running")).is_ok());
}

#[test]
fn an_item_stays_in_its_queue_and_within_its_batch() {
    let item = |queue: &str, index: i32| -> QueueItem {
        let batch = json!({"uid": "u", "size": 2, "index": index});
        let spec = json!({"name": "count", "queue": queue, "batch": batch});
        object("QueueItem", "i", &spec, &json!(null))
    };
    assert!(item("main", 1).validate_cel().is_ok());
    assert!(item("main", 2).validate_cel().is_err());
    assert!(item("other", 1).validate_cel_update(&item("main", 1)).is_err());
}

#[test]
fn a_worker_cannot_change() {
    let worker = |epoch: i64| -> PlanWorker {
        let spec = json!({
            "queue": "main", "connectTo": "ws://127.0.0.1:1", "tokenSecret": "t", "epoch": epoch,
        });
        object("PlanWorker", "w", &spec, &json!(null))
    };
    assert!(worker(1).validate_cel_update(&worker(1)).is_ok());
    assert!(worker(2).validate_cel_update(&worker(1)).is_err());
}

#[test]
fn there_is_one_lock_table_and_its_version_only_grows() {
    let table = |name: &str, version: i64, epoch: &str| -> DeviceLocks {
        object("DeviceLocks", name, &json!({"version": version, "epoch": epoch}), &json!(null))
    };
    let name = crds::device_locks::OBJECT_NAME;
    assert!(table(name, 1, "e").validate_cel().is_ok());
    assert!(table("other", 1, "e").validate_cel().is_err());
    assert!(table(name, 3, "e").validate_cel_update(&table(name, 2, "e")).is_ok());
    assert!(table(name, 1, "e").validate_cel_update(&table(name, 2, "e")).is_err());
    assert!(table(name, 0, "f").validate_cel_update(&table(name, 2, "e")).is_ok());
}
