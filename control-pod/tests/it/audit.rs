//! The audit: whatever road a write comes by, it leaves one record.

use std::collections::BTreeSet;
use std::sync::Arc;

use channels::PvValue;
use control_pod::Settings;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::fake::OnPut;
use crate::oas::ask;
use crate::socket::Socket;
use crate::support::{Control, put, settings};

const DIRECT: &str = "direct-control";
const OAS: &str = "ophyd-websocket";

/// What a client does; `NEW` in it is the value to write.
#[derive(Clone, Copy)]
enum Deed {
    SetPv,
    SetDevice,
    Stop,
}

/// How it gets here.
#[derive(Clone, Copy)]
enum Way {
    /// Method, path, and what the request says.
    Rest(&'static str, &'static str, &'static str),
    Socket,
}

struct Road {
    api: &'static str,
    route: &'static str,
    deed: Deed,
    way: Way,
}

const fn rest(
    api: &'static str,
    route: &'static str,
    deed: Deed,
    method: &'static str,
    path: &'static str,
    body: &'static str,
) -> Road {
    Road { api, route, deed, way: Way::Rest(method, path, body) }
}

const fn socket(api: &'static str, route: &'static str, deed: Deed) -> Road {
    Road { api, route, deed, way: Way::Socket }
}

/// Every road by which a client can write.
const ROADS: &[Road] = &[
    rest(
        DIRECT,
        "/api/v1/pv/set",
        Deed::SetPv,
        "POST",
        "/api/v1/pv/set",
        r#"{"pv_name": "IOC:m1", "value": NEW}"#,
    ),
    rest(
        DIRECT,
        "/api/v1/pv/set/batch",
        Deed::SetPv,
        "POST",
        "/api/v1/pv/set/batch",
        r#"{"caputs": [{"pv_name": "IOC:m1", "value": NEW}]}"#,
    ),
    rest(
        DIRECT,
        "/api/v1/device/execute",
        Deed::SetDevice,
        "POST",
        "/api/v1/device/execute",
        r#"{"device_name": "m1", "method": "set", "args": [NEW]}"#,
    ),
    rest(
        DIRECT,
        "/api/v1/device/{device_path}",
        Deed::SetDevice,
        "POST",
        "/api/v1/device/m1",
        r#"{"method": "set", "value": NEW}"#,
    ),
    rest(
        DIRECT,
        "/api/v1/device/{device_path}/stop",
        Deed::Stop,
        "POST",
        "/api/v1/device/mtr/stop",
        "{}",
    ),
    socket(DIRECT, "/api/v1/pv-socket", Deed::SetPv),
    socket(DIRECT, "/api/v1/pv-socket", Deed::Stop),
    socket(DIRECT, "/api/v1/device-socket", Deed::SetDevice),
    socket(DIRECT, "/api/v1/device-socket", Deed::Stop),
    socket(DIRECT, "/api/v1/control-socket", Deed::SetPv),
    socket(DIRECT, "/api/v1/control-socket", Deed::SetDevice),
    socket(DIRECT, "/api/v1/control-socket", Deed::Stop),
    socket(DIRECT, "/ws/pv/monitor", Deed::SetPv),
    socket(DIRECT, "/ws/pv-socket", Deed::SetPv),
    socket(DIRECT, "/ws/device-socket", Deed::SetDevice),
    socket(DIRECT, "/ws/control-socket", Deed::SetPv),
    rest(
        OAS,
        "/api/v1/pvs",
        Deed::SetPv,
        "PUT",
        "/api/v1/pvs",
        r#"{"pv": "IOC:m1", "set_value": NEW, "timeout": 5}"#,
    ),
    rest(
        OAS,
        "/api/v1/devices",
        Deed::SetDevice,
        "PUT",
        "/api/v1/devices",
        r#"{"device": "m1", "set_value": NEW, "timeout": 5}"#,
    ),
    socket(OAS, "/api/v1/pv-socket", Deed::SetPv),
    socket(OAS, "/api/v1/pv-socket", Deed::Stop),
    socket(OAS, "/ophydSocket", Deed::SetPv),
    socket(OAS, "/api/v1/device-socket", Deed::SetDevice),
    socket(OAS, "/api/v1/device-socket", Deed::Stop),
];

impl Road {
    fn told(&self) -> String {
        let deed = match self.deed {
            Deed::SetPv => "put",
            Deed::SetDevice => "set",
            Deed::Stop => "stop",
        };
        format!("{deed} by {} of {}", self.route, self.api)
    }

