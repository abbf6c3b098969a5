//! Registry devices on real IOCs over Channel Access.

use std::time::Duration;

use crds::DeviceSpec;
use crds::catalogue::shipped_catalogue;
use plan_worker::WorkerError;
use plan_worker::engine::Request;
use plan_worker::environment::Devices;
use plan_worker::plans;
use plan_worker::protocol::{ExitStatus, Order, PauseOption, Report};
use serde_json::{Value, json};

use crate::ioc::Ioc;
use crate::python;
use crate::queue_side::{Registry, Session};
use crate::recorder::{Underway, call, carry_out, documents, names, none, within};

const MINI: (&str, &str) = ("mini_beamline", "mini:current");
const MOTORS: (&str, &str) = ("fake_motor_record", "sim:mtr1.RBV");

fn devices(ioc: &Ioc, specs: Value) -> Devices {
    let specs: Vec<DeviceSpec> = serde_json::from_value(specs).unwrap();
    let mut devices = Devices::default();
    devices.register(&specs, &shipped_catalogue().unwrap(), &ioc.pvs);
    devices
}

fn mini_specs() -> Value {
    json!([
        {"name": "motor_ph", "deviceClass": "ophyd.EpicsSignal", "prefix": "mini:ph:mtr"},
        {"name": "motor_spotx", "deviceClass": "ophyd.EpicsSignal", "prefix": "mini:dot:mtrx"},
        {"name": "beam_current", "deviceClass": "ophyd.EpicsSignalRO", "prefix": "mini:current"},
        {"name": "pinhole", "deviceClass": "localdevs.Det", "prefix": "mini:ph"},
        {"name": "spot_shutter", "deviceClass": "ophyd.EpicsSignal", "prefix": "mini:dot:shutter_open"},
        {"name": "spot_size", "deviceClass": "ophyd.EpicsSignalRO", "prefix": "mini:dot:ArraySize_RBV"},
    ])
}

fn motor_specs() -> Value {
    json!([{"name": "sample_x", "deviceClass": "ophyd.EpicsMotor", "prefix": "sim:mtr1"}])
}

#[tokio::test]
async fn a_scan_of_the_mini_beamline_moves_its_motor_and_reads_its_detector() {
    let Some(ioc) = Ioc::start(MINI.0, MINI.1).await else { return };
    let devices = devices(&ioc, mini_specs());
    let scan = call("scan", json!([["pinhole", "beam_current"], "motor_ph", -1, 1, 3]), none());
    let (finished, documents) = carry_out(&devices, &scan).await;
    assert_eq!(finished.exit_status, ExitStatus::Completed, "{finished:?}");
    assert_eq!(names(&documents), ["start", "descriptor", "event", "event", "event", "stop"]);

    let (start, descriptor) = (&documents[0].1, &documents[1].1);
    assert_eq!(start["hints"], json!({"dimensions": [[["motor_ph"], "primary"]]}));
    let object_keys = json!({
        "pinhole": ["pinhole_det"], "beam_current": ["beam_current"], "motor_ph": ["motor_ph"],
    });
    assert_eq!(descriptor["object_keys"], object_keys);
    assert_eq!(descriptor["hints"]["pinhole"], json!({"fields": ["pinhole_det"]}));
    assert_eq!(descriptor["configuration"]["pinhole"]["data"], json!({"pinhole_exp": 1.0}));
    let key = &descriptor["data_keys"]["motor_ph"];
    assert_eq!((&key["source"], &key["dtype"]), (&json!("PV:mini:ph:mtr"), &json!("number")));
    assert_eq!((&key["precision"], &key["shape"]), (&json!(3), &json!([])));

    let positions: Vec<&Value> =
        documents[2..5].iter().map(|(_, event)| &event["data"]["motor_ph"]).collect();
    assert_eq!(positions, [&json!(-1.0), &json!(0.0), &json!(1.0)]);
    for (_, event) in &documents[2..5] {
        assert!(event["data"]["pinhole_det"].as_f64().unwrap() > 0.0);
        assert!((475.0..=525.0).contains(&event["data"]["beam_current"].as_f64().unwrap()));
    }
    assert_eq!(ioc.value("mini:ph:mtr").await, 1.0);
    python::call("bluesky_reference.py", &json!({ "validate": documents })).await;
}

