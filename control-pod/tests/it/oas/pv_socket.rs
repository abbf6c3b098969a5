//! `/api/v1/pv-socket` message by message (contract §3, §4).

use std::sync::Arc;
use std::time::Duration;

use channels::{Metadata, PvValue};
use control_pod::{OasSettings, Settings};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;

use super::{following_m1, is_error, is_meta, is_value, keys};
use crate::fake::OnPut;
use crate::socket::Socket;
use crate::support::{Control, oas_settings, settings};

async fn with_m1() -> Control {
    with_m1_and(settings()).await
}

async fn with_m1_and(settings: Settings) -> Control {
    let control = Control::start(settings).await;
    control.pvs.add("IOC:m1", 2.5);
    control.signal("m1", "IOC:m1").await;
    control
}

async fn open(control: &Control) -> Socket {
    Socket::open_oas(control, "/api/v1/pv-socket").await
}

#[tokio::test]
async fn a_subscription_is_summed_up_and_then_told_metadata_first() {
    let control = with_m1().await;
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribe", "pvs": ["IOC:m1", "IOC:m1"]})).await;
    assert_eq!(
        socket.next().await.to_string(),
        r#"{"action":"subscribe","subscribed":["IOC:m1"],"already_subscribed":["IOC:m1"],"failed":[]}"#
    );
    let meta = socket.next().await;
    assert_eq!(
        keys(&meta),
        [
            "connected",
            "read_access",
            "write_access",
            "timestamp",
            "status",
            "severity",
            "precision",
            "setpoint_timestamp",
            "setpoint_status",
            "setpoint_severity",
            "lower_ctrl_limit",
            "upper_ctrl_limit",
            "units",
            "enum_strs",
            "setpoint_precision",
            "sub_type",
            "obj",
            "pv"
        ]
    );
    assert_eq!((&meta["units"], &meta["precision"]), (&json!("mm"), &json!(3)));
    assert_eq!((&meta["obj"], &meta["pv"]), (&json!("IOC:m1"), &json!("IOC:m1")));
    let value = socket.next().await;
    assert_eq!(
        keys(&value),
        ["pv", "value", "timestamp", "connected", "read_access", "write_access"]
    );
    assert_eq!((&value["value"], &value["connected"]), (&json!(2.5), &json!(true)));
    control.pvs.add("IOC:m1", 3.5);
    assert_eq!(socket.next().await["value"], 3.5);
    socket.send(json!({"action": "unsubscribe", "pvs": ["IOC:m1", "nope"]})).await;
    assert_eq!(
        socket.next().await.to_string(),
        r#"{"action":"unsubscribe","unsubscribed":["IOC:m1"],"not_subscribed":["nope"]}"#
    );
    control.pvs.add("IOC:m1", 4.5);
    socket.send(json!({"action": "refresh"})).await;
    assert_eq!(socket.next().await, json!({"message": "Refreshed all PVs"}));
}

#[tokio::test]
async fn what_is_no_command_is_answered_in_the_words_of_the_contract() {
    let control = with_m1().await;
    let mut socket = open(&control).await;
    for (sent, error) in [
        ("not json", "Invalid JSON format"),
        ("[1]", "Unexpected error: 'list' object has no attribute 'get'"),
        ("null", "Unexpected error: 'NoneType' object has no attribute 'get'"),
        (
            r#"{"action": "explode"}"#,
            "Received action: explode, actions must be 'subscribe', 'unsubscribe', 'refresh', \
             'subscribeSafely', 'subscribeReadOnly', or 'set'. Example msg: {action: 'subscribe', pv: 'IOC:m1'}",
        ),
        ("{\"action\": \"subscribe\"}", "No PV name(s) specified"),
        ("{\"action\": \"subscribe\", \"pvs\": []}", "No PV name(s) specified"),
        ("{\"action\": \"unsubscribe\"}", "No PV name(s) specified"),
        ("{\"action\": \"set\"}", "No PV specified"),
        (
            r#"{"action": "set", "pv": "IOC:m1", "value": 1}"#,
            "PV IOC:m1 is not subscribed. Subscribe to PV before setting value.",
        ),
    ] {
        socket.send_text(sent).await;
        assert_eq!(socket.next().await, json!({ "error": error }), "{sent}");
    }
    socket.send(json!({"action": "ping"})).await;
    assert_eq!(socket.next().await, json!({"message": "pong"}));
}

