//! `/api/v1/pv-socket` over a real socket (contract §2.9, §3.4).

use std::sync::Arc;
use std::time::Duration;

use channels::PvValue;
use control_pod::Settings;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::fake::OnPut;
use crate::socket::Socket;
use crate::support::{Control, PATIENCE, settings};

async fn with_m1() -> Control {
    with_m1_and(settings()).await
}

async fn with_m1_and(settings: Settings) -> Control {
    let control = Control::start(settings).await;
    control.pvs.add("IOC:m1", 2.5);
    control.signal("m1", "IOC:m1").await;
    control
}

fn is_update(frame: &Value) -> bool {
    frame["event_type"] == "pv_update"
}

#[tokio::test]
async fn the_exerciser_gets_what_it_waits_for() {
    let control = with_m1().await;
    let mut socket = Socket::open(&control, "pv-socket").await;
    socket.send(json!({"action": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong");
    socket.send(json!({"action": "subscribe", "pv_names": ["IOC:m1"]})).await;
    let frames = socket.until(|frame| frame["type"] == "subscribed").await;
    let kinds: Vec<_> = frames
        .iter()
        .map(|frame| match frame {
            frame if is_update(frame) => "update",
            frame if frame["sub_type"] == "meta" => "meta",
            _ => "ack",
        })
        .collect();
    assert_eq!(kinds, ["update", "meta", "ack"], "one snapshot, and the ack comes last");
    assert_eq!((&frames[0]["pv"], &frames[0]["value"]), (&json!("IOC:m1"), &json!(2.5)));
    assert_eq!((&frames[1]["units"], &frames[1]["precision"]), (&json!("mm"), &json!(3)));
    assert_eq!(frames[2]["pv_names"], json!(["IOC:m1"]));
    control.pvs.add("IOC:m1", 3.5);
    let update = socket.until(is_update).await.pop().unwrap();
    assert_eq!((&update["value"], &update["connected"]), (&json!(3.5), &json!(true)));
    socket.send(json!({"action": "unsubscribe", "pv": "IOC:m1"})).await;
    assert_eq!(socket.reply("unsubscribed").await["pv_names"], json!(["IOC:m1"]));
    control.pvs.add("IOC:m1", 4.5);
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong", "nothing more of a PV that was unsubscribed");
}

#[tokio::test]
async fn loss_and_return_of_the_ioc_are_pushed() {
    let control = with_m1().await;
    let mut socket = Socket::open(&control, "pv-socket").await;
    socket.send(json!({"action": "subscribe", "pv": "IOC:m1"})).await;
    socket.reply("subscribed").await;
    let pv = control.pvs.add("IOC:m1", 2.5);
    pv.set_connected(false);
    let lost = socket.until(|frame| is_update(frame) && frame["connected"] == false).await;
    let lost = lost.last().unwrap();
    assert_eq!((&lost["value"], &lost["write_access"]), (&json!(2.5), &json!(false)));
    pv.set_connected(true);
    socket.until(|frame| is_update(frame) && frame["connected"] == true).await;
    assert_eq!(socket.next().await["sub_type"], "meta", "limits may be others after a restart");
}

#[tokio::test]
async fn a_dead_pv_holds_up_nothing_else() {
    let control = with_m1().await;
    control.signal("dead", "NOPE:x").await;
    let mut socket = Socket::open(&control, "pv-socket").await;
    socket.send(json!({"action": "subscribe", "pv_names": ["NOPE:x", "IOC:m1"]})).await;
    assert!(is_update(&socket.next().await), "the live PV comes at once");
    socket.send(json!({"action": "ping"})).await;
    socket.reply("pong").await;
    let error = socket.reply("error").await;
    assert_eq!(
        error["error"],
        "PV NOPE:x failed to subscribe: PV NOPE:x subscription failed: NOPE:x could not connect \
         within 5.0-second timeout."
    );
    assert_eq!((&error["pv"], &error["reason"]), (&json!("NOPE:x"), &json!("pv_subscribe_failed")));
    assert_eq!(socket.reply("subscribed").await["pv_names"], json!(["IOC:m1"]));
}

#[tokio::test]
async fn errors_have_the_texts_of_the_contract() {
    let control = with_m1().await;
    let mut socket = Socket::open(&control, "pv-socket").await;
    for (command, text, more) in [
        (
            json!({"action": "subscribe", "pv": "NOTREG"}),
            "PV 'NOTREG' not found in the registry",
            json!({"pv": "NOTREG"}),
        ),
        (json!({"action": "subscribeSafely"}), "pv field required for subscribeSafely", json!({})),
        (json!({"action": "get", "pv": "IOC:m1"}), "Unknown action: get", json!({})),
        (json!({}), "Unknown action: None", json!({})),
        (json!({"action": "stop"}), "device field required for stop", json!({})),
        (
            json!({"action": "set", "pv": "IOC:m1"}),
            "pv and value fields required for set",
            json!({}),
        ),
        (
            json!({"action": "set", "pv": "IOC:m1", "value": 99}),
            "PV 'IOC:m1': value 99 is above upper_ctrl_limit 10.0",
            json!({"pv": "IOC:m1"}),
        ),
    ] {
        socket.send(command.clone()).await;
        let mut frame = socket.next().await;
        let frame = frame.as_object_mut().unwrap();
        assert_eq!(frame.remove("type"), Some(json!("error")), "{command}");
        assert_eq!(frame.remove("error"), Some(json!(text)), "{command}");
        frame.remove("timestamp").unwrap();
        assert_eq!(Value::Object(frame.clone()), more, "{command}");
    }
    socket.send_text("not json").await;
    assert!(socket.next().await["error"].as_str().unwrap().starts_with("invalid JSON"));
}

#[tokio::test]
async fn the_cap_counts_every_subscription() {
    let control = with_m1_and(Settings { max_subscriptions_per_client: 1, ..settings() }).await;
    control.pvs.add("IOC:m2", 1.0);
    control.signal("m2", "IOC:m2").await;
    let mut socket = Socket::open(&control, "pv-socket").await;
    socket.send(json!({"action": "subscribe", "pv": "IOC:m1"})).await;
    socket.reply("subscribed").await;
    socket.send(json!({"action": "subscribe", "pv": "IOC:m2"})).await;
    let error = socket.reply("error").await;
    assert_eq!(
        error["error"],
        "Subscribe would exceed max_subscriptions_per_client (cap=1, current=1, requested=1)."
    );
    assert_eq!((&error["cap"], &error["current"]), (&json!(1), &json!(1)));
    socket.send(json!({"action": "subscribe", "pv": "IOC:m1"})).await;
    socket.reply("subscribed").await;
}

#[tokio::test]
async fn a_set_waits_for_completion_and_a_put_does_not() {
    let control = with_m1().await;
    let pv = control.pvs.add("IOC:m1", 2.5);
    let mut socket = Socket::open(&control, "pv-socket").await;
    let go = Arc::new(Notify::new());
    pv.on_put(OnPut::Hold(Arc::clone(&go)));
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 9.5})).await;
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 1.0, "use_put": true})).await;
    socket.send(json!({"action": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong", "a set in progress holds up no ping");
    go.notify_one();
    let first = socket.next().await;
    assert_eq!((&first["type"], &first["value"]), (&json!("set_complete"), &json!(9.5)));
    assert_eq!(first["message"], "PV set confirmed (put-completion)");
    assert_eq!(first["use_put"], false);
    let second = socket.next().await;
    assert_eq!((&second["value"], &second["use_put"]), (&json!(1.0), &json!(true)));
    assert_eq!(pv.writes(), [PvValue::Double(9.5), PvValue::Double(1.0)], "in their order");
    pv.on_put(OnPut::Refuse);
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 3})).await;
    let error = socket.reply("error").await;
    assert!(error["error"].as_str().unwrap().contains("refused the value"), "{error}");
}

