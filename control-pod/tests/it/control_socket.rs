//! `/api/v1/control-socket`, and the paths of upstream's pages.

use control_pod::Settings;
use serde_json::json;

use crate::socket::Socket;
use crate::support::{Control, pinhole, settings};

async fn beamline(settings: Settings) -> Control {
    let control = Control::start(settings).await;
    for pv in ["IOC:m1", "mini:ph:det", "mini:ph:exp"] {
        control.pvs.add(pv, 2.5);
    }
    control.signal("m1", "IOC:m1").await;
    pinhole(&control).await;
    control
}

#[tokio::test]
async fn one_socket_follows_and_sets_pvs_and_devices() {
    let control = beamline(settings()).await;
    let mut socket = Socket::open(&control, "control-socket").await;
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong");
    socket.send(json!({"action": "subscribe", "pvs": ["IOC:m1"]})).await;
    assert_eq!(socket.reply("subscribed").await["pv_names"], json!(["IOC:m1"]));
    socket.send(json!({"action": "subscribe", "devices": ["pinhole", "m1"]})).await;
    for _ in 0..2 {
        let ack = socket.reply("subscribed").await;
        assert!(["pinhole", "m1"].contains(&ack["device"].as_str().unwrap()), "{ack}");
    }
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 3.5})).await;
    assert_eq!(socket.reply("set_complete").await["pv"], "IOC:m1");
    let set = json!({"action": "set", "device": "pinhole", "component": "exp", "value": 4.5});
    socket.send(set).await;
    assert_eq!(socket.reply("set_complete").await["device"], "pinhole");
    socket.send(json!({"action": "refresh"})).await;
    assert_eq!(socket.reply("refreshed").await["pv_names"], json!(["IOC:m1"]));
    socket.send(json!({"action": "unsubscribe", "device": "m1"})).await;
    assert_eq!(socket.reply("unsubscribed").await["device"], "m1");
    let (_, stats) = control.get("/api/v1/stats").await;
    assert_eq!(stats["pv_socket"]["total_pvs"], 1, "the PV is followed still, {stats}");
}

#[tokio::test]
async fn pvs_and_devices_of_one_socket_count_together() {
    let control = beamline(Settings { max_subscriptions_per_client: 2, ..settings() }).await;
    let mut socket = Socket::open(&control, "control-socket").await;
    socket.send(json!({"action": "subscribe", "device": "pinhole"})).await;
    socket.reply("subscribed").await;
    socket.send(json!({"action": "subscribe", "pv": "IOC:m1"})).await;
    assert_eq!(
        socket.reply("error").await["error"],
        "Subscribe would exceed max_subscriptions_per_client (cap=2, current=2, requested=1)."
    );
    socket.send(json!({"action": "unsubscribe", "device": "pinhole"})).await;
    socket.reply("unsubscribed").await;
    socket.send(json!({"action": "subscribe", "pv": "IOC:m1"})).await;
    socket.reply("subscribed").await;
}

#[tokio::test]
async fn the_paths_of_upstreams_pages_lead_to_the_same_sockets() {
    let control = beamline(settings()).await;
    for (path, command) in [
        ("/ws/pv/monitor", json!({"action": "subscribe", "pv": "IOC:m1"})),
        ("/ws/pv-socket", json!({"action": "subscribe", "pvs": ["IOC:m1"]})),
        ("/ws/device-socket", json!({"action": "subscribe", "devices": ["pinhole"]})),
        ("/ws/control-socket", json!({"action": "subscribe", "pv": "IOC:m1"})),
    ] {
        let mut socket = Socket::open_at(&control, path).await;
        socket.send(command).await;
        socket.reply("subscribed").await;
    }
}
