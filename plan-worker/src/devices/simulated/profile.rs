//! Which simulated devices there are, with the parameters of `ophyd.sim.hw()`.

use std::sync::Arc;

use crds::device_class::Kind;
use serde_json::{Value, json};

use super::super::{Device, DeviceRef};
use super::SIM;
use super::axis::{Axis, AxisClass};
use super::cell::Cell;
use super::flyer::SimulatedFlyer;
use super::peak::{Detector, Shape};
use super::signal::{Behaviour, SoftSignal};

/// All simulated devices, fresh, by the name under which a plan finds them. That name and the device's own differ for some, as
/// they do in the profile.
pub fn profile() -> Vec<(String, DeviceRef)> {
    let axis = |name| Arc::new(Axis::new(name, AxisClass::Plain));
    let (motor, motor1, motor2, motor3) =
        (axis("motor"), axis("motor1"), axis("motor2"), axis("motor3"));
    let jittery = |name| Arc::new(Axis::new(name, AxisClass::Jittery));
    let (jittery1, jittery2) = (jittery("jittery_motor1"), jittery("jittery_motor2"));

    let over = |axis: &Arc<Axis>| vec![axis.readback()];
    let on_plane = || shape(json!([0, 0]), 1, json!(1));
    let noisy = Shape { noise: Some(0.1), ..shape(json!(0), 1, json!(1)) };
    let det = Arc::new(Detector::peak("det", over(&motor), shape(json!(0), 1, json!(1))));
    let over_motor = || -> (DeviceRef, DeviceRef) { (motor.clone(), det.clone()) };
    let flyers = [
        SimulatedFlyer::along_line("flyer1", over_motor(), (1.0, 5.0), 20),
        SimulatedFlyer::along_line("flyer2", over_motor(), (1.0, 5.0), 10),
        SimulatedFlyer::trivial("trivial_flyer", "TrivialFlyer"),
        SimulatedFlyer::trivial("new_trivial_flyer", "NewTrivialFlyer"),
    ];
    let detectors = [
        ("identical_det", Detector::peak("det", over(&motor), shape(json!(0), 1, json!(1)))),
        ("noisy_det", Detector::peak("noisy_det", over(&motor), noisy)),
        ("det1", Detector::peak("det1", over(&motor1), shape(json!(0), 5, json!(0.5)))),
        ("det2", Detector::peak("det2", over(&motor2), shape(json!(1), 2, json!(2)))),
        ("det3", Detector::peak("det3", over(&motor3), shape(json!(-1), 2, json!(1)))),
        ("det4", Detector::peak("det4", [over(&motor1), over(&motor2)].concat(), on_plane())),
        ("det5", Detector::peak("det5", [over(&jittery1), over(&jittery2)].concat(), on_plane())),
        (
            "ab_det",
            Detector::values(
                "det",
                "ABDetector",
                vec![("a", Kind::Hinted, random(), true), ("b", Kind::Normal, random(), true)],
            ),
        ),
        (
            "det_with_conf",
            Detector::values(
                "det",
                "DetWithConf",
                vec![
                    ("a", Kind::Hinted, json!(1), false),
                    ("b", Kind::Hinted, json!(2), false),
                    ("c", Kind::Config, json!(3), false),
                    ("d", Kind::Config, json!(4), false),
                ],
            ),
        ),
        (
            "det_with_count_time",
            Detector::values(
                "det",
                "DetWithCountTime",
                vec![
                    ("intensity", Kind::Hinted, json!(0), false),
                    ("count_time", Kind::Normal, json!(0.0), false),
                ],
            ),
        ),
    ];

    let mut devices: Vec<(String, DeviceRef)> = Vec::new();
    for (name, axis) in [
        ("motor", motor),
        ("motor1", motor1),
        ("motor2", motor2),
        ("motor3", motor3),
        ("jittery_motor1", jittery1),
        ("jittery_motor2", jittery2),
    ] {
        devices.push((name.to_owned(), axis));
    }
    for (name, own_name, class) in [
        ("motor_no_pos", "motor", AxisClass::NoPosition),
        ("motor_empty_hints1", "motor1", AxisClass::EmptyHints),
        ("motor_empty_hints2", "motor2", AxisClass::EmptyHints),
        ("motor_no_hints1", "motor1", AxisClass::NoHints),
        ("motor_no_hints2", "motor2", AxisClass::NoHints),
    ] {
        devices.push((name.to_owned(), Arc::new(Axis::new(own_name, class))));
    }
    devices.push(("det".to_owned(), det));
    for (name, detector) in detectors {
        devices.push((name.to_owned(), Arc::new(detector)));
    }
    for flyer in flyers {
        devices.push((flyer.name().to_owned(), Arc::new(flyer)));
    }
    for (name, signal) in signals() {
        devices.push((name.to_owned(), Arc::new(signal)));
    }
    devices
}

fn shape(center: Value, height: i64, sigma: Value) -> Shape {
    Shape { center, height: json!(height), sigma, noise: None }
}

fn random() -> Value {
    json!(rand::random::<f64>())
}

fn signals() -> [(&'static str, SoftSignal); 8] {
    let plain = |name, value| {
        let cell = Arc::new(Cell::new(name, value));
        (name, SoftSignal::new(cell, ("Signal", "ophyd.signal"), Behaviour::Keep).hinted())
    };
    let synthetic = |name, value, class, behaviour| {
        let cell = Arc::new(Cell::new(name, value).precision(3));
        (name, SoftSignal::new(cell, (class, SIM), behaviour))
    };
    [
        plain("sig", json!(0)),
        plain("bool_sig", json!(false)),
        plain("custom_test_signal", json!(0.0)),
        synthetic("signal", json!(0), "SynSignal", Behaviour::Keep),
        synthetic("rand", random(), "SynPeriodicSignal", Behaviour::Random),
        synthetic("rand2", random(), "SynPeriodicSignal", Behaviour::Random),
        synthetic("invariant1", json!(0), "InvariantSignal", Behaviour::Invariant),
        synthetic("invariant2", json!(0), "InvariantSignal", Behaviour::Invariant),
    ]
}
