//! `/api/v1/device-socket` over a real socket (contract §2.10, §3.4).

use serde_json::{Value, json};

use crate::socket::Socket;
use crate::support::{Control, pinhole, settings};

async fn with_pinhole() -> Control {
    let control = Control::start(settings()).await;
    control.pvs.add("mini:ph:det", 7.0);
    control.pvs.add("mini:ph:exp", 1.0);
    pinhole(&control).await;
    control
}

fn is_update(frame: &Value) -> bool {
    frame["event_type"] == "device_update"
}

#[tokio::test]
async fn the_exerciser_gets_what_it_waits_for() {
    let control = with_pinhole().await;
    let mut socket = Socket::open(&control, "device-socket").await;
    socket.send(json!({"action": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong");
    socket.send(json!({"action": "subscribe", "device": "pinhole"})).await;
    let frames = socket.until(|frame| frame["type"] == "subscribed").await;
    let signals: Vec<_> = frames
        .iter()
        .filter(|frame| is_update(frame))
        .map(|frame| frame["signal"].as_str().unwrap())
        .collect();
    assert_eq!(signals, ["det", "exp"]);
    assert_eq!(frames.iter().filter(|frame| frame["sub_type"] == "meta").count(), 2);
    let ack = frames.last().unwrap();
    assert_eq!(
        (&ack["device"], &ack["message"]),
        (&json!("pinhole"), &json!("Subscribed to device pinhole"))
    );
    control.pvs.add("mini:ph:det", 8.0);
    let update = socket.until(is_update).await.pop().unwrap();
    let keys: Vec<_> = update.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "event_type",
            "device",
            "signal",
            "value",
            "timestamp",
            "connected",
            "read_access",
            "write_access"
        ]
    );
    assert_eq!((&update["signal"], &update["value"]), (&json!("det"), &json!(8.0)));
    socket.send(json!({"action": "subscribe", "device": "pinhole"})).await;
    assert_eq!(socket.next().await["type"], "subscribed", "already subscribed: only the ack");
    socket.send(json!({"action": "refresh", "device": "pinhole"})).await;
    let frames = socket.until(|frame| frame["type"] == "refreshed").await;
    assert_eq!((frames.len(), &frames[4]["devices"]), (5, &json!(["pinhole"])));
    socket.send(json!({"action": "unsubscribe", "device": "pinhole"})).await;
    assert_eq!(socket.reply("unsubscribed").await["message"], "Unsubscribed from pinhole");
    control.until("/health", |_, body| body["active_subscriptions"] == 0).await;
}

#[tokio::test]
async fn a_dead_signal_is_named_and_follows_when_it_comes() {
    let control = Control::start(settings()).await;
    control.pvs.add("mini:ph:det", 7.0);
    pinhole(&control).await;
    let mut socket = Socket::open(&control, "device-socket").await;
    socket.send(json!({"action": "subscribe", "device": "pinhole"})).await;
    let error = socket.reply("error").await;
    assert_eq!(
        error["error"],
        "PV exp (mini:ph:exp) failed to subscribe: PV mini:ph:exp subscription failed: mini:ph:exp \
         could not connect within 5.0-second timeout."
    );
    assert_eq!(
        (&error["signal"], &error["reason"]),
        (&json!("exp"), &json!("pv_subscribe_failed"))
    );
    socket.reply("subscribed").await;
    socket.send(json!({"action": "subscribeSafely", "device": "pinhole"})).await;
    assert_eq!(socket.reply("error").await["reason"], "not_connected");
    control.pvs.add("mini:ph:exp", 1.0);
    let update = socket.until(is_update).await.pop().unwrap();
    assert_eq!((&update["signal"], &update["value"]), (&json!("exp"), &json!(1.0)));
}

#[tokio::test]
async fn a_component_is_set_and_the_device_must_be_subscribed() {
    let control = with_pinhole().await;
    let mut socket = Socket::open(&control, "device-socket").await;
    let set = json!({"action": "set", "device": "pinhole", "component": "exp", "value": 3.25});
    socket.send(set.clone()).await;
    assert_eq!(
        socket.reply("error").await["error"],
        "Device pinhole not subscribed. Subscribe before setting."
    );
    socket.send(json!({"action": "subscribe", "device": "pinhole"})).await;
    socket.reply("subscribed").await;
    socket.send(set).await;
    let mut done = socket.reply("set_complete").await;
    done["timestamp"].take();
    assert_eq!(
        done,
        json!({"type": "set_complete", "timestamp": null, "device": "pinhole", "component": "exp",
            "value": 3.25, "success": true, "result": {"done": true, "success": true},
            "use_put": false})
    );
    socket.send(json!({"action": "set", "device": "pinhole", "value": 3})).await;
    let error = socket.reply("error").await;
    assert_eq!(error["error"], "Det object 'pinhole' does not support method 'set'");
    assert_eq!(error["device"], "pinhole");
    let put = json!({"action": "set", "device": "pinhole", "component": "exp", "value": 4, "use_put": true});
    socket.send(put).await;
    assert_eq!(socket.reply("set_complete").await["result"], Value::Null);
    socket.send(json!({"action": "stop", "device": "pinhole"})).await;
    assert_eq!(socket.reply("stop_complete").await["message"], "stop completed via ophyd-sync");
}

#[tokio::test]
async fn errors_have_the_texts_of_the_contract() {
    let control = with_pinhole().await;
    let mut socket = Socket::open(&control, "device-socket").await;
    for (command, text) in [
        (
            json!({"action": "subscribe", "device": "ghost"}),
            "Device 'ghost' not found in configuration service",
        ),
        (json!({"action": "subscribe"}), "device field required"),
        (json!({"action": "set", "device": "pinhole"}), "device and value fields required"),
        (
            json!({"action": "bogus"}),
            "Unknown action: bogus. Expected: subscribe, unsubscribe, subscribeSafely, \
             subscribeReadOnly, refresh, set, stop, ping",
        ),
        (
            json!({"action": "stop", "device": "pinhole"}),
            "Device pinhole not subscribed. Subscribe before stopping.",
        ),
    ] {
        socket.send(command.clone()).await;
        assert_eq!(socket.reply("error").await["error"], text, "{command}");
    }
}