#[tokio::test]
async fn a_set_is_silent_when_it_succeeds_and_says_why_when_not() {
    let control = with_m1().await;
    let pv = control.pvs.add("IOC:m1", 2.5);
    let mut socket = following_m1(&control).await;
    for (value, timeout, error) in [
        (
            json!(99),
            json!(1),
            "Value 99 is outside of limits for PV IOC:m1. Low limit: 0.0, High limit: 10.0",
        ),
        (json!(null), json!(1), "Value must be a number. Could not set value of IOC:m1 to None"),
        (
            json!({"nested": 1}),
            json!(1),
            "Value must be a number. Could not set value of IOC:m1 to {'nested': 1}",
        ),
        (json!(1), json!("soon"), "Timeout must be a number. Could not set value of IOC:m1 to 1"),
        (
            json!("abc"),
            json!(1),
            "Could not set value of IOC:m1 to abc: could not convert string to float: 'abc'",
        ),
        (
            json!("99"),
            json!(1),
            "Value 99 is outside of limits for PV IOC:m1. Low limit: 0.0, High limit: 10.0",
        ),
    ] {
        let set = json!({"action": "set", "pv": "IOC:m1", "value": value, "timeout": timeout});
        socket.send(set).await;
        assert_eq!(socket.next().await, json!({ "error": error }));
    }
    assert!(pv.writes().is_empty(), "nothing of that was written");
    for (value, written) in [
        (json!(4), PvValue::Long(4)),
        (json!("5.5"), PvValue::Double(5.5)),
        (json!(true), PvValue::Long(1)),
    ] {
        socket.send(json!({"action": "set", "pv": "IOC:m1", "value": value})).await;
        assert!(is_value(&socket.next().await), "only the new value is told");
        assert_eq!(pv.writes().last(), Some(&written));
    }
    pv.on_put(OnPut::Refuse);
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 2, "timeout": 5})).await;
    let error = socket.next().await;
    let text = error["error"].as_str().unwrap();
    assert!(text.starts_with("Could not set value of IOC:m1 to 2: "), "{text}");
}

#[tokio::test]
async fn the_gate_holds_and_says_why() {
    let control = with_m1().await;
    control.pvs.add("IOC:free", 1.0);
    let mut socket = following_m1(&control).await;
    socket.send(json!({"action": "subscribe", "pv": "IOC:free"})).await;
    socket.until(is_value).await;
    socket.send(json!({"action": "set", "pv": "IOC:free", "value": 2})).await;
    assert_eq!(
        socket.next().await,
        json!({
            "error": "Could not set value of IOC:free to 2: PV 'IOC:free' not found in the registry",
            "reason": "not_registered",
        }),
        "what the registry does not know can be read and not written"
    );
    control.lock(&["m1"], false).await;
    let set = json!({"action": "set", "pv": "IOC:m1", "value": 3});
    let locked = json!({
        "error": "Could not set value of IOC:m1 to 3: Device name m1 is locked by plan count",
        "reason": "locked",
    });
    // The lock is heard of a moment later.
    loop {
        socket.send(set.clone()).await;
        if socket.next().await == locked {
            break;
        }
    }
    control.lock(&[], false).await;
    control.set_active("m1", false).await;
    loop {
        socket.send(set.clone()).await;
        if socket.until(|frame| is_error(frame) || is_value(frame)).await.pop().unwrap()["reason"]
            == "disabled"
        {
            break;
        }
    }
    let read_only = Settings { global_read_only: true, ..settings() };
    let control = with_m1_and(read_only).await;
    let mut socket = following_m1(&control).await;
    socket.send(set).await;
    assert_eq!(socket.next().await["reason"], "read_only_mode");
}

#[tokio::test]
async fn unknown_pvs_are_read_only_where_that_is_allowed() {
    let oas = OasSettings { read_unregistered: false, ..oas_settings() };
    let control = with_m1_and(Settings { oas, ..settings() }).await;
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribe", "pvs": ["IOC:free", 3, "IOC:m1"]})).await;
    assert_eq!(
        socket.next().await,
        json!({
            "action": "subscribe",
            "subscribed": ["IOC:m1"],
            "already_subscribed": [],
            "failed": [
                {"pv": "IOC:free", "error": "PV 'IOC:free' not found in the registry"},
                {"pv": 3, "error": "a PV name is a text"},
            ],
        })
    );
}

#[tokio::test]
async fn a_read_only_subscription_cannot_set() {
    let control = with_m1().await;
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribeReadOnly", "pv": "IOC:m1"})).await;
    assert_eq!(socket.next().await["action"], "subscribe");
    let meta = socket.next().await;
    assert!(is_meta(&meta) && !keys(&meta).iter().any(|key| key.starts_with("setpoint_")));
    assert_eq!(meta["write_access"], false);
    assert_eq!(socket.next().await["write_access"], false);
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 1})).await;
    assert_eq!(
        socket.next().await["error"],
        "Write access is not enabled for PV IOC:m1. Cannot set value."
    );
    let mut other = following_m1(&control).await;
    other.send(json!({"action": "set", "pv": "IOC:m1", "value": 1})).await;
    assert_eq!(socket.until(is_value).await.pop().unwrap()["value"], 1);
}

