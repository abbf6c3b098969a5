//! A motor record and signals of real IOCs, through Channel Access.

use std::sync::Arc;

use peers::CaprotoIoc;
use serde_json::{Value, json};

use super::{ask, is_error, is_meta, is_value};
use crate::fake::FakePvs;
use crate::ioc::client_of;
use crate::socket::Socket;
use crate::support::{Control, settings};

#[tokio::test]
async fn a_motor_record_is_moved_turned_round_and_stopped() {
    let Some(ioc) = CaprotoIoc::start("fake_motor_record", &["--prefix", "sim:"]) else { return };
    let control =
        Control::start_with(settings(), client_of(&ioc).await, Arc::new(FakePvs::default())).await;
    let motor = json!({"name": "m2", "deviceClass": "ophyd.EpicsMotor", "prefix": "sim:mtr2"});
    control.device(motor).await;
    control.until("/api/v1/pv/sim:mtr2.RBV/value", |status, _| status == 200).await;
    let mut socket = Socket::open_oas(&control, "/api/v1/device-socket").await;
    socket.send(json!({"action": "subscribeSafely", "devices": ["m2"]})).await;
    assert_eq!(socket.next().await["subscribed"], json!(["m2"]));
    let meta = socket.until(|frame| frame.get("units").is_some()).await.pop().unwrap();
    assert_eq!((&meta["connected"], &meta["write_access"]), (&json!(true), &json!(true)));
    socket.until(is_value).await;

    socket.send(json!({"action": "set", "device": "m2", "value": 1.5})).await;
    let frames = socket.until(|frame| frame.get("message").is_some()).await;
    assert_eq!(frames.last().unwrap()["message"], "Successfully set m2 to 1.5");
    assert!(frames.iter().any(|frame| frame["moving"] == true));
    assert!(frames.iter().any(|frame| frame["setpoint"] == 1.5));

    socket.send(json!({"action": "set", "device": "m2", "value": 19})).await;
    socket.until(|frame| frame["value"].as_f64().is_some_and(|at| at > 2.0)).await;
    socket.send(json!({"action": "set", "device": "m2", "value": 1})).await;
    let error = socket.until(is_error).await.pop().unwrap();
    assert!(error["error"].as_str().unwrap().ends_with("a newer set came before it was done"));
    let ack = socket.until(|frame| frame.get("message").is_some()).await.pop().unwrap();
    assert_eq!(ack["message"], "Successfully set m2 to 1");

    socket.send(json!({"action": "set", "device": "m2", "value": 19})).await;
    socket.until(|frame| frame["value"].as_f64().is_some_and(|at| at > 2.0)).await;
    socket.send(json!({"action": "stop", "device": "m2"})).await;
    let frames = socket.until(is_error).await;
    let error = frames.last().unwrap()["error"].as_str().unwrap();
    assert!(error.ends_with("m2.set was stopped before it was done"), "{error}");
}

#[tokio::test]
async fn a_beamline_is_followed_and_set_and_survives_its_ioc() {
    let Some(mut ioc) = CaprotoIoc::start("mini_beamline", &[]) else { return };
    let control =
        Control::start_with(settings(), client_of(&ioc).await, Arc::new(FakePvs::default())).await;
    control.signal("motor_spotx", "mini:dot:mtrx").await;
    control.until("/api/v1/pv/mini:dot:mtrx/value", |status, _| status == 200).await;
    let mut socket = Socket::open_oas(&control, "/api/v1/pv-socket").await;
    let names = ["mini:current", "mini:dot:mtrx"];
    socket.send(json!({"action": "subscribeSafely", "pvs": names})).await;
    assert_eq!(socket.next().await["subscribed"], json!(names));
    let moved = |frame: &Value| frame["pv"] == "mini:current" && is_value(frame);
    let first = socket.until(moved).await.pop().unwrap();
    assert_eq!(first["write_access"], false, "the IOC says so");
    socket.send(json!({"action": "set", "pv": "mini:current", "value": 1})).await;
    assert_eq!(
        socket.until(is_error).await.pop().unwrap()["error"],
        "Write access is not enabled for PV mini:current. Cannot set value."
    );
    socket.send(json!({"action": "set", "pv": "mini:dot:mtrx", "value": 3.5})).await;
    socket.until(|frame| frame["pv"] == "mini:dot:mtrx" && frame["value"] == 3.5).await;
    let (status, read) = ask(&control, "GET", "/api/v1/devices/motor_spotx", None).await;
    assert_eq!((status, &read["values"]["motor_spotx"]["value"]), (200, &json!(3.5)));
    ioc.kill().await;
    socket.until(|frame| is_meta(frame) && frame["connected"] == false).await;
    ioc.restart().await;
    socket.until(|frame| is_meta(frame) && frame["connected"] == true).await;
    socket.until(moved).await;
}
