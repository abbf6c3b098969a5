//! The exercisers' lists (contract §3.2, §3.4) against caproto's mini beamline, through Channel
//! Access.

use std::sync::Arc;

use peers::CaprotoIoc;
use serde_json::{Value, json};

use crate::fake::FakePvs;
use crate::ioc::client_of;
use crate::socket::Socket;
use crate::support::{Control, pinhole, put, settings};

async fn control_of(ioc: &CaprotoIoc) -> Control {
    let control =
        Control::start_with(settings(), client_of(ioc).await, Arc::new(FakePvs::default())).await;
    control.signal("beam_current", "mini:current").await;
    control.signal("motor_spotx", "mini:dot:mtrx").await;
    pinhole(&control).await;
    control
        .device(json!({"name": "spot", "deviceClass": "localdevs.Spot", "prefix": "mini:dot"}))
        .await;
    // The interpreter takes a while to start.
    control.until("/api/v1/pv/mini:current/value", |status, _| status == 200).await;
    control
}

async fn mini_beamline() -> Option<(CaprotoIoc, Control)> {
    let ioc = CaprotoIoc::start("mini_beamline", &[])?;
    let control = control_of(&ioc).await;
    Some((ioc, control))
}

fn execute(device: &str, method: &str, args: &[f64]) -> Value {
    json!({"device_name": device, "method": method, "args": args, "kwargs": {}})
}

#[tokio::test]
async fn direct_control_sh_passes() {
    let Some((_ioc, control)) = mini_beamline().await else { return };
    assert_eq!(control.get("/health").await.0, 200);
    assert_eq!(control.get("/api/v1/stats").await.0, 200);
    assert_eq!(control.get("/api/v1/pvs/connected").await.0, 200);
    for pv in ["mini:current", "mini:dot:mtrx", "mini:dot:det", "mini:dot:img_sum"] {
        let (status, body) = control.get(&format!("/api/v1/pv/{pv}/value")).await;
        assert_eq!(status, 200, "{pv}");
        assert!(!body["value"].is_null() && body["shape"].is_array(), "{pv}");
    }
    let (_, body) = control.get("/api/v1/pv/mini:dot:det/value").await;
    assert_eq!((&body["shape"], &body["dtype"]), (&json!([307_200]), &json!("<f8")));
    let (status, body) = control.get("/api/v1/pvs/mini:current/value").await;
    assert_eq!((status, &body["connected"]), (200, &json!(true)));

    let mtrx = "/api/v1/pv/mini:dot:mtrx/value";
    assert_eq!(control.post("/api/v1/pv/set", put("mini:dot:mtrx", 2.5)).await.0, 200);
    control.until(mtrx, |_, body| body["value"] == 2.5).await;
    let mut waiting = put("mini:dot:mtrx", 3.25);
    waiting["wait"] = json!(true);
    let (status, body) = control.post("/api/v1/pv/set", waiting).await;
    assert_eq!((status, &body["mode"]), (200, &json!("put-completion")));
    assert_eq!(control.get(mtrx).await.1["value"], 3.25);

    let run = async |body: Value| control.post("/api/v1/device/execute", body).await;
    let (status, body) = run(execute("beam_current", "read", &[])).await;
    assert_eq!(status, 200);
    assert!(body["result"]["beam_current"]["value"].is_number());
    let (status, body) = run(execute("motor_spotx", "set", &[1.25])).await;
    assert_eq!((status, &body["result"]["success"]), (200, &json!(true)));
    assert_eq!(run(execute("motor_spotx", "get", &[])).await.1["result"], 1.25);
    let (status, body) = run(execute("pinhole", "read", &[])).await;
    assert_eq!(status, 200);
    assert!(body["result"]["pinhole_det"]["value"].is_number());
    let (status, body) = control.post("/api/v1/device/pinhole.exp", json!({"method": "get"})).await;
    assert_eq!((status, &body["result"]), (200, &json!(1.0)));
    assert_eq!(control.get("/api/v1/device/pinhole.det/value").await.0, 200);
    let (status, body) = run(execute("spot", "read_configuration", &[])).await;
    assert_eq!((status, &body["result"]["spot_array_size"]["value"]), (200, &json!([480, 640])));

    assert_eq!(
        control.post("/api/v1/device/beam_current/stop", json!({})).await,
        (
            400,
            json!({"detail": "EpicsSignal object 'beam_current' does not support method 'stop'"})
        )
    );
    assert_eq!(run(execute("beam_current", "destroy", &[])).await.0, 400);
    let missing = json!({"method": "read"});
    assert_eq!(control.post("/api/v1/device/pinhole.no_such_signal", missing).await.0, 404);
    assert_eq!(control.get("/api/v1/pv/does:not:exist/value").await.0, 404);
    assert_eq!(control.post("/api/v1/pv/set", put("does:not:exist", 1)).await.0, 404);
}

