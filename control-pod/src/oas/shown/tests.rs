use crds::Device;
use crds::resolve::Catalogue;
use serde_json::{Value, json};

use super::*;

fn catalogue() -> Catalogue {
    let shipped = crds::catalogue::shipped().unwrap().into_iter().map(|class| class.spec);
    let signal = |name: &str, kind: &str, read_only: bool| json!({"name": name, "suffix": name, "kind": kind, "readOnly": read_only});
    let ours = json!([
        {"classPath": "lab.Two", "deviceLabel": "detector", "behaviour": "Composite", "components": [
            signal("a", "hinted", true), signal("b", "hinted", false), signal("c", "config", false)]},
        {"classPath": "lab.Det", "deviceLabel": "detector", "behaviour": "Composite", "components": [
            signal("det", "hinted", true), signal("exp", "config", false)]},
    ]);
    let ours: Vec<_> = serde_json::from_value(ours).unwrap();
    Catalogue::new(shipped.chain(ours))
}

fn device(spec: Value) -> KnownDevice {
    let device = Device::new("object", serde_json::from_value(spec).unwrap());
    KnownDevice::new(&device, &catalogue())
}

fn named(class: &str, prefix: &str) -> KnownDevice {
    device(json!({"name": "x", "deviceClass": class, "prefix": prefix}))
}

/// `signal or kind, PV, setpoint` of each.
fn shown(device: &KnownDevice, path: &str) -> Vec<(String, String, Option<String>)> {
    let describe = |shown: Shown| {
        let what = match shown.words {
            Words::Signal(words) => words.signal,
            Words::Setpoint { .. } => "(setpoint)".to_owned(),
            Words::Moving { .. } => "(moving)".to_owned(),
            Words::Pv { .. } => "(pv)".to_owned(),
        };
        (what, shown.pv, shown.setpoint)
    };
    of(device, path, false).unwrap().into_iter().map(describe).collect()
}

fn row(what: &str, pv: &str, setpoint: Option<&str>) -> (String, String, Option<String>) {
    (what.to_owned(), pv.to_owned(), setpoint.map(str::to_owned))
}

#[test]
fn a_motor_shows_its_readback_its_target_and_whether_it_moves() {
    let motor = named("ophyd.EpicsMotor", "IOC:m1");
    assert_eq!(
        shown(&motor, "x"),
        [
            row("x", "IOC:m1.RBV", Some("IOC:m1.VAL")),
            row("(setpoint)", "IOC:m1.VAL", None),
            row("(moving)", "IOC:m1.DMOV", None),
        ]
    );
    let Words::Signal(words) = of(&motor, "x", false).unwrap().remove(0).words else { panic!() };
    assert!(!words.access && !words.read_only);
    let Words::Signal(words) = of(&motor, "x", true).unwrap().remove(0).words else { panic!() };
    assert!(words.read_only, "the client said so");
}

#[test]
fn a_component_is_shown_under_the_name_that_the_client_gave_it() {
    let motor = named("ophyd.EpicsMotor", "IOC:m1");
    let all = of(&motor, "x.velocity", false).unwrap();
    let [Shown { words: Words::Signal(words), pv, .. }] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((words.device.as_str(), words.signal.as_str()), ("x.velocity", "x_velocity"));
    assert_eq!(pv, "IOC:m1.VELO");
    assert!(words.access);
    assert!(matches!(of(&motor, "x.nope", false), Err(DeviceError::NoComponent { .. })));
}

#[test]
fn a_signal_with_a_readback_shows_both() {
    let signal = named("ophyd.EpicsSignalWithRBV", "IOC:gain");
    assert_eq!(
        shown(&signal, "x"),
        [row("x", "IOC:gain_RBV", Some("IOC:gain")), row("(setpoint)", "IOC:gain", None),]
    );
    assert_eq!(shown(&named("ophyd.EpicsSignal", "IOC:a"), "x"), [row("x", "IOC:a", None)]);
}

#[test]
fn a_device_with_one_hint_shows_that_and_others_show_everything() {
    assert_eq!(shown(&named("lab.Det", "D:"), "x"), [row("x_det", "D:det", None)]);
    assert_eq!(
        shown(&named("lab.Two", "D:"), "x"),
        [row("x_a", "D:a", None), row("x_b", "D:b", None), row("x_c", "D:c", None)]
    );
}

#[test]
fn a_device_of_an_unknown_class_shows_what_it_lists() {
    let spec = json!({"name": "x", "deviceClass": "site.Thing", "pvs": {"one": "T:one"}});
    assert_eq!(shown(&device(spec), "x"), [row("x_one", "T:one", None)]);
    assert!(of(&named("site.Thing", "T:"), "x", false).is_err());
}
