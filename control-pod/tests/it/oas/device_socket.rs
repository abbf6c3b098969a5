//! `/api/v1/device-socket` message by message (contract §5).

use std::sync::Arc;

use channels::PvValue;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{is_error, is_meta, is_value, keys};
use crate::fake::{FakePv, OnPut};
use crate::socket::Socket;
use crate::support::{Control, pinhole, settings};

/// A motor `m1` whose IOC does what it is told at once, and a detector.
async fn beamline() -> Control {
    let control = Control::start(settings()).await;
    for (suffix, value) in [("RBV", 5.0), ("VAL", 5.0), ("DMOV", 1.0), ("HLS", 0.0), ("LLS", 0.0)] {
        control.pvs.add(&format!("IOC:m1.{suffix}"), value);
    }
    control.pvs.add("IOC:m1.STOP", 0.0);
    control.pvs.add("mini:ph:det", 7.0);
    control.pvs.add("mini:ph:exp", 1.0);
    let motor = json!({"name": "m1", "deviceClass": "ophyd.EpicsMotor", "prefix": "IOC:m1"});
    control.device(motor).await;
    pinhole(&control).await;
    control
}

async fn open(control: &Control) -> Socket {
    Socket::open_oas(control, "/api/v1/device-socket").await
}

fn is_ack(frame: &Value) -> bool {
    frame.get("message").is_some()
}

/// The motor goes to `position` and says so.
fn arrive(control: &Control, position: f64) -> Arc<FakePv> {
    let done = control.pvs.add("IOC:m1.DMOV", 0.0);
    control.pvs.add("IOC:m1.RBV", position);
    done.post(PvValue::Double(1.0));
    done
}

#[tokio::test]
async fn a_motor_is_one_value_one_metadata_its_target_and_whether_it_moves() {
    let control = beamline().await;
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribe", "devices": ["m1", "ghost"]})).await;
    assert_eq!(
        socket.next().await.to_string(),
        r#"{"action":"subscribe","subscribed":["m1"],"already_subscribed":[],"failed":[{"device":"ghost","error":"not found in device registry"}]}"#
    );
    let mut frames = Vec::new();
    while frames.len() < 4 {
        frames.push(socket.next().await);
    }
    let value = frames.iter().find(|frame| is_value(frame)).unwrap();
    assert_eq!(
        keys(value),
        ["device", "value", "timestamp", "connected", "read_access", "write_access", "signal"]
    );
    assert_eq!(
        (&value["device"], &value["value"], &value["signal"], &value["write_access"]),
        (&json!("m1"), &json!(5.0), &json!("m1"), &json!(null))
    );
    let meta = frames.iter().find(|frame| frame.get("units").is_some()).unwrap();
    assert_eq!(
        (&meta["device"], &meta["signal"], &meta["upper_ctrl_limit"], &meta["connected"]),
        (&json!("m1"), &json!("m1"), &json!(10.0), &json!(true))
    );
    assert!(frames.contains(&json!({"setpoint": 5.0, "sub_type": "meta", "device": "m1"})));
    assert!(frames.contains(&json!({"moving": false, "sub_type": "meta", "device": "m1"})));
}

#[tokio::test]
async fn a_set_is_acknowledged_when_the_motion_is_over() {
    let control = beamline().await;
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribe", "device": "m1"})).await;
    socket.until(is_value).await;
    socket.send(json!({"action": "set", "device": "m1", "value": "7"})).await;
    socket.until(|frame| frame["setpoint"] == 7).await;
    control.pvs.add("IOC:m1.DMOV", 0.0);
    socket.until(|frame| frame["moving"] == true).await;
    arrive(&control, 7.0);
    let frames = socket.until(is_ack).await;
    assert_eq!(frames.last().unwrap(), &json!({"message": "Successfully set m1 to 7"}));
}

#[tokio::test]
async fn a_motor_is_sent_elsewhere_while_it_moves() {
    let control = beamline().await;
    let val = control.pvs.add("IOC:m1.VAL", 5.0);
    val.on_put(OnPut::Hold(Arc::new(Notify::new())));
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribe", "device": "m1"})).await;
    socket.until(is_value).await;
    socket.send(json!({"action": "set", "device": "m1", "value": 9})).await;
    while val.writes().is_empty() {
        tokio::task::yield_now().await;
    }
    control.pvs.add("IOC:m1.DMOV", 0.0);
    socket.until(|frame| frame["moving"] == true).await;
    // This is how a client without a stop button stops.
    socket.send(json!({"action": "set", "device": "m1", "value": 6})).await;
    let error = socket.until(is_error).await.pop().unwrap();
    assert_eq!(error["error"], "Could not set value of m1: a newer set came before it was done");
    while val.writes().len() < 2 {
        tokio::task::yield_now().await;
    }
    arrive(&control, 6.0);
    let ack = socket.until(is_ack).await.pop().unwrap();
    assert_eq!(ack, json!({"message": "Successfully set m1 to 6"}));
    assert_eq!(val.writes(), [PvValue::Long(9), PvValue::Long(6)]);
}

#[tokio::test]
async fn a_device_is_stopped_without_a_subscription_and_in_spite_of_a_lock() {
    let control = beamline().await;
    control.lock(&["m1"], false).await;
    let stop = control.pvs.add("IOC:m1.STOP", 0.0);
    let mut socket = open(&control).await;
    socket.send(json!({"action": "stop", "device": "m1"})).await;
    assert_eq!(socket.next().await, json!({"message": "Successfully stopped m1"}));
    assert_eq!(stop.writes(), [PvValue::Long(1)]);
    socket.send(json!({"action": "stop", "device": "ghost"})).await;
    assert_eq!(
        socket.next().await,
        json!({
            "error": "Could not stop ghost: DEVICE 'ghost' not found in the registry",
            "reason": "not_registered",
        })
    );
}