#[tokio::test]
async fn a_locked_pv_says_so() {
    let control = with_m1().await;
    control.lock(&["m1"], false).await;
    let mut socket = Socket::open(&control, "pv-socket").await;
    let locked = async {
        loop {
            socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 1})).await;
            let frame = socket.next().await;
            if frame["type"] == "error" {
                return frame;
            }
        }
    };
    let frame = tokio::time::timeout(PATIENCE, locked).await.unwrap();
    assert_eq!(frame["error"], "Device name m1 is locked by plan count");
    assert_eq!((&frame["pv"], &frame["locked"]), (&json!("IOC:m1"), &json!(true)));
}

#[tokio::test]
async fn other_ways_to_subscribe_and_refresh_are_acked_in_their_words() {
    let control = with_m1().await;
    let mut socket = Socket::open(&control, "pv-socket").await;
    socket.send(json!({"action": "subscribeSafely", "pv": "IOC:m1"})).await;
    assert_eq!(socket.reply("subscribed").await["connected"], true);
    socket.send(json!({"action": "subscribeReadOnly", "pv": "IOC:m1"})).await;
    assert_eq!(socket.reply("subscribed").await["read_only"], true);
    socket.send(json!({"action": "refresh"})).await;
    let frames = socket.until(|frame| frame["type"] == "refreshed").await;
    assert_eq!(frames.len(), 2);
    assert!(is_update(&frames[0]));
    assert_eq!(frames[1]["pv_names"], json!(["IOC:m1"]));
    socket.send(json!({"action": "unsubscribe", "pv_names": ["never"]})).await;
    assert_eq!(socket.reply("unsubscribed").await["pv_names"], json!(["never"]));
}

