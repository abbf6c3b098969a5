//! What finch's hooks send, and that what they read of the answers is there, message by message
//! (contract §12), in both APIs.

use std::collections::BTreeMap;
use std::sync::Arc;

use channels::{Metadata, PvValue};
use serde_json::{Map, Value, json};

use crate::fake::FakePv;
use crate::socket::Socket;
use crate::support::{Control, settings};

/// What the hooks keep of everything that was told, by the name under `key`.
struct Page {
    key: &'static str,
    known: BTreeMap<String, Map<String, Value>>,
}

impl Page {
    fn new(key: &'static str) -> Self {
        Self { key, known: BTreeMap::new() }
    }

    /// Metadata and values are merged as they are; everything else is for the console.
    fn take(&mut self, frame: &Value) {
        let Some(name) = frame[self.key].as_str() else { return };
        let entry = self.known.entry(name.to_owned()).or_default();
        entry.extend(frame.as_object().unwrap().clone());
        if frame["sub_type"] == "meta" {
            let limit = |key: &str| frame.get(key).cloned().unwrap_or(Value::Null);
            entry.insert("min".to_owned(), limit("lower_ctrl_limit"));
            entry.insert("max".to_owned(), limit("upper_ctrl_limit"));
        }
    }

    async fn until(
        &mut self,
        socket: &mut Socket,
        name: &str,
        wanted: impl Fn(&Map<String, Value>) -> bool,
    ) {
        while !self.known.get(name).is_some_and(&wanted) {
            let frame = socket.next().await;
            self.take(&frame);
        }
    }
}

/// The colour mode is RGB1.
fn color_mode(control: &Control) -> Arc<FakePv> {
    let labels = Metadata {
        enum_labels: Some(["Mono".to_owned(), "RGB1".to_owned()].into()),
        ..Metadata::default()
    };
    control.pvs.add_with("13SIM1:cam1:ColorMode", PvValue::Enum(1), labels)
}

async fn camera() -> Control {
    let control = Control::start(settings()).await;
    control.pvs.add("13SIM1:cam1:AcquireTime", 0.1);
    color_mode(&control);
    control.pvs.add("13SIM1:m1", 1.0);
    for (name, pv) in [
        ("acquire_time", "13SIM1:cam1:AcquireTime"),
        ("color_mode", "13SIM1:cam1:ColorMode"),
        ("m1", "13SIM1:m1"),
    ] {
        control.signal(name, pv).await;
    }
    control
}

async fn sockets(control: &Control, path: &str) -> [Socket; 2] {
    [Socket::open_oas(control, &format!("/api/v1/{path}")).await, Socket::open(control, path).await]
}

/// The checks of the components that show one thing.
fn assert_usable(entry: &Map<String, Value>) {
    assert_eq!(entry["connected"], true);
    assert!(entry["timestamp"].as_f64().unwrap() > 1e9, "seconds since 1970");
    assert!(entry["units"].is_string() || entry["units"].is_null(), "sliced as a text");
    let decimals = &entry["precision"];
    assert!(decimals.is_null() || (0..=100).contains(&decimals.as_i64().unwrap()));
    let labels = &entry["enum_strs"];
    assert!(labels.is_null() || !labels.as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_page_of_pvs_shows_and_sets_what_it_subscribed_one_by_one() {
    let control = camera().await;
    let names = ["13SIM1:cam1:AcquireTime", "13SIM1:cam1:ColorMode", "13SIM1:m1", "13SIM1:m1"];
    for mut socket in sockets(&control, "pv-socket").await {
        let mut page = Page::new("pv");
        let modes = color_mode(&control);
        let before = modes.writes().len();
        for pv in names {
            socket.send(json!({"action": "subscribe", "pv": pv})).await;
        }
        for pv in names {
            let all_there = |entry: &Map<String, Value>| {
                entry.contains_key("value") && entry.contains_key("units")
            };
            page.until(&mut socket, pv, all_there).await;
            page.until(&mut socket, pv, |entry| entry.contains_key("min")).await;
            assert_usable(&page.known[pv]);
        }
        let mode = &page.known["13SIM1:cam1:ColorMode"];
        assert_eq!((&mode["value"], &mode["enum_strs"][1]), (&json!(1), &json!("RGB1")));
        let m1 = &page.known["13SIM1:m1"];
        assert_eq!(
            (&m1["min"], &m1["max"], &m1["precision"]),
            (&json!(0.0), &json!(10.0), &json!(3))
        );
        // Never with a timeout. An enum is set twice, by index and by label.
        socket.send(json!({"action": "set", "pv": "13SIM1:m1", "value": 4.5})).await;
        page.until(&mut socket, "13SIM1:m1", |entry| entry["value"] == 4.5).await;
        let mode = "13SIM1:cam1:ColorMode";
        socket.send(json!({"action": "set", "pv": mode, "value": 0})).await;
        socket.send(json!({"action": "set", "pv": mode, "value": "Mono"})).await;
        page.until(&mut socket, mode, |entry| entry["value"] == 0).await;
        while modes.writes().len() < before + 2 {
            tokio::task::yield_now().await;
        }
        for pv in names {
            socket.send(json!({"action": "unsubscribe", "pv": pv})).await;
        }
        control.pvs.add("13SIM1:m1", 1.0);
    }
}

#[tokio::test]
async fn the_newer_hook_subscribes_a_list_at_once() {
    let control = camera().await;
    let names = ["13SIM1:cam1:AcquireTime", "13SIM1:m1"];
    let mut socket = Socket::open_oas(&control, "/api/v1/pv-socket").await;
    let mut page = Page::new("pv");
    socket.send(json!({"action": "subscribeSafely", "pvs": names})).await;
    for pv in names {
        let whole = |entry: &Map<String, Value>| entry.contains_key("value");
        page.until(&mut socket, pv, whole).await;
        assert_usable(&page.known[pv]);
    }
}

#[tokio::test]
async fn a_page_of_devices_shows_and_sets_them() {
    let control = camera().await;
    for mut socket in sockets(&control, "device-socket").await {
        let mut page = Page::new("device");
        socket.send(json!({"action": "subscribe", "device": "m1"})).await;
        page.until(&mut socket, "m1", |entry| {
            entry.contains_key("value") && entry.contains_key("min")
        })
        .await;
        assert_usable(&page.known["m1"]);
        socket.send(json!({"action": "set", "device": "m1", "value": 2.5})).await;
        page.until(&mut socket, "m1", |entry| entry["value"] == 2.5).await;
        control.pvs.add("13SIM1:m1", 1.0);
    }
}

#[tokio::test]
async fn answers_that_are_no_state_do_not_end_up_in_it() {
    let control = camera().await;
    let mut socket = Socket::open_oas(&control, "/api/v1/pv-socket").await;
    for command in [
        json!({"action": "subscribe", "pv": "13SIM1:m1"}),
        json!({"action": "set", "pv": "13SIM1:m1", "value": 99}),
        json!({"action": "unsubscribe", "pv": "13SIM1:m1"}),
        json!({"action": "set", "pv": "13SIM1:m1", "value": 1}),
    ] {
        socket.send(command).await;
    }
    let frames = socket
        .until(|frame| {
            frame["error"].as_str().is_some_and(|error| error.contains("not subscribed"))
        })
        .await;
    for frame in frames {
        let is_state = frame.get("value").is_some() || frame["sub_type"] == "meta";
        assert_eq!(frame.get("pv").is_some(), is_state, "{frame}");
    }
}