#[tokio::test]
async fn a_refused_write_is_no_success() {
    let Some((_ioc, control)) = mini_beamline().await else { return };
    let mut read_only = put("mini:current", 1);
    read_only["wait"] = json!(true);
    let (status, body) = control.post("/api/v1/pv/set", read_only).await;
    assert_eq!(status, 500, "{body}");
    let set = execute("beam_current", "set", &[1.0]);
    let (status, body) = control.post("/api/v1/device/execute", set).await;
    assert_eq!(status, 500, "{body}");
    let mut text = put("mini:dot:mtrx", "abc");
    text["wait"] = json!(true);
    let (status, body) = control.post("/api/v1/pv/set", text).await;
    assert_eq!(status, 500, "{body}");
    assert_eq!(control.get("/api/v1/pv/mini:dot:mtrx/value").await.1["value"], 0.0);
    // The exposure is clipped at 0 by the IOC: taken, but not shown.
    let clipped = json!({"method": "set", "value": -1, "timeout": 1});
    let (status, body) = control.post("/api/v1/device/pinhole.exp", clipped).await;
    assert_eq!(
        (status, &body["detail"]),
        (
            500,
            &json!(
                "pinhole_exp.set did not complete within 1.0s. pinhole_exp exposes no stop(); it may \
            still be in motion."
            )
        )
    );
}

#[tokio::test]
async fn direct_control_ws_py_passes() {
    let Some((_ioc, control)) = mini_beamline().await else { return };
    let mut socket = Socket::open(&control, "pv-socket").await;
    socket.send(json!({"action": "ping"})).await;
    socket.reply("pong").await;
    socket.send(json!({"action": "subscribe", "pv_names": ["mini:current"]})).await;
    assert_eq!(socket.reply("subscribed").await["pv_names"], json!(["mini:current"]));
    let fresh = socket.until(|frame| frame["event_type"] == "pv_update").await.pop().unwrap();
    assert_eq!((&fresh["pv"], &fresh["connected"]), (&json!("mini:current"), &json!(true)));
    assert!(fresh["value"].is_number() && fresh["timestamp"].is_number());
    socket.send(json!({"action": "unsubscribe", "pv_names": ["mini:current"]})).await;
    socket.reply("unsubscribed").await;

    let mut socket = Socket::open(&control, "device-socket").await;
    socket.send(json!({"action": "subscribe", "device": "beam_current"})).await;
    assert_eq!(socket.reply("subscribed").await["device"], "beam_current");
    let fresh = socket.until(|frame| frame["event_type"] == "device_update").await.pop().unwrap();
    assert!(fresh["signal"].is_string() && fresh["value"].is_number());
    assert_eq!(fresh["connected"], true);
    socket.send(json!({"action": "unsubscribe", "device": "beam_current"})).await;
    socket.reply("unsubscribed").await;
}