#[tokio::test]
async fn a_client_that_does_not_read_delays_nobody_and_gets_the_newest() {
    const UPDATES: u32 = 3_000;
    let control = Control::start(settings()).await;
    let wave = |number: u32| PvValue::DoubleArray(vec![f64::from(number); 5_000].into());
    let metadata = channels::Metadata::default();
    let pv = control.pvs.add_with("IOC:wf", wave(0), metadata);
    control.signal("wf", "IOC:wf").await;
    let mut slow = Socket::open(&control, "pv-socket").await;
    let mut quick = Socket::open(&control, "pv-socket").await;
    for socket in [&mut slow, &mut quick] {
        socket.send(json!({"action": "subscribe", "pv": "IOC:wf"})).await;
        socket.reply("subscribed").await;
    }
    let mut last = 0.0;
    for number in 1..=UPDATES {
        pv.post(wave(number));
        if number % 100 == 0 {
            // The quick client keeps up although the slow one has stopped reading.
            let wanted = f64::from(number);
            let frames = quick.until(|frame| frame["value"][0] == json!(wanted)).await;
            for frame in frames.iter().filter(|frame| is_update(frame)) {
                let value = frame["value"][0].as_f64().unwrap();
                assert!(value > last, "{value} after {last}");
                last = value;
            }
        }
    }
    slow.send(json!({"action": "ping"})).await;
    let frames = slow.until(|frame| frame["value"][0] == json!(f64::from(UPDATES))).await;
    assert!(frames.len() < UPDATES as usize, "what it missed is not sent: {}", frames.len());
    let values: Vec<f64> = frames
        .iter()
        .filter(|frame| is_update(frame))
        .filter_map(|f| f["value"][0].as_f64())
        .collect();
    assert!(values.is_sorted(), "no PV goes back in time");
}

#[tokio::test]
async fn many_clients_see_every_change() {
    let control = with_m1().await;
    let pv = control.pvs.add("IOC:m1", 2.5);
    let mut sockets = Vec::new();
    for _ in 0..50 {
        let mut socket = Socket::open(&control, "pv-socket").await;
        socket.send(json!({"action": "subscribe", "pv": "IOC:m1"})).await;
        socket.reply("subscribed").await;
        sockets.push(socket);
    }
    let (_, health) = control.get("/health").await;
    assert_eq!(
        (&health["websocket_connections"], &health["active_subscriptions"]),
        (&json!(50), &json!(50))
    );
    assert_eq!(health["connected_pvs"], 1, "one monitor for all");
    for number in 0..20 {
        pv.post(PvValue::Double(f64::from(number)));
        for socket in &mut sockets {
            assert_eq!(socket.next().await["value"], json!(f64::from(number)));
        }
    }
    drop(sockets);
    control.until("/health", |_, body| body["active_subscriptions"] == 0).await;
}

#[tokio::test]
async fn a_socket_too_many_is_told_to_come_back() {
    let control = with_m1_and(Settings { ws_max_connections: 1, ..settings() }).await;
    let first = Socket::open(&control, "pv-socket").await;
    let mut second = Socket::open(&control, "device-socket").await;
    let reason = "server at WebSocket connection capacity; try again later".to_owned();
    assert_eq!(second.closed().await, (1013, reason));
    drop(first);
    control.until("/health", |_, body| body["websocket_connections"] == 0).await;
    let mut third = Socket::open(&control, "pv-socket").await;
    third.send(json!({"action": "ping"})).await;
    third.reply("pong").await;
}

#[tokio::test]
async fn heartbeats_flow_and_the_end_is_told() {
    let heartbeat = Duration::from_millis(50);
    let mut control =
        with_m1_and(Settings { ws_heartbeat_interval: heartbeat, ..settings() }).await;
    let mut socket = Socket::open(&control, "pv-socket").await;
    socket.reply("heartbeat").await;
    socket.reply("heartbeat").await;
    control.ask_to_stop();
    assert_eq!(socket.closed().await, (1001, "Service shutting down".to_owned()));
    control.stop().await;
}

#[tokio::test]
async fn read_only_mode_lets_sockets_watch() {
    let control = with_m1_and(Settings { global_read_only: true, ..settings() }).await;
    let mut socket = Socket::open(&control, "pv-socket").await;
    socket.send(json!({"action": "subscribe", "pv": "IOC:m1"})).await;
    socket.reply("subscribed").await;
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 1})).await;
    let error = socket.reply("error").await;
    assert!(error["error"].as_str().unwrap().starts_with("Service is in read-only mode"));
    assert!(error.get("pv").is_none());
    assert!(control.pvs.add("IOC:m1", 2.5).writes().is_empty());
}
