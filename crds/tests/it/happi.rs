//! happi databases to devices and back.

use crds::device::{DeviceLabel, DeviceSpec, Framework};
use crds::happi::{database, devices, export};
use serde_json::{Value, json};

use crate::golden::repository;

fn mini_beamline() -> String {
    std::fs::read_to_string(repository("examples/mini-beamline/happi_db.json")).unwrap()
}

fn specs(text: &str) -> Vec<DeviceSpec> {
    devices(text).unwrap().into_iter().map(|device| device.spec).collect()
}

fn problem(database: &Value) -> String {
    devices(&database.to_string()).unwrap_err().to_string()
}

#[test]
fn templates_are_kept_and_other_keys_go_to_extra() {
    let entry = json!({"m": {
        "_id": "m", "name": "m", "type": "OphydItem", "device_class": "ophyd.EpicsMotor",
        "prefix": "X:m", "args": ["{{prefix}}"], "kwargs": {"name": "{{name}}", "labels": ["{{name}}"]},
        "active": false, "documentation": "a motor", "functional_group": "sample motors",
        "location_group": "hutch", "beamline": "bl", "framework": "ophyd-async", "z": 4.5,
    }});
    let spec = specs(&entry.to_string()).remove(0);
    assert_eq!(spec.args, [json!("{{prefix}}")]);
    assert_eq!(spec.kwargs["labels"], json!(["{{name}}"]));
    assert_eq!(spec.rendered_kwargs()["labels"], json!(["m"]));
    assert_eq!(spec.prefix.as_deref(), Some("X:m"));
    assert!(!spec.active);
    assert_eq!(spec.framework, Some(Framework::OphydAsync));
    assert_eq!(spec.device_label, Some(DeviceLabel::Motor));
    assert_eq!(spec.labels, ["sample motors"]);
    assert_eq!(Value::Object(spec.extra.clone()), json!({"z": 4.5}));
    assert_eq!(Value::Object(database([&spec])), entry);
}

#[test]
fn the_export_has_the_shape_of_the_registry() {
    let spec: DeviceSpec = serde_json::from_value(json!({
        "name": "sample_x", "deviceClass": "ophyd.EpicsMotor", "prefix": "BL01:SAMPLE:X",
        "args": ["{{prefix}}"], "kwargs": {"name": "{{name}}"}, "extra": {"type": "OphydItem"},
    }))
    .unwrap();
    let text = serde_json::to_string(&export([&spec])).unwrap();
    assert_eq!(
        text,
        r#"{"sample_x":{"_id":"sample_x","name":"sample_x","device_class":"ophyd.EpicsMotor","args":["BL01:SAMPLE:X"],"kwargs":{"name":"sample_x"},"type":"OphydItem","active":true,"prefix":"BL01:SAMPLE:X"}}"#
    );
}

#[test]
fn importing_what_was_exported_changes_nothing_that_matters() {
    let first = specs(&mini_beamline());
    assert_eq!(first.len(), 26);
    let verbatim = Value::Object(database(&first)).to_string();
    assert_eq!(specs(&verbatim), first);
    let exported = specs(&Value::Object(export(&first)).to_string());
    for (a, b) in first.iter().zip(&exported) {
        assert_eq!(a.rendered_args(), b.rendered_args());
        assert_eq!((&a.name, &a.device_class, &a.prefix), (&b.name, &b.device_class, &b.prefix));
    }
}

#[test]
fn importing_twice_gives_the_same_objects() {
    let text = mini_beamline();
    assert_eq!(devices(&text).unwrap(), devices(&text).unwrap());
}

#[test]
fn a_list_of_entries_is_a_database_too() {
    let list = json!([{"name": "d", "device_class": "ophyd.sim.SynGauss"}]);
    assert_eq!(specs(&list.to_string())[0].name, "d");
}

#[test]
fn every_bad_entry_is_named_with_what_is_wrong_and_none_is_taken() {
    let error = problem(&json!({
        "good": {"device_class": "a.B"},
        "nothing": {},
        "bare": {"device_class": "a.B", "args": ["{{prefix}}"]},
        "renamed": {"device_class": "a.B", "name": "other"},
        "a b": {"device_class": "a.B"},
        "odd": {"device_class": "a.B", "framework": "tango"},
        "flat": {"device_class": "a.B", "args": "x"},
        "text": 7,
    }));
    assert!(error.starts_with("failed to read 7 of 8 happi entries: "), "{error}");
    for part in [
        "nothing: missing required 'device_class' field",
        "bare: refers to '{{prefix}}' and has no 'prefix' field",
        "renamed: its name 'other' is not its key",
        "a b: the name must be printable ASCII",
        "odd: 'framework' must be 'ophyd-sync' or 'ophyd-async'",
        "flat: 'args' must be a list",
        "text: is not an object",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert!(!error.contains("good:"), "{error}");
}

#[test]
fn a_long_list_of_bad_entries_is_cut() {
    let bad: serde_json::Map<_, _> = (0..30).map(|n| (format!("d{n}"), json!({}))).collect();
    assert!(problem(&Value::Object(bad)).ends_with("; ...and 10 more"));
}

#[test]
fn what_is_no_database_is_said_so() {
    assert!(problem(&json!("text")).contains("neither an object of entries nor a list"));
    assert!(devices("{").unwrap_err().to_string().contains("failed to parse the happi database"));
}