#[tokio::test]
async fn a_component_is_followed_and_set_by_its_path() {
    let control = beamline().await;
    let exp = control.pvs.add("mini:ph:exp", 1.0);
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribe", "devices": ["pinhole.exp", "pinhole.nope"]})).await;
    let summary = socket.next().await;
    assert_eq!(summary["subscribed"], json!(["pinhole.exp"]));
    assert_eq!(
        summary["failed"],
        json!([{"device": "pinhole.nope", "error": "Device 'pinhole' has no component 'nope': nope"}])
    );
    let value = socket.until(is_value).await.pop().unwrap();
    assert_eq!(
        (&value["device"], &value["signal"], &value["write_access"]),
        (&json!("pinhole.exp"), &json!("pinhole_exp"), &json!(true))
    );
    socket.send(json!({"action": "set", "device": "pinhole.exp", "value": 3.25})).await;
    let ack = socket.until(is_ack).await.pop().unwrap();
    assert_eq!(ack, json!({"message": "Successfully set pinhole.exp to 3.25"}));
    socket.send(json!({"action": "set", "device": "pinhole.exp", "value": 50})).await;
    assert_eq!(
        socket.until(is_error).await.pop().unwrap()["error"],
        "Value 50 is outside of limits for device pinhole.exp. Low limit: 0.0, High limit: 10.0"
    );
    // The same as ophyd-service has it.
    socket.send(json!({"action": "subscribe", "device": "pinhole"})).await;
    socket.until(|frame| is_value(frame) && frame["device"] == "pinhole").await;
    let set = json!({"action": "set", "device": "pinhole", "component": "exp", "value": 2});
    socket.send(set).await;
    let ack = socket.until(is_ack).await.pop().unwrap();
    assert_eq!(ack, json!({"message": "Successfully set pinhole.exp to 2"}));
    assert_eq!(exp.writes(), [PvValue::Double(3.25), PvValue::Long(2)]);
}

#[tokio::test]
async fn a_device_with_one_hint_tells_its_value_and_nothing_else() {
    let control = beamline().await;
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribe", "device": "pinhole"})).await;
    socket.next().await;
    assert!(is_meta(&socket.next().await));
    let value = socket.next().await;
    assert_eq!((&value["value"], &value["signal"]), (&json!(7.0), &json!("pinhole_det")));
    socket.send(json!({"action": "refresh"})).await;
    let frames = socket.until(is_ack).await;
    assert_eq!(frames.len(), 3, "{frames:?}");
    assert_eq!(frames[2], json!({"message": "Refreshed all devices"}));
    socket.send(json!({"action": "unsubscribe", "devices": ["pinhole", "m1"]})).await;
    assert_eq!(
        socket.next().await,
        json!({"action": "unsubscribe", "unsubscribed": ["pinhole"], "not_subscribed": ["m1"]})
    );
    control.until("/health", |_, body| body["active_subscriptions"] == 0).await;
}

#[tokio::test]
async fn errors_have_the_texts_of_the_contract() {
    let control = beamline().await;
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribeReadOnly", "device": "m1"})).await;
    socket.until(is_value).await;
    for (command, error) in [
        (json!({"action": "set"}), "No device name specified"),
        (json!({"action": "subscribe"}), "No device name(s) specified"),
        (json!({"action": "unsubscribe", "devices": []}), "No device name(s) specified"),
        (
            json!({"action": "set", "device": "ghost", "value": 1}),
            "Device ghost is not subscribed. Subscribe to device before setting value.",
        ),
        (
            json!({"action": "set", "device": "m1", "value": 1}),
            "Write access is not enabled for device m1. Cannot set value.",
        ),
        (
            json!({}),
            "Received action: None, actions must be 'subscribe', 'unsubscribe', 'refresh', \
             'subscribeSafely', 'subscribeReadOnly', or 'set'. Example msg: {action: 'subscribe', device: 'motor1'}",
        ),
    ] {
        socket.send(command.clone()).await;
        assert_eq!(
            socket.until(is_error).await.pop().unwrap(),
            json!({ "error": error }),
            "{command}"
        );
    }
}

#[tokio::test]
async fn a_locked_device_is_not_moved() {
    let control = beamline().await;
    control.lock(&["m1"], false).await;
    let locked = |status: u16, _: &Value| status == 423;
    let ask = async {
        let set = json!({"device_name": "m1", "method": "set", "args": [5.0], "kwargs": {}});
        while !locked(control.post("/api/v1/device/execute", set.clone()).await.0, &Value::Null) {}
    };
    tokio::time::timeout(crate::support::PATIENCE, ask).await.unwrap();
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribe", "device": "m1"})).await;
    socket.until(is_value).await;
    socket.send(json!({"action": "set", "device": "m1", "value": 1})).await;
    assert_eq!(
        socket.until(is_error).await.pop().unwrap(),
        json!({
            "error": "Could not set value of m1 to 1: Device name m1 is locked by plan count",
            "reason": "locked",
        })
    );
}

#[tokio::test]
async fn a_dead_device_is_told_to_be_disconnected() {
    let control = beamline().await;
    control.signal("dead", "NOPE:x").await;
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribeSafely", "device": "dead"})).await;
    assert_eq!(
        socket.next().await["failed"],
        json!([{"device": "dead", "error": "Failed to connect to NOPE:x within 1.00 sec"}])
    );
    socket.send(json!({"action": "subscribe", "device": "dead"})).await;
    socket.next().await;
    let told = socket.next().await;
    assert_eq!((&told["device"], &told["connected"]), (&json!("dead"), &json!(false)));
}
