//! The shipped device classes.

use std::collections::BTreeSet;
use std::time::Instant;

use crds::catalogue::{shipped, shipped_catalogue};
use crds::device::DeviceSpec;
use crds::device_class::{Behaviour, Kind};
use crds::resolve::{ResolvedDevice, resolve};
use serde_json::{Value, json};

fn resolved(device: &Value) -> ResolvedDevice {
    let spec: DeviceSpec = serde_json::from_value(device.clone()).unwrap();
    resolve(&spec, &shipped_catalogue().unwrap())
}

#[test]
fn every_shipped_class_has_a_legal_name_of_its_own_and_keeps_the_rules() {
    let started = Instant::now();
    let classes = shipped().unwrap();
    eprintln!("{} classes in {:?}", classes.len(), started.elapsed());
    let mut names = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for class in &classes {
        let name = class.metadata.name.clone().unwrap();
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        assert!(name.len() <= 253 && name.chars().all(legal), "{name}");
        class.validate_cel().unwrap();
        let components: BTreeSet<_> = class.spec.components.iter().map(|part| &part.name).collect();
        assert_eq!(components.len(), class.spec.components.len(), "{name} repeats a component");
        assert!(names.insert(name), "a name is used twice");
        for path in class.spec.aliases.iter().chain([&class.spec.class_path]) {
            assert!(paths.insert(path.clone()), "{path} names two classes");
        }
    }
    for path in ["ophyd.EpicsMotor", "ophyd.EpicsSignal", "ophyd.EpicsScaler", "ophyd.EpicsMCA"] {
        assert!(paths.contains(path), "{path} is not in the catalogue");
    }
}

#[test]
fn a_motor_has_the_fields_of_the_record() {
    let motor = resolved(&json!({
        "name": "m", "deviceClass": "ophyd.EpicsMotor", "prefix": "sim:mtr1",
    }));
    assert_eq!(motor.signals.len(), 19);
    assert_eq!(motor.signal("user_setpoint").unwrap().pv, "sim:mtr1.VAL");
    assert_eq!(motor.signal("user_readback").unwrap().pv, "sim:mtr1.RBV");
    assert_eq!(motor.signal("user_readback").unwrap().kind, Kind::Hinted);
    assert_eq!(motor.behaviour, Behaviour::EpicsMotor);
    assert!(motor.capabilities.movable && motor.capabilities.checkable);
    assert!(!motor.capabilities.pausable);
}

#[test]
fn a_signal_is_one_component() {
    let signal = resolved(&json!({
        "name": "s", "deviceClass": "ophyd.signal.EpicsSignal", "prefix": "mini:dot:mtrx",
    }));
    assert_eq!(signal.signals.len(), 1);
    assert_eq!(signal.signals[0].name, "readback");
    assert_eq!(signal.signals[0].pv, "mini:dot:mtrx");
    assert_eq!(signal.label, crds::device::DeviceLabel::Signal);
}

#[test]
fn an_area_detector_writes_one_pv_and_reads_another() {
    let camera = resolved(&json!({
        "name": "c", "deviceClass": "ophyd.areadetector.detectors.SimDetector", "prefix": "13SIM1:",
    }));
    let acquire = camera.signal("cam.acquire").unwrap();
    assert_eq!(acquire.pv, "13SIM1:cam1:Acquire");
    assert_eq!(acquire.readback_pv, "13SIM1:cam1:Acquire_RBV");
    assert!(camera.signals.len() > 70, "{}", camera.signals.len());
    assert!(camera.capabilities.writes_external_assets);
}

#[test]
fn soft_signals_keep_their_values_and_have_no_pv() {
    let thermo = resolved(&json!({
        "name": "t", "deviceClass": "localdevs.Thermo", "prefix": "thermo:",
    }));
    assert!(thermo.signal("tolerance").is_none());
    assert_eq!(thermo.signal("readback").unwrap().pv, "thermo:I");
    let classes = shipped().unwrap();
    let class = classes.iter().find(|class| class.spec.class_path == "localdevs.Thermo").unwrap();
    let tolerance = class.spec.components.iter().find(|part| part.name == "tolerance").unwrap();
    assert_eq!(tolerance.value, Some(json!(1)));
}

#[test]
fn a_signal_may_read_one_pv_and_write_another() {
    let signal = resolved(&json!({
        "name": "s", "deviceClass": "ophyd.EpicsSignal", "args": ["X_RBV"], "kwargs": {"write_pv": "X"},
    }));
    assert_eq!(
        (signal.signals[0].pv.as_str(), signal.signals[0].readback_pv.as_str()),
        ("X", "X_RBV")
    );
    let signal = resolved(&json!({
        "name": "s", "deviceClass": "ophyd.EpicsSignalRO", "kwargs": {"read_pv": "Y", "name": "s"},
    }));
    assert_eq!(signal.signals[0].readback_pv, "Y");
    assert!(signal.signals[0].read_only);
}

#[test]
fn the_flags_of_the_catalogue_are_those_that_the_names_stand_for() {
    for class in shipped().unwrap() {
        let short = class.spec.class_path.rsplit('.').next().unwrap().to_owned();
        assert_eq!(class.spec.device_label, crds::by_name::device_label(&short, None), "{short}");
        let mut flags = crds::by_name::capabilities(&short);
        if class.spec.behaviour == Behaviour::Settling {
            (flags.movable, flags.stoppable) = (true, true);
        }
        assert_eq!(class.spec.capabilities, flags, "{short}");
    }
}

#[test]
fn every_file_of_the_catalogue_is_shipped() {
    let files = std::fs::read_dir(crate::golden::repository("crds/catalogue")).unwrap();
    let manifests: usize = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            std::fs::read_to_string(path).unwrap().matches("\"kind\": \"DeviceClass\"").count()
        })
        .sum();
    assert_eq!(shipped().unwrap().len(), manifests);
}