#[tokio::test]
async fn dead_pvs_are_told_once_and_together() {
    let control = with_m1().await;
    let mut socket = open(&control).await;
    let names: Vec<String> = (0..50).map(|number| format!("NOPE:{number}")).collect();
    socket.send(json!({"action": "subscribe", "pvs": names})).await;
    assert_eq!(socket.next().await["subscribed"], json!(names), "a plain subscription never waits");
    socket.send(json!({"action": "subscribeSafely", "pvs": ["NOPE:safe", "IOC:m1"]})).await;
    let frames = socket.until(|frame| frame["action"] == "subscribe").await;
    assert_eq!(
        frames.last().unwrap(),
        &json!({
            "action": "subscribe",
            "subscribed": ["IOC:m1"],
            "already_subscribed": [],
            "failed": [{"pv": "NOPE:safe", "error": "Failed to connect to NOPE:safe within 1.00 sec"}],
        })
    );
    let silent = frames.iter().filter(|frame| is_meta(frame) && frame["connected"] == false);
    assert_eq!(silent.count(), 50, "every silent PV is said to be disconnected");
    let mut late = open(&control).await;
    late.send(json!({"action": "subscribe", "pv": "NOPE:7"})).await;
    late.next().await;
    let told = late.next().await;
    assert_eq!((&told["pv"], &told["connected"]), (&json!("NOPE:7"), &json!(false)));
    control.pvs.add("NOPE:7", 1.0);
    assert_eq!(late.next().await["connected"], true);
    assert_eq!(late.next().await["value"], 1.0);
}

#[tokio::test]
async fn loss_and_return_of_the_ioc_are_metadata() {
    let control = with_m1().await;
    let pv = control.pvs.add("IOC:m1", 2.5);
    let mut socket = following_m1(&control).await;
    pv.set_connected(false);
    let lost = socket.next().await;
    assert!(is_meta(&lost));
    assert_eq!((&lost["connected"], &lost["units"]), (&json!(false), &json!("mm")));
    pv.set_connected(true);
    let back = socket.next().await;
    assert!(is_meta(&back) && back["connected"] == true);
    assert_eq!(socket.next().await["value"], 2.5);
}

#[tokio::test]
async fn a_change_of_limits_is_pushed() {
    let control = with_m1().await;
    let mut socket = following_m1(&control).await;
    let limits = Metadata { control_limits: Some((0.0, 3.0)), ..Metadata::default() };
    control.pvs.add_with("IOC:m1", PvValue::Double(2.5), limits);
    assert_eq!(socket.next().await["upper_ctrl_limit"], 3.0);
    assert_eq!(socket.next().await["value"], 2.5);
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 4})).await;
    let error = socket.next().await;
    assert!(error["error"].as_str().unwrap().ends_with("Low limit: 0.0, High limit: 3.0"));
}

#[tokio::test]
async fn who_asks_again_is_told_again() {
    let control = with_m1().await;
    let mut socket = following_m1(&control).await;
    socket.send(json!({"action": "subscribe", "pv": "IOC:m1"})).await;
    assert_eq!(socket.next().await["already_subscribed"], json!(["IOC:m1"]));
    assert!(is_meta(&socket.next().await));
    assert!(is_value(&socket.next().await));
    socket.send(json!({"action": "refresh"})).await;
    assert!(is_meta(&socket.next().await));
    assert!(is_value(&socket.next().await));
    assert_eq!(socket.next().await, json!({"message": "Refreshed all PVs"}), "the answer is last");
}

#[tokio::test]
async fn a_set_that_waits_holds_up_nothing_and_a_newer_one_ends_it() {
    let control = with_m1().await;
    let pv = control.pvs.add("IOC:m1", 2.5);
    pv.on_put(OnPut::Hold(Arc::new(Notify::new())));
    let mut socket = following_m1(&control).await;
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 9, "timeout": 60})).await;
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 3})).await;
    assert_eq!(
        socket.next().await["error"],
        "Could not set value of IOC:m1: a newer set came before it was done"
    );
    socket.send(json!({"action": "ping"})).await;
    assert_eq!(socket.next().await, json!({"message": "pong"}));
    assert_eq!(pv.writes().last(), Some(&PvValue::Long(3)), "the newest is written");
}