#[tokio::test]
async fn a_relative_scan_brings_a_pv_back_and_a_read_only_pv_cannot_be_moved() {
    let Some(ioc) = Ioc::start(MINI.0, MINI.1).await else { return };
    let devices = devices(&ioc, mini_specs());
    let away = call("mv", json!(["motor_spotx", 7]), none());
    assert_eq!(carry_out(&devices, &away).await.0.exit_status, ExitStatus::Completed);
    let scan = call("rel_scan", json!([["beam_current"], "motor_spotx", -1, 1, 3]), none());
    let (finished, documents) = carry_out(&devices, &scan).await;
    assert_eq!(finished.exit_status, ExitStatus::Completed, "{finished:?}");
    assert_eq!(documents[2].1["data"]["motor_spotx"], 6.0);
    assert_eq!(ioc.value("mini:dot:mtrx").await, 7.0);

    let wrong = plans::build(&call("mv", json!(["beam_current", 1]), none()), &devices);
    assert_eq!(wrong.unwrap_err().to_string(), "device 'beam_current' cannot be moved");
}

#[tokio::test]
async fn a_motor_record_is_waited_for_and_kept_within_its_limits() {
    let Some(ioc) = Ioc::start(MOTORS.0, MOTORS.1).await else { return };
    let devices = devices(&ioc, motor_specs());
    let scan = call("scan", json!([[], "sample_x", 0, 1, 3]), none());
    let (finished, documents) = carry_out(&devices, &scan).await;
    assert_eq!(finished.exit_status, ExitStatus::Completed, "{finished:?}");
    let read: Vec<(&Value, &Value)> = documents[2..5]
        .iter()
        .map(|(_, event)| (&event["data"]["sample_x"], &event["data"]["sample_x_user_setpoint"]))
        .collect();
    let at = [json!(0.0), json!(0.5), json!(1.0)];
    assert_eq!(read, at.iter().map(|at| (at, at)).collect::<Vec<_>>());
    let configuration = &documents[1].1["configuration"]["sample_x"]["data"];
    assert!(configuration["sample_x_velocity"].as_f64().unwrap() > 0.0);
    python::call("bluesky_reference.py", &json!({ "validate": documents })).await;

    let (finished, _) = carry_out(&devices, &call("mv", json!(["sample_x", 1e6]), none())).await;
    assert_eq!(finished.exit_status, ExitStatus::Failed);
    assert!(
        finished.message.starts_with("sample_x: 1000000 is outside of the limits ["),
        "{finished:?}"
    );
    assert_eq!(ioc.value("sim:mtr1.VAL").await, 1.0, "nothing was sent");
}

/// The same devices in ophyd: what they say of themselves has to be the same.
async fn as_in_ophyd(ioc: &Ioc, specs: Value) {
    let ours = devices(ioc, specs.clone());
    let environment = ioc.environment();
    let theirs = python::call_with("ophyd_reference.py", &specs, &environment).await.unwrap();
    for (name, device) in ours.iter() {
        let theirs = &theirs[name];
        let described = device.describe().await.unwrap();
        assert_eq!(json!(described), theirs["describe"], "{name}");
        let configuration = device.describe_configuration().await.unwrap();
        assert_eq!(json!(configuration), theirs["describe_configuration"], "{name}");
        assert_eq!(json!({"fields": device.hints().fields()}), theirs["hints"], "{name}");
        for (ours, theirs) in [
            (device.read().await.unwrap(), &theirs["read"]),
            (device.read_configuration().await.unwrap(), &theirs["read_configuration"]),
        ] {
            let keys: Vec<&String> = ours.keys().collect();
            assert_eq!(keys, theirs.as_object().unwrap().keys().collect::<Vec<_>>(), "{name}");
            for (key, reading) in ours {
                let same_type = std::mem::discriminant(&reading.value)
                    == std::mem::discriminant(&theirs[&key]["value"]);
                assert!(same_type, "{key}: {reading:?} and {}", theirs[&key]);
                let age = reading.timestamp - theirs[&key]["timestamp"].as_f64().unwrap();
                assert!(age.abs() < 60.0, "{key}: {reading:?} and {}", theirs[&key]);
            }
        }
    }
}