#[tokio::test]
async fn an_ioc_that_dies_and_comes_back_is_followed() {
    let Some((mut ioc, control)) = mini_beamline().await else { return };
    let mut socket = Socket::open(&control, "pv-socket").await;
    socket.send(json!({"action": "subscribe", "pv": "mini:current"})).await;
    socket.reply("subscribed").await;
    ioc.kill().await;
    let lost = socket.until(|frame| frame["connected"] == false).await.pop().unwrap();
    assert_eq!((&lost["read_access"], &lost["write_access"]), (&json!(false), &json!(false)));
    assert!(lost["value"].is_number(), "the last value stays");
    let (_, body) = control.get("/api/v1/pvs/mini:current/value").await;
    assert_eq!(body["connected"], false);
    ioc.restart().await;
    socket.until(|frame| frame["connected"] == true).await;
    socket.until(|frame| frame["event_type"] == "pv_update").await;
}

#[tokio::test]
async fn a_motor_record_moves_and_stops() {
    let Some(ioc) = CaprotoIoc::start("fake_motor_record", &["--prefix", "sim:"]) else { return };
    let control =
        Control::start_with(settings(), client_of(&ioc).await, Arc::new(FakePvs::default())).await;
    control
        .device(json!({"name": "m2", "deviceClass": "ophyd.EpicsMotor", "prefix": "sim:mtr2"}))
        .await;
    control.until("/api/v1/pv/sim:mtr2.RBV/value", |status, _| status == 200).await;
    let run = async |method: &str, args: &[f64]| {
        control.post("/api/v1/device/execute", execute("m2", method, args)).await
    };
    let (status, body) = run("set", &[1.5]).await;
    assert_eq!(status, 200, "{body}");
    let (_, body) = run("read", &[]).await;
    let keys: Vec<_> = body["result"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["m2", "m2_user_setpoint"]);
    assert!((body["result"]["m2"]["value"].as_f64().unwrap() - 1.5).abs() < 0.01, "{body}");
    let (status, body) = run("set", &[1.5]).await;
    assert_eq!(status, 200, "it is there already: {body}");

    let stop = async {
        // The position tells this move from the end of the one before, where DMOV may still be 0.
        let under_way = |_: u16, body: &Value| body["value"].as_f64().is_some_and(|at| at > 2.0);
        control.until("/api/v1/pv/sim:mtr2.RBV/value", under_way).await;
        control.post("/api/v1/device/m2/stop", json!({})).await
    };
    let ((status, body), (stopped, _)) = tokio::join!(run("set", &[19.0]), stop);
    assert_eq!(stopped, 200);
    assert_eq!((status, &body["detail"]), (500, &json!("m2.set was stopped before it was done")));
    let (_, body) = run("get", &[]).await;
    let there = body["result"]["user_readback"].as_f64().unwrap();
    assert!(there < 18.0, "it stopped on the way, at {there}");

    let late = json!({"device_name": "m2", "method": "set", "args": [-9.0], "timeout": 0.5});
    let (status, body) = control.post("/api/v1/device/execute", late).await;
    assert_eq!(
        (status, &body["detail"]),
        (
            500,
            &json!("m2.set did not complete within 0.5s. A stop() was issued to halt the device.")
        )
    );
    control.until("/api/v1/pv/sim:mtr2.DMOV/value", |_, body| body["value"] == 1).await;
}

#[tokio::test]
async fn many_sockets_share_one_monitor_on_the_wire() {
    let Some((ioc, _first)) = mini_beamline().await else { return };
    let client = client_of(&ioc).await;
    let pvs = Arc::clone(&client);
    let control = Control::start_with(settings(), pvs, Arc::new(FakePvs::default())).await;
    control.signal("beam_current", "mini:current").await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = Socket::open(&control, "pv-socket").await;
        socket.send(json!({"action": "subscribe", "pv": "mini:current"})).await;
        socket.reply("subscribed").await;
        sockets.push(socket);
    }
    assert_eq!(client.channel_count(), 1);
    for socket in &mut sockets {
        let update = socket.until(|frame| frame["event_type"] == "pv_update").await;
        assert!(!update.is_empty());
    }
}