#[tokio::test]
async fn a_set_that_takes_too_long_leaves_the_next_alone() {
    let control = with_m1().await;
    let pv = control.pvs.add("IOC:m1", 2.5);
    pv.on_put(OnPut::Hold(Arc::new(Notify::new())));
    let mut socket = following_m1(&control).await;
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 9, "timeout": 0.05})).await;
    let error = socket.next().await;
    assert!(
        error["error"].as_str().unwrap().starts_with("Could not set value of IOC:m1 to 9: "),
        "{error}"
    );
    pv.on_put(OnPut::Accept);
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 4, "timeout": 5})).await;
    assert_eq!(socket.next().await["value"], 4);
}

#[tokio::test]
async fn a_set_right_after_its_subscription_finds_it() {
    let control = with_m1().await;
    let pv = control.pvs.add("IOC:m1", 2.5);
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribeSafely", "pvs": ["NOPE:x", "IOC:m1"]})).await;
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 7})).await;
    let frames = socket.until(|frame| frame["value"] == 7).await;
    assert!(!frames.iter().any(is_error), "{frames:?}");
    assert_eq!(pv.writes(), [PvValue::Long(7)]);
}

#[tokio::test]
async fn the_old_path_is_the_same_socket() {
    let control = with_m1().await;
    let mut socket = Socket::open_oas(&control, "/ophydSocket").await;
    let set = json!({"action": "set", "pv": "IOC:m1", "value": 3, "timeout": 10});
    socket.send(json!({"action": "subscribe", "pv": "IOC:m1"})).await;
    socket.until(is_value).await;
    socket.send(set).await;
    assert_eq!(socket.next().await["value"], 3);
}

#[tokio::test]
async fn a_cap_is_a_failure_of_those_that_are_too_many() {
    let control = with_m1_and(Settings { max_subscriptions_per_client: 1, ..settings() }).await;
    let mut socket = open(&control).await;
    socket.send(json!({"action": "subscribe", "pvs": ["IOC:m1", "IOC:m2"]})).await;
    let summary = socket.next().await;
    assert_eq!(summary["subscribed"], json!(["IOC:m1"]));
    assert_eq!(
        summary["failed"],
        json!([{"pv": "IOC:m2", "error": "Subscribe would exceed max_subscriptions_per_client (cap=1)."}])
    );
}

#[tokio::test]
async fn both_apis_share_one_monitor_and_a_closed_socket_leaves_nothing() {
    let control = with_m1().await;
    let mut own = Socket::open(&control, "pv-socket").await;
    own.send(json!({"action": "subscribe", "pv": "IOC:m1"})).await;
    own.reply("subscribed").await;
    let socket = following_m1(&control).await;
    control.until("/health", |_, body| body["active_subscriptions"] == 2).await;
    assert_eq!(control.get("/health").await.1["connected_pvs"], 1);
    drop(socket);
    control.until("/health", |_, body| body["active_subscriptions"] == 1).await;
}

#[tokio::test]
async fn the_sign_of_life_is_a_ping_frame() {
    let beat = Settings { ws_heartbeat_interval: Duration::from_millis(50), ..settings() };
    let control = with_m1_and(beat).await;
    let mut socket = open(&control).await;
    let frame = futures::StreamExt::next(&mut socket.0).await.unwrap().unwrap();
    assert!(matches!(frame, Message::Ping(_)), "{frame:?}");
    control.ask_to_stop();
    assert_eq!(socket.closed().await, (1001, "Service shutting down".to_owned()));
}

#[tokio::test]
async fn nothing_that_a_browser_cannot_read_is_sent() {
    let control = with_m1().await;
    for (pv, value, shown) in [
        ("V:nan", PvValue::Double(f64::NAN), json!(null)),
        ("V:text", PvValue::CharArray(b"/data/a\0\0".to_vec().into()), json!("/data/a")),
        ("V:empty", PvValue::CharArray(vec![0; 256].into()), json!("")),
        ("V:bytes", PvValue::CharArray(vec![200, 0, 255].into()), json!([200, 0, 255])),
        ("V:wave", PvValue::DoubleArray(vec![1.0, f64::INFINITY].into()), json!([1.0, null])),
        ("V:whole", PvValue::LongArray(vec![72, 105].into()), json!([72, 105])),
    ] {
        control.pvs.add_with(pv, value, Metadata::default());
        let mut socket = open(&control).await;
        socket.send(json!({"action": "subscribe", "pv": pv})).await;
        let told: Value = socket.until(is_value).await.pop().unwrap();
        assert_eq!(told["value"], shown, "{pv}");
    }
}