#[tokio::test]
async fn signals_and_detectors_say_of_themselves_what_ophyd_says() {
    let Some(ioc) = Ioc::start(MINI.0, MINI.1).await else { return };
    as_in_ophyd(&ioc, mini_specs()).await;
}

#[tokio::test]
async fn a_motor_says_of_itself_what_ophyd_says() {
    let Some(ioc) = Ioc::start(MOTORS.0, MOTORS.1).await else { return };
    as_in_ophyd(&ioc, motor_specs()).await;
}

/// Waits until the motor is under way to somewhere far.
async fn under_way(ioc: &Ioc) {
    within(async {
        while ioc.value("sim:mtr1.RBV").await < 0.3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(ioc.value("sim:mtr1.DMOV").await, 0.0);
}

/// Waits until the motor rests, well before its target.
async fn rests_early(ioc: &Ioc) {
    within(async {
        while ioc.value("sim:mtr1.DMOV").await != 1.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let reached = ioc.value("sim:mtr1.RBV").await;
    assert!(reached < 8.0, "stopped at {reached} on the way to 9");
}

#[tokio::test]
async fn pause_and_abort_stop_a_motor_record_on_its_way() {
    let Some(ioc) = Ioc::start(MOTORS.0, MOTORS.1).await else { return };
    let plan = plans::build(
        &call("scan", json!([[], "sample_x", 9, 0, 2]), none()),
        &devices(&ioc, motor_specs()),
    );
    let mut plan = Underway::start(plan.unwrap());
    under_way(&ioc).await;
    plan.request(Request::Pause(PauseOption::Immediate)).await;
    plan.until(plan_worker::engine::output::State::Paused).await;
    rests_early(&ioc).await;

    plan.request(Request::Resume).await;
    within(async {
        while ioc.value("sim:mtr1.DMOV").await != 0.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    plan.request(Request::Abort(String::new())).await;
    let (finished, told) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Aborted);
    assert_eq!(names(&documents(told)), ["stop"], "no event of a point that was not reached");
    rests_early(&ioc).await;
}

#[tokio::test]
async fn a_lost_queue_server_stops_the_motor() {
    let Some(ioc) = Ioc::start(MOTORS.0, MOTORS.1).await else { return };
    let class = crds::catalogue::shipped().unwrap().into_iter();
    let classes = class
        .filter(|class| class.spec.class_path == "ophyd.epics_motor.EpicsMotor")
        .map(|class| json!(class.spec))
        .collect();
    let device =
        json!({"name": "sample_x", "deviceClass": "ophyd.EpicsMotor", "prefix": "sim:mtr1"});
    let folder = tempfile::TempDir::new().unwrap();
    let registry = Registry::of(vec![device], classes).await;
    let mut session = Session::start(folder.path(), registry, ioc.pvs.clone(), |_| {}).await;
    session.ready().await;
    let plan = call("scan", json!([["det"], "sample_x", 9, 0, 2]), none());
    session.order(Order::RunPlan { plan }).await;
    session.until(|report| matches!(report, Report::Document { .. }).then_some(())).await;
    under_way(&ioc).await;
    let result = session.hang_up().await;
    assert!(matches!(result, Err(WorkerError::Lost)), "{result:?}");
    rests_early(&ioc).await;
}

#[tokio::test]
async fn an_ioc_that_dies_in_a_move_fails_the_plan_and_names_its_pv() {
    let Some(mut ioc) = Ioc::start(MOTORS.0, MOTORS.1).await else { return };
    let plan =
        plans::build(&call("mv", json!(["sample_x", 9]), none()), &devices(&ioc, motor_specs()))
            .unwrap();
    let plan = Underway::start(plan);
    under_way(&ioc).await;
    ioc.kill().await;
    let (finished, _) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Failed);
    assert!(finished.message.contains("sim:mtr1."), "{}", finished.message);
}
