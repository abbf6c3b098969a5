use crds::Device;
use crds::resolve::Catalogue;
use serde_json::json;

use super::*;

fn catalogue() -> Catalogue {
    let signal = |name: &str, suffix: &str, kind: &str| json!({"name": name, "suffix": suffix, "kind": kind});
    let classes = json!([
        {"classPath": "ophyd.EpicsMotor", "deviceLabel": "motor", "behaviour": "EpicsMotor", "components": [
            signal("user_readback", ".RBV", "hinted"),
            signal("user_setpoint", ".VAL", "normal"),
            signal("velocity", ".VELO", "config"),
            signal("motor_stop", ".STOP", "omitted")]},
        {"classPath": "localdevs.Det", "deviceLabel": "detector", "behaviour": "Composite", "components": [
            signal("det", ":det", "hinted"), signal("exp", ":exp", "config")]},
        {"classPath": "lab.Slits", "deviceLabel": "device", "behaviour": "Composite", "components": [
            {"name": "left", "kind": "normal", "class": "EpicsMotor"},
            signal("left.user_readback", "m1.RBV", "hinted"),
            signal("left.velocity", "m1.VELO", "config"),
            {"name": "raw", "kind": "omitted"},
            signal("raw.volts", "volts", "normal")]},
        {"classPath": "ophyd.signal.EpicsSignal", "deviceLabel": "signal", "behaviour": "Signal",
         "components": [signal("readback", "", "hinted")]},
        {"classPath": "ophyd.signal.EpicsSignalWithRBV", "deviceLabel": "signal", "behaviour": "Signal",
         "components": [
            {"name": "readback", "suffix": "_RBV", "kind": "hinted", "readOnly": true},
            signal("setpoint", "", "normal")]},
        {"classPath": "lab.AsyncPair", "framework": "ophyd-async", "deviceLabel": "device",
         "behaviour": "Composite", "components": [signal("m1", "m1", "normal")]}
    ]);
    Catalogue::new(serde_json::from_value::<Vec<_>>(classes).unwrap())
}

fn find(class: &str, prefix: &str, path: &str) -> Result<Target, DeviceError> {
    let name = path.split('.').next().unwrap();
    let spec = json!({"name": name, "deviceClass": class, "prefix": prefix});
    let device = Device::new(name, serde_json::from_value(spec).unwrap());
    Target::find(&KnownDevice::new(&device, &catalogue()), path)
}

fn keys(target: &Target, role: Role) -> Vec<&str> {
    target.parts.iter().filter(|part| part.role == role).map(|part| part.key.as_str()).collect()
}

#[test]
fn a_motor_reads_as_itself_and_its_setpoint() {
    let motor = find("ophyd.EpicsMotor", "sim:mtr1", "sample_x").unwrap();
    assert_eq!(keys(&motor, Role::Reading), ["sample_x", "sample_x_user_setpoint"]);
    assert_eq!(keys(&motor, Role::Configuration), ["sample_x_velocity"]);
    assert_eq!(keys(&motor, Role::Omitted), ["sample_x_motor_stop"]);
}

#[test]
fn a_compound_reads_its_normal_and_hinted_components() {
    let det = find("localdevs.Det", "mini:ph", "pinhole").unwrap();
    assert_eq!(keys(&det, Role::Reading), ["pinhole_det"]);
    assert_eq!(keys(&det, Role::Configuration), ["pinhole_exp"]);
    assert_eq!((det.class.as_str(), det.behaviour), ("Det", Behaviour::Composite));
}

#[test]
fn a_device_that_is_one_signal_is_called_by_its_name() {
    let signal = find("ophyd.signal.EpicsSignal", "mini:current", "beam_current").unwrap();
    let part = signal.only().unwrap();
    assert_eq!((part.key.as_str(), part.read_pv.as_str()), ("beam_current", "mini:current"));
    let with_rbv = find("ophyd.signal.EpicsSignalWithRBV", "X", "x").unwrap();
    let part = with_rbv.only().unwrap();
    assert_eq!((part.read_pv.as_str(), part.write_pv.as_str()), ("X_RBV", "X"));
    assert!(!part.read_only);
}

#[test]
fn a_component_is_a_signal_of_its_own() {
    let exp = find("localdevs.Det", "mini:ph", "pinhole.exp").unwrap();
    assert_eq!((exp.name.as_str(), exp.class.as_str()), ("pinhole_exp", "EpicsSignal"));
    assert_eq!(exp.only().unwrap().read_pv, "mini:ph:exp");
}

#[test]
fn a_motor_inside_a_compound_is_a_motor_with_the_name_of_its_place() {
    let slits = find("lab.Slits", "S:", "slits").unwrap();
    assert_eq!(keys(&slits, Role::Reading), ["slits_left"]);
    assert_eq!(keys(&slits, Role::Configuration), ["slits_left_velocity"]);
    assert_eq!(keys(&slits, Role::Omitted), ["slits_raw_volts"]);
    let left = find("lab.Slits", "S:", "slits.left").unwrap();
    assert_eq!((left.name.as_str(), left.behaviour), ("slits_left", Behaviour::EpicsMotor));
    assert_eq!(left.part("user_readback").unwrap().read_pv, "S:m1.RBV");
}

#[test]
fn an_async_device_joins_names_with_dashes() {
    let pair = find("lab.AsyncPair", "IOC:", "async_pair").unwrap();
    assert_eq!(keys(&pair, Role::Reading), ["async_pair-m1"]);
    assert_eq!(pair.framework_name(), "ophyd-async");
}

#[test]
fn a_missing_component_is_named_where_the_walk_ends() {
    let error = find("localdevs.Det", "mini:ph", "pinhole.nope").unwrap_err();
    assert_eq!(error.to_string(), "Device 'pinhole' has no component 'nope': nope");
    let error = find("lab.Slits", "S:", "slits.left.nope").unwrap_err();
    assert_eq!(error.to_string(), "Device 'slits' has no component 'left.nope': nope");
    assert!(find("ophyd.signal.EpicsSignal", "mini:current", "beam_current.readback").is_err());
}

#[test]
fn an_unknown_class_is_no_target() {
    let error = find("site.Thing", "X:", "thing").unwrap_err();
    assert_eq!(error, DeviceError::UnknownClass("site.Thing".into()));
    assert_eq!(find("Thing", "X:", "thing").unwrap_err(), DeviceError::NoModule("Thing".into()));
}