    async fn walk(&self, control: &Control, new: f64) {
        match self.way {
            Way::Rest(method, path, body) => {
                let body = serde_json::from_str(&body.replace("NEW", &new.to_string())).unwrap();
                if self.api == DIRECT {
                    control.post(path, body).await;
                } else {
                    ask(control, method, path, Some(body)).await;
                }
            }
            Way::Socket => {
                let mut socket = if self.api == DIRECT {
                    Socket::open_at(control, self.route).await
                } else {
                    Socket::open_oas(control, self.route).await
                };
                let (key, name) = match self.deed {
                    Deed::SetPv => ("pv", "IOC:m1"),
                    Deed::SetDevice => ("device", "m1"),
                    Deed::Stop if self.route.ends_with("device-socket") => ("device", "mtr"),
                    Deed::Stop => ("pv", "IOC:m1"),
                };
                socket.send(json!({"action": "subscribe", key: name})).await;
                let is_done = |frame: &Value| {
                    frame["type"] == "subscribed" || frame.get("subscribed").is_some()
                };
                socket.until(is_done).await;
                socket
                    .send(match self.deed {
                        Deed::Stop => json!({"action": "stop", "device": "mtr"}),
                        _ => json!({"action": "set", key: name, "value": new, "timeout": 5}),
                    })
                    .await;
                let is_answer = |frame: &Value| {
                    let kind = frame["type"].as_str().unwrap_or_default();
                    kind.ends_with("_complete")
                        || frame.get("error").is_some()
                        || frame.get("message").is_some()
                        || frame["value"] == new
                };
                socket.until(is_answer).await;
            }
        }
    }
}

/// A signal that follows what is written, and a motor that can be stopped.
async fn beamline(settings: Settings) -> Control {
    let control = Control::start(settings).await;
    control.pvs.add("IOC:m1", 0.5);
    for part in ["", ".RBV", ".STOP", ".DMOV", ".MOVN", ".HLS", ".LLS", ".OFF", ".DIR", ".OFF"] {
        control.pvs.add(&format!("IOC:mtr{part}"), 0.0);
    }
    control.signal("m1", "IOC:m1").await;
    let motor = json!({"name": "mtr", "deviceClass": "ophyd.EpicsMotor", "prefix": "IOC:mtr"});
    control.device(motor).await;
    control
}

/// The records once there are as many as wanted, oldest first.
async fn records(control: &Control, count: usize) -> Vec<Value> {
    let are_there = |_: u16, body: &Value| {
        let records = body.as_array().map(Vec::as_slice).unwrap_or_default();
        records.len() >= count && records.iter().all(|record| record["outcome"] != "pending")
    };
    let mut records = control.until("/api/v1/audit?limit=1000", are_there).await;
    let mut records = std::mem::take(records.as_array_mut().unwrap());
    records.reverse();
    records
}

#[tokio::test]
async fn every_road_leaves_one_record_of_who_wrote_what() {
    let control = beamline(settings()).await;
    let mut before = 0.5;
    for (number, road) in ROADS.iter().enumerate() {
        let told = road.told();
        // Never a whole number: those are written as such.
        let new = 1.125 + 0.25 * f64::from(u16::try_from(number).unwrap());
        road.walk(&control, new).await;
        let records = records(&control, number + 1).await;
        assert_eq!(records.len(), number + 1, "{told}: one record for one write");
        let record = &records[number];
        let caller = &record["caller"];
        assert_eq!((&caller["api"], &caller["route"]), (&json!(road.api), &json!(road.route)));
        assert!(caller["from"].as_str().unwrap().starts_with("127.0.0.1:"), "{told}: {record}");
        let write = match road.deed {
            Deed::Stop => {
                json!([{"pv": "IOC:mtr.STOP", "old": record["writes"][0]["old"], "new": 1}])
            }
            _ => json!([{"pv": "IOC:m1", "old": before, "new": new}]),
        };
        assert_eq!(record["writes"], write, "{told}");
        let (action, subject, value) = match road.deed {
            Deed::SetPv => ("put", ("pv", "IOC:m1"), json!(new)),
            Deed::SetDevice => ("set", ("device", "m1"), json!(new)),
            Deed::Stop => ("stop", ("device", "mtr"), Value::Null),
        };
        assert_eq!((&record["action"], &record["value"]), (&json!(action), &value), "{told}");
        assert_eq!(record[subject.0], subject.1, "{told}");
        let outcome = record["outcome"].as_str().unwrap();
        assert!(["done", "sent"].contains(&outcome), "{told}: {record}");
        assert!(record["time"].as_str().unwrap().ends_with('Z'), "{told}: {record}");
        if !matches!(road.deed, Deed::Stop) {
            before = new;
        }
    }
}

#[tokio::test]
async fn every_route_that_changes_something_is_a_road_or_known_to_write_nothing() {
    let harmless: BTreeSet<&str> =
        ["/api/v1/devices/resolve", "/api/v1/pvs/{pv}", "/api/v1/load-devices"].into();
    let control = Control::start(settings()).await;
    let mut routes = BTreeSet::new();
    for document in
        [control.get("/openapi.json").await.1, ask(&control, "GET", "/openapi.json", None).await.1]
    {
        for (path, methods) in document["paths"].as_object().unwrap() {
            let changes = methods.as_object().unwrap().keys().any(|method| method != "get");
            if changes && !harmless.contains(path.as_str()) {
                routes.insert(path.replace("{device_name}/stop", "{device_path}/stop"));
            }
        }
    }
    let roads = ROADS.iter().filter(|road| matches!(road.way, Way::Rest(..)));
    assert_eq!(routes, roads.map(|road| road.route.to_owned()).collect());
}

#[tokio::test]
async fn a_refusal_is_told_apart_and_a_stop_is_never_refused_for_a_lock() {
    let control = beamline(settings()).await;
    control.lock(&["m1", "mtr"], false).await;
    let is_locked = |status: u16, _: &Value| status == 423;
    let ask = async {
        while !is_locked(control.post("/api/v1/pv/set", put("IOC:m1", 1.0)).await.0, &Value::Null) {
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, ask).await.unwrap();
    let already = records(&control, 1).await.len();
    for (number, road) in ROADS.iter().enumerate() {
        road.walk(&control, 2.0).await;
        let records = records(&control, already + number + 1).await;
        let record = records.last().unwrap();
        match road.deed {
            Deed::Stop => assert_eq!(record["outcome"], "sent", "{}: {record}", road.told()),
            _ => {
                let how = (&record["outcome"], &record["reason"], &record["writes"]);
                let refused = (&json!("refused"), &json!("locked"), &json!([]));
                assert_eq!(how, refused, "{}: {record}", road.told());
            }
        }
    }
}

#[tokio::test]
async fn a_service_that_only_reads_tells_of_each_attempt() {
    let control = beamline(Settings { global_read_only: true, ..settings() }).await;
    for (number, road) in ROADS.iter().enumerate() {
        road.walk(&control, 2.0).await;
        let records = records(&control, number + 1).await;
        let record = records.last().unwrap();
        assert_eq!(record["caller"]["route"], road.route);
        assert_eq!(record["reason"], "read_only_mode", "{}: {record}", road.told());
    }
    assert_eq!(control.get("/health").await.1["read_only"], true);
    control.post("/api/v1/device/execute", json!({"device_name": "m1", "method": "read"})).await;
    assert_eq!(records(&control, 1).await.len(), ROADS.len(), "who reads is not told of");
}

#[tokio::test]
async fn a_long_write_is_told_of_before_its_end_and_when_its_client_leaves() {
    let control = beamline(settings()).await;
    control.pvs.add("IOC:m1", 0.5).on_put(OnPut::Hold(Arc::new(Notify::new())));
    let mut socket = Socket::open(&control, "pv-socket").await;
    socket.send(json!({"action": "set", "pv": "IOC:m1", "value": 3})).await;
    let outcome = |outcome: &'static str| {
        move |_: u16, body: &Value| body[0]["outcome"] == outcome && body[1].is_null()
    };
    let pending = control.until("/api/v1/audit", outcome("pending")).await;
    assert_eq!(pending[0]["writes"], json!([{"pv": "IOC:m1", "old": 0.5, "new": 3}]));
    drop(socket);
    let ended = control.until("/api/v1/audit", outcome("abandoned")).await;
    assert_eq!(ended[0]["id"], pending[0]["id"]);
}

#[tokio::test]
async fn what_is_told_of_a_write_is_bounded_and_a_proxy_names_the_user() {
    let control = beamline(settings()).await;
    let numbers = PvValue::DoubleArray(vec![0.5; 100_000].into());
    control.pvs.add_with("IOC:wave", numbers, channels::Metadata::default());
    control.standalone("IOC:wave").await;
    let request = reqwest::Client::new().post(control.url("/api/v1/pv/set"));
    let request = request.header("x-forwarded-user", "alice").header("user-agent", "finch");
    let answer = request.json(&put("IOC:wave", vec![1.5; 100_000])).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let record = records(&control, 1).await.pop().unwrap();
    assert!(record.to_string().len() < 3_000, "{record}");
    assert!(record["writes"][0]["old"].as_str().unwrap().starts_with("[0.5,0.5,"));
    assert!(record["writes"][0]["new"].as_str().unwrap().ends_with('…'));
    assert_eq!(record["caller"]["user"], "alice");
    assert_eq!(record["caller"]["agent"], "finch");
}

#[tokio::test]
async fn writes_are_streamed_to_who_listens_until_the_service_stops() {
    let mut control = beamline(settings()).await;
    let mut stream = control.get_raw("/api/v1/audit", Some("text/event-stream")).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    control.post("/api/v1/pv/set", put("IOC:m1", 1.5)).await;
    let mut text = String::new();
    while !text.contains("\n\n") {
        text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
    }
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let record: Value = serde_json::from_str(data).unwrap();
    assert_eq!(record["writes"][0]["new"], 1.5);
    control.ask_to_stop();
    while let Ok(Some(_)) = stream.chunk().await {}
    control.stop().await;
}

#[tokio::test]
async fn only_the_last_writes_are_kept_and_none_where_none_are_wanted() {
    let control = beamline(Settings { audit_keep: 2, ..settings() }).await;
    for value in [1.0, 2.0, 3.0] {
        control.post("/api/v1/pv/set", put("IOC:m1", value)).await;
    }
    let (_, kept) = control.get("/api/v1/audit").await;
    let values: Vec<_> = kept.as_array().unwrap().iter().map(|it| &it["value"]).collect();
    assert_eq!(values, [&json!(3.0), &json!(2.0)]);
    let off = beamline(Settings { audit_keep: 0, ..settings() }).await;
    off.post("/api/v1/pv/set", put("IOC:m1", 1.0)).await;
    assert_eq!(off.get("/api/v1/audit").await.0, 404);
}
