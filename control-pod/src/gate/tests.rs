use std::sync::Arc;

use crds::device_class::{Behaviour, DeviceClassSpec};
use crds::device_locks::DeviceLock;
use crds::resolve::Catalogue;
use crds::{Device, DeviceLocksSpec, ProcessVariable};
use serde_json::{Value, json};

use super::*;
use crate::registry::subject::Subject;

fn class(value: Value) -> DeviceClassSpec {
    serde_json::from_value(value).unwrap()
}

fn catalogue() -> Catalogue {
    Catalogue::new([
        class(json!({
            "classPath": "localdevs.Det", "deviceLabel": "detector", "behaviour": "Composite",
            "components": [{"name": "det", "suffix": ":det"}, {"name": "exp", "suffix": ":exp"}]
        })),
        class(json!({
            "classPath": "ophyd.signal.EpicsSignal", "deviceLabel": "signal", "behaviour": "Signal",
            "components": [{"name": "readback", "suffix": ""}]
        })),
    ])
}

fn device(name: &str, class: &str, prefix: &str, active: bool) -> Arc<KnownDevice> {
    let spec = json!({"name": name, "deviceClass": class, "prefix": prefix, "active": active});
    let device = Device::new(name, serde_json::from_value(spec).unwrap());
    Arc::new(KnownDevice::new(&device, &catalogue()))
}

fn lock(plan: &str) -> DeviceLock {
    serde_json::from_value(json!({
        "lockId": "l", "itemId": "i", "planName": plan, "lockedByService": "s",
        "lockedAt": "2026-11-21T01:35:28+00:00"
    }))
    .unwrap()
}

fn alone() -> ProcessVariable {
    let spec = json!({"pvName": "alone", "protocol": "pva"});
    ProcessVariable::new("alone", serde_json::from_value(spec).unwrap())
}

fn registry(locked: &[&str]) -> Snapshot {
    let mut registry = Snapshot::default();
    for device in [
        device("pinhole", "localdevs.Det", "mini:ph", true),
        device("pinhole_exp", "ophyd.signal.EpicsSignal", "mini:ph:exp", true),
        device("off", "ophyd.signal.EpicsSignal", "mini:off", false),
    ] {
        registry.put_device(device);
    }
    registry.put_standalone("alone", Arc::new(Subject::of_pv(&alone())));
    registry.set_locks(DeviceLocksSpec {
        locks: locked.iter().map(|name| ((*name).to_owned(), lock("count"))).collect(),
        ..DeviceLocksSpec::default()
    });
    registry
}

fn now() -> Timestamp {
    Timestamp::now()
}

#[test]
fn the_registry_must_know_what_is_used() {
    let registry = registry(&[]);
    assert!(known_pv(&registry, "mini:ph:det").is_ok());
    assert!(known_pv(&registry, "alone").is_ok());
    let refusal = known_pv(&registry, "NOTREG").unwrap_err();
    assert_eq!(refusal.to_string(), "PV 'NOTREG' not found in the registry");
    let refusal = known_device(&registry, "ghost").unwrap_err();
    assert_eq!(refusal.to_string(), "DEVICE 'ghost' not found in the registry");
}

#[test]
fn a_signal_owns_its_pv_before_a_compound_does() {
    let registry = registry(&[]);
    let names: Vec<_> =
        registry.devices_of("mini:ph:exp").iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["pinhole_exp", "pinhole"]);
}

#[test]
fn a_lock_on_any_device_of_the_pv_refuses_the_write() {
    let registry = registry(&["pinhole"]);
    let refusal = pv_available(&registry, "mini:ph:exp", now()).unwrap_err();
    assert_eq!(refusal.to_string(), "Device name pinhole is locked by plan count");
    assert!(pv_available(&registry, "alone", now()).is_ok());
}

#[test]
fn disabled_wins_over_locked() {
    let registry = registry(&["off"]);
    let refusal = pv_available(&registry, "mini:off", now()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "Device name off is disabled in configuration_service. Re-enable before commanding."
    );
    let device = registry.device("off").unwrap();
    assert_eq!(device_available(&registry, device, now()), Err(refusal));
}

#[test]
fn an_enabled_and_unlocked_device_is_available() {
    let registry = registry(&["pinhole"]);
    let device = registry.device("pinhole_exp").unwrap();
    assert!(device_available(&registry, device, now()).is_ok());
    assert_eq!(device.operable.behaviour, Behaviour::Signal);
    assert!(pv_available(&registry, "nobody:knows", now()).is_ok());
}

#[test]
fn a_lock_on_a_compound_does_not_refuse_its_neighbour() {
    let registry = registry(&["pinhole_exp"]);
    assert!(pv_available(&registry, "mini:ph:det", now()).is_ok());
    assert!(pv_available(&registry, "mini:ph:exp", now()).is_err());
}

#[test]
fn a_protocol_before_its_name_opens_no_way_around_the_gate() {
    let registry = registry(&["pinhole"]);
    for scheme in ["ca://", "pva://"] {
        let name = format!("{scheme}mini:ph:exp");
        assert!(known_pv(&registry, &name).is_ok());
        assert!(pv_available(&registry, &name, now()).is_err());
        assert!(known_pv(&registry, &format!("{scheme}NOTREG")).is_err());
    }
}

#[test]
fn a_pv_is_searched_over_the_protocol_that_it_asks_for_or_that_is_declared() {
    let mut registry = registry(&[]);
    registry.put_device(device("over_pva", "localdevs.Det", "pva://img:1", true));
    for (asked, searched) in [
        ("alone", "pva://alone"),
        ("ca://alone", "ca://alone"),
        ("pva://mini:ph:det", "pva://mini:ph:det"),
        ("mini:ph:det", "mini:ph:det"),
        ("img:1:det", "pva://img:1:det"),
        ("NOTREG", "NOTREG"),
    ] {
        assert_eq!(registry.searched_as(asked), searched);
    }
    assert!(known_pv(&registry, "img:1:det").is_ok());
    registry.remove_device("over_pva");
    assert!(known_pv(&registry, "img:1:det").is_err());
}
