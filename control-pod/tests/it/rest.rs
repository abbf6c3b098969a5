//! REST: bodies, codes and texts of contract §2.2 to §2.6.

use std::sync::Arc;
use std::time::Duration;

use channels::{Metadata, PvValue};
use control_pod::Settings;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::fake::OnPut;
use crate::support::{Control, pinhole, put, settings};

const READ_ONLY: &str = "Service is in read-only mode (DIRECT_CONTROL_GLOBAL_READ_ONLY=true); \
    control/write operations are disabled. Monitoring (reads, subscriptions, image sockets) remains available.";

async fn with_m1() -> Control {
    let control = Control::start(settings()).await;
    control.pvs.add("IOC:m1", 1.5);
    control.signal("m1", "IOC:m1").await;
    control
}

fn keys(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn health_and_stats_have_the_fields_of_the_contract() {
    let control = Control::start(settings()).await;
    let (status, body) = control.get("/health").await;
    assert_eq!((status, &body["status"]), (200, &json!("healthy")));
    assert_eq!(
        keys(&body),
        [
            "status",
            "timestamp",
            "coordination_service_available",
            "coordination_service_detail",
            "registry_backend",
            "read_only",
            "active_subscriptions",
            "connected_pvs",
            "websocket_connections"
        ]
    );
    let (_, stats) = control.get("/api/v1/stats").await;
    assert_eq!(stats["service"], "direct_control");
    assert_eq!(stats["command_timeout"], 20.0);
    assert_eq!(stats["device_socket"]["subscribed_devices"], 0);
    assert_eq!(control.get("/api/v1/pvs/connected").await, (200, json!([])));
    assert_eq!(control.get("/api/v1/devices").await, (404, json!({"detail": "Not Found"})));
    let (status, openapi) = control.get("/openapi.json").await;
    assert_eq!(status, 200);
    let published: Value = serde_json::from_str(include_str!("published_paths.json")).unwrap();
    for (path, methods) in published.as_object().unwrap() {
        for method in methods.as_array().unwrap() {
            assert!(
                openapi["paths"][path][method.as_str().unwrap()].is_object(),
                "{method} {path}"
            );
        }
    }
    assert_eq!(control.get_raw("/metrics", None).await.status(), 200);
    assert_eq!(control.get_raw("/docs", None).await.status(), 200);
}

#[tokio::test]
async fn a_pv_is_read_as_json_text_or_bytes() {
    let control = with_m1().await;
    let (status, body) = control.get("/api/v1/pv/IOC:m1/value").await;
    assert_eq!(status, 200);
    assert_eq!(keys(&body), ["pv_name", "value", "timestamp", "shape", "dtype", "ndim", "nbytes"]);
    assert_eq!((&body["value"], &body["dtype"]), (&json!(1.5), &Value::Null));
    let (_, body) = control.get("/api/v1/pv/IOC:m1/value?as_string=true").await;
    assert_eq!(body["value"], "1.500");

    let array = PvValue::DoubleArray((0..20).map(f64::from).collect());
    control.pvs.add_with("IOC:wf1", array, Metadata::default());
    control.signal("wf1", "IOC:wf1").await;
    let (_, body) = control.get("/api/v1/pv/IOC:wf1/value?count=3").await;
    assert_eq!(
        (&body["value"], &body["shape"], &body["dtype"], &body["nbytes"]),
        (&json!([0.0, 1.0, 2.0]), &json!([3]), &json!("<f8"), &json!(24))
    );
    let raw = control.get_raw("/api/v1/pv/IOC:wf1/value?format=binary", None).await;
    assert_eq!(raw.headers()["x-pv-shape"], "20");
    assert_eq!(raw.headers()["x-pv-dtype"], "<f8");
    assert_eq!(raw.headers()["x-pv-nbytes"], "160");
    assert_eq!(raw.headers()["content-type"], "application/octet-stream");
    assert_eq!(raw.bytes().await.unwrap().len(), 160);
    let (status, body) = control.get("/api/v1/pv/IOC:m1/value?format=binary").await;
    assert_eq!(status, 406);
    assert!(body["detail"].as_str().unwrap().starts_with("Value is not a numeric array"));
    let refused = control.get_raw("/api/v1/pv/IOC:m1/value", Some("image/png")).await;
    assert_eq!(refused.status(), 406);
    let (status, body) = control.get("/api/v1/pv/IOC:m1/value?count=0").await;
    assert_eq!((status, &body["detail"][0]["type"]), (422, &json!("greater_than_equal")));
}

#[tokio::test]
async fn what_is_not_a_number_is_null_and_no_error() {
    let control = Control::start(settings()).await;
    control.pvs.add_with("IOC:nan", PvValue::Double(f64::NAN), Metadata::default());
    control.signal("nan", "IOC:nan").await;
    for path in ["/api/v1/pv/IOC:nan/value", "/api/v1/pvs/IOC:nan/value"] {
        let (status, body) = control.get(path).await;
        assert_eq!((status, &body["value"]), (200, &Value::Null), "{path}");
    }
    let (status, body) = control.get("/api/v1/device/nan/value").await;
    assert_eq!((status, &body["value"]["nan"]["value"]), (200, &Value::Null));
}

#[tokio::test]
async fn a_monitored_pv_tells_the_truth_about_its_connection() {
    let control = with_m1().await;
    let (status, body) = control.get("/api/v1/pvs/IOC:m1/value").await;
    assert_eq!(
        (status, &body["connected"], &body["write_access"]),
        (200, &json!(true), &json!(true))
    );
    assert_eq!((&body["units"], &body["upper_ctrl_limit"]), (&json!("mm"), &json!(10.0)));
    assert_eq!(control.get("/api/v1/pvs/connected").await.1, json!(["IOC:m1"]));
    control.pvs.add("IOC:m1", 1.5).set_connected(false);
    let body = control
        .until("/api/v1/pvs/IOC:m1/value", |_, body| body["connected"] == json!(false))
        .await;
    assert_eq!((&body["value"], &body["write_access"]), (&json!(1.5), &json!(false)));
    assert_eq!(control.get("/api/v1/pvs/connected").await.1, json!([]));
}

#[tokio::test]
async fn an_unknown_or_silent_pv_is_not_found() {
    let control = with_m1().await;
    control.signal("dead", "NOPE:x").await;
    assert_eq!(
        control.get("/api/v1/pv/NOTREG/value").await,
        (404, json!({"detail": "PV 'NOTREG' not found in the registry"}))
    );
    assert_eq!(
        control.get("/api/v1/pv/NOPE:x/value?timeout=0.1&connection_timeout=0.1").await,
        (404, json!({"detail": "PV NOPE:x: caget returned no value (connection or timeout)"}))
    );
    assert_eq!(
        control.get("/api/v1/pvs/NOPE:x/value").await,
        (
            404,
            json!({"detail": "PV NOPE:x subscription failed: NOPE:x could not connect within \
            5.0-second timeout."})
        )
    );
    let mut dead = put("NOPE:x", 1);
    dead["connection_timeout"] = json!(0.1);
    assert_eq!(
        control.post("/api/v1/pv/set", dead).await,
        (500, json!({"detail": "Failed to set PV NOPE:x"}))
    );
    assert_eq!(control.post("/api/v1/pv/set", put("does:not:exist", 1)).await.0, 404);
}

#[tokio::test]
async fn a_write_says_how_far_it_went() {
    let control = with_m1().await;
    let (status, mut body) = control.post("/api/v1/pv/set", put("IOC:m1", 2.5)).await;
    assert_eq!(status, 200);
    body["timestamp"].take();
    assert_eq!(
        body,
        json!({
            "pv_name": "IOC:m1", "success": true, "value_set": 2.5, "timestamp": null,
            "coordination_checked": true, "mode": "fire-and-forget",
            "message": "Write issued (fire-and-forget). Monitor PV readback for confirmation."
        })
    );
    let mut waiting = put("IOC:m1", 3);
    waiting["wait"] = json!(true);
    let (status, body) = control.post("/api/v1/pv/set", waiting.clone()).await;
    assert_eq!((status, &body["mode"]), (200, &json!("put-completion")));
    assert_eq!(body["message"], "PV set confirmed (put-completion)");
    assert_eq!(body["value_set"], 3);

    let pv = control.pvs.add("IOC:m1", 0.0);
    pv.on_put(OnPut::Refuse);
    let (status, body) = control.post("/api/v1/pv/set", waiting.clone()).await;
    assert_eq!(status, 500, "a refused value is no success: {body}");
    pv.on_put(OnPut::Hold(Arc::new(Notify::new())));
    waiting["timeout"] = json!(0.2);
    let (status, body) = control.post("/api/v1/pv/set", waiting).await;
    assert_eq!(status, 500);
    assert_eq!(body["detail"], "PV IOC:m1 put-callback did not complete within 0.2s");
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_told_where() {
    let control = with_m1().await;
    let (status, body) = control.post("/api/v1/pv/set", json!({"pv_name": "IOC:m1"})).await;
    assert_eq!(status, 422);
    assert_eq!(
        body,
        json!({"detail": [{"type": "missing", "loc": ["body", "value"], "msg": "Field required",
            "input": {"pv_name": "IOC:m1"}}]})
    );
    let mut extra = put("IOC:m1", 1);
    extra["foo"] = json!(1);
    assert_eq!(
        control.post("/api/v1/pv/set", extra).await.1,
        json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "foo"],
            "msg": "Extra inputs are not permitted", "input": 1}]})
    );
    let mut negative = put("IOC:m1", 1);
    negative["timeout"] = json!(-1);
    assert_eq!(
        control.post("/api/v1/pv/set", negative).await.1,
        json!({"detail": [{"type": "greater_than_equal", "loc": ["body", "timeout"],
            "msg": "Input should be greater than or equal to 0", "input": -1, "ctx": {"ge": 0.0}}]})
    );
    let (status, body) = control.post("/api/v1/pv/set", put("IOC:m1", Value::Null)).await;
    assert_eq!(status, 500);
    assert!(body["detail"].as_str().unwrap().contains("NoneType"));
    assert_eq!(control.pvs.add("IOC:m1", 0.0).writes(), []);
}

#[tokio::test]
async fn limits_are_checked_before_anything_is_written() {
    let control = with_m1().await;
    assert_eq!(
        control.post("/api/v1/pv/set", put("IOC:m1", 100)).await,
        (422, json!({"detail": "PV 'IOC:m1': value 100 is above upper_ctrl_limit 10.0"}))
    );
    let (status, body) = control
        .post(
            "/api/v1/device/execute",
            json!({"device_name": "m1", "method": "set", "args": [-1.5]}),
        )
        .await;
    assert_eq!(
        (status, &body["detail"]),
        (422, &json!("PV 'IOC:m1': value -1.5 is below lower_ctrl_limit 0.0"))
    );
    let mut unchecked = put("IOC:m1", 100);
    unchecked["check_limits"] = json!(false);
    assert_eq!(control.post("/api/v1/pv/set", unchecked).await.0, 200);
    assert_eq!(control.pvs.add("IOC:m1", 0.0).writes(), [PvValue::Long(100)]);
}

#[tokio::test]
async fn read_only_mode_refuses_every_write_and_no_read() {
    let control = Control::start(Settings { global_read_only: true, ..settings() }).await;
    let pv = control.pvs.add("IOC:m1", 1.5);
    control.signal("m1", "IOC:m1").await;
    let refusal = (403, json!({ "detail": READ_ONLY }));
    let set = json!({"device_name": "m1", "method": "set", "args": [1]});
    for (path, body) in [
        ("/api/v1/pv/set", put("IOC:m1", 1)),
        ("/api/v1/pv/set", json!({"nonsense": 1})),
        ("/api/v1/pv/set/batch", json!({"caputs": []})),
        ("/api/v1/device/execute", set),
        ("/api/v1/device/m1/stop", json!({})),
        ("/api/v1/device/m1", json!({"method": "set", "value": 1})),
    ] {
        assert_eq!(control.post(path, body).await, refusal, "{path}");
    }
    assert_eq!(control.post_text("/api/v1/pv/set", "{").await.0, 422);
    assert_eq!(control.get("/api/v1/pv/IOC:m1/value").await.0, 200);
    assert_eq!(control.post("/api/v1/device/m1", json!({"method": "read"})).await.0, 200);
    assert_eq!(control.get("/health").await.1["read_only"], true);
    assert!(pv.writes().is_empty());
}

#[tokio::test]
async fn a_batch_stops_at_its_first_failure() {
    let control = with_m1().await;
    let caputs = [put("IOC:m1", 4), put("NOTREG", 1), put("IOC:m1", 5)];
    let (status, mut body) = control.post("/api/v1/pv/set/batch", json!({"caputs": caputs})).await;
    assert_eq!(status, 200);
    for row in body["results"].as_array_mut().unwrap() {
        row["timestamp"].take();
    }
    assert_eq!(
        body,
        json!({"ok": false, "applied": 1, "requested": 3, "results": [
            {"pv_name": "IOC:m1", "success": true, "value_set": 4, "timestamp": null,
             "coordination_checked": true, "mode": "fire-and-forget",
             "message": "Write issued (fire-and-forget). Monitor PV readback for confirmation.",
             "error_type": null, "status_code": 200},
            {"pv_name": "NOTREG", "success": false, "value_set": null, "timestamp": null,
             "coordination_checked": false, "mode": null,
             "message": "PV 'NOTREG' not found in the registry",
             "error_type": "RegistryValidationError", "status_code": 404}]})
    );
    assert_eq!(control.pvs.add("IOC:m1", 0.0).writes(), [PvValue::Long(4)]);
    let limit = json!({"caputs": [put("IOC:m1", 40)]});
    let (_, body) = control.post("/api/v1/pv/set/batch", limit).await;
    assert_eq!(
        (&body["results"][0]["error_type"], &body["results"][0]["status_code"]),
        (&json!("ValueLimitError"), &json!(422))
    );
    let (status, body) = control.post("/api/v1/pv/set/batch", json!({"caputs": []})).await;
    assert_eq!((status, &body["detail"][0]["type"]), (422, &json!("too_short")));
}

/// Sets until the answer has that status.
async fn set_until(control: &Control, pv: &str, wanted: u16) -> Value {
    let ask = async {
        loop {
            let (status, body) = control.post("/api/v1/pv/set", put(pv, 1)).await;
            if status == wanted {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, ask).await.expect("the wanted status")
}

#[tokio::test]
async fn a_locked_device_is_read_and_stopped_but_not_moved() {
    let control = Control::start(settings()).await;
    for (suffix, value) in [(".RBV", 1.0), (".VAL", 1.0), (".DMOV", 1.0), (".STOP", 0.0)] {
        control.pvs.add(&format!("sim:mtr1{suffix}"), value);
    }
    control
        .device(json!({"name": "mtr1", "deviceClass": "ophyd.EpicsMotor", "prefix": "sim:mtr1"}))
        .await;
    control.lock(&["mtr1"], false).await;
    let body = set_until(&control, "sim:mtr1.VAL", 423).await;
    assert_eq!(body["detail"], "Device name mtr1 is locked by plan count");
    let set = json!({"device_name": "mtr1", "method": "set", "args": [2]});
    assert_eq!(control.post("/api/v1/device/execute", set).await.0, 423);
    let read = json!({"device_name": "mtr1", "method": "read"});
    assert_eq!(control.post("/api/v1/device/execute", read).await.0, 423, "as upstream");
    assert_eq!(control.get("/api/v1/device/mtr1.user_readback/value").await.0, 200);
    let stop = control.pvs.add("sim:mtr1.STOP", 0.0);
    assert_eq!(control.post("/api/v1/device/mtr1/stop", json!({})).await.0, 200);
    assert_eq!(stop.writes(), [PvValue::Long(1)]);
    control.lock(&[], false).await;
    set_until(&control, "sim:mtr1.VAL", 200).await;
}

#[tokio::test]
async fn a_lock_holds_a_pv_that_another_device_shares() {
    let control = Control::start(settings()).await;
    control.pvs.add("mini:ph:det", 1.0);
    let exp = control.pvs.add("mini:ph:exp", 1.0);
    pinhole(&control).await;
    control.signal("pinhole_exp", "mini:ph:exp").await;
    control.lock(&["pinhole"], false).await;
    let body = set_until(&control, "mini:ph:exp", 423).await;
    assert_eq!(body["detail"], "Device name pinhole is locked by plan count");
    let before = exp.writes().len();
    let set = json!({"device_name": "pinhole_exp", "method": "set", "args": [2]});
    assert_eq!(control.post("/api/v1/device/execute", set).await.0, 423);
    assert_eq!(exp.writes().len(), before);
}

#[tokio::test]
async fn lock_all_holds_every_device_but_no_standalone_pv() {
    let control = with_m1().await;
    control.pvs.add("alone", 1.0);
    control.standalone("alone").await;
    control.pvs.add("IOC:other", 1.0);
    control.signal("other", "IOC:other").await;
    control.lock(&["other"], true).await;
    let body = set_until(&control, "IOC:m1", 423).await;
    assert_eq!(body["detail"], "Device name m1 is locked by plan count");
    assert_eq!(control.post("/api/v1/pv/set", put("alone", 2)).await.0, 200);
}

#[tokio::test]
async fn without_the_api_nothing_is_written_and_everything_is_read() {
    let alert = Settings { coordination_timeout: Duration::ZERO, ..settings() };
    let mut control = Control::start(alert).await;
    let pv = control.pvs.add("IOC:m1", 1.5);
    control.signal("m1", "IOC:m1").await;
    control.lose_the_api().await;
    let health = control.until("/health", |status, _| status == 503).await;
    assert_eq!(health["status"], "unhealthy");
    assert!(health["coordination_service_detail"].is_string());
    let body = set_until(&control, "IOC:m1", 503).await;
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.starts_with("Coordination check failed: Cannot reach"), "{detail}");
    assert_eq!(control.get("/api/v1/pv/IOC:m1/value").await.0, 200);
    assert!(pv.writes().is_empty());
}

#[tokio::test]
async fn a_disabled_device_is_refused_and_comes_back() {
    let control = with_m1().await;
    control.set_active("m1", false).await;
    let body = set_until(&control, "IOC:m1", 409).await;
    assert_eq!(
        body["detail"],
        "Device name m1 is disabled in configuration_service. Re-enable before commanding."
    );
    let (status, body) = control.get("/api/v1/device/m1/value").await;
    assert_eq!(status, 422, "{body}");
    assert_eq!(control.get("/api/v1/pv/IOC:m1/value").await.0, 200);
    control.set_active("m1", true).await;
    set_until(&control, "IOC:m1", 200).await;
}

#[tokio::test]
async fn a_device_is_operated_by_the_methods_of_the_contract() {
    let control = with_m1().await;
    let execute = async |method: &str, args: Value| {
        let body = json!({"device_name": "m1", "method": method, "args": args});
        control.post("/api/v1/device/execute", body).await
    };
    let (status, body) = execute("read", json!([])).await;
    assert_eq!((status, &body["result"]["m1"]["value"]), (200, &json!(1.5)));
    assert_eq!(body["message"], "read completed via ophyd-sync");
    assert_eq!(execute("get", json!([])).await.1["result"], json!(1.5));
    let (status, body) = execute("set", json!([2.5])).await;
    assert_eq!((status, &body["result"]), (200, &json!({"done": true, "success": true})));
    assert_eq!(body["message"], "set completed via ophyd-sync");
    assert_eq!(execute("put", json!([3.5])).await.1["result"], Value::Null);
    let initiated = json!({"device_name": "m1", "method": "set", "args": [4.5], "use_put": true});
    let (_, body) = control.post("/api/v1/device/execute", initiated).await;
    assert_eq!(body["result"], json!({"initiated": true, "done": false}));
    assert_eq!(body["message"], "set initiated (not awaited) via ophyd-sync");
    let (_, body) = execute("describe", json!([])).await;
    assert_eq!(
        body["result"]["m1"],
        json!({"source": "PV:IOC:m1", "dtype": "number", "shape": [], "units": "mm",
            "lower_ctrl_limit": 0.0, "upper_ctrl_limit": 10.0, "precision": 3})
    );
    let (status, body) = execute("stop", json!([])).await;
    assert_eq!(
        (status, &body["detail"]),
        (400, &json!("EpicsSignal object 'm1' does not support method 'stop'"))
    );
    let (status, body) = execute("destroy", json!([])).await;
    assert_eq!(status, 400);
    assert!(
        body["detail"].as_str().unwrap().starts_with("Method 'destroy' is not allowed. Allowed")
    );
    let (status, body) = execute("set", json!([])).await;
    assert_eq!(
        (status, &body["detail"]),
        (500, &json!("EpicsSignal.set() missing 1 required positional argument: 'value'"))
    );
    let nested = json!({"method": "set"});
    assert_eq!(
        control.post("/api/v1/device/m1", nested).await,
        (500, json!({"detail": "Method 'set' on m1 requires a value"}))
    );
    let ghost = json!({"device_name": "ghost", "method": "read"});
    assert_eq!(
        control.post("/api/v1/device/execute", ghost).await,
        (404, json!({"detail": "DEVICE 'ghost' not found in the registry"}))
    );
}

#[tokio::test]
async fn a_value_that_never_shows_is_no_success() {
    let control = with_m1().await;
    let pv = control.pvs.add("IOC:m1", 1.0);
    pv.on_put(OnPut::Hold(Arc::new(Notify::new())));
    let set = json!({"device_name": "m1", "method": "set", "args": [5], "timeout": 0.3});
    let (status, body) = control.post("/api/v1/device/execute", set).await;
    assert_eq!(status, 500, "{body}");
    pv.on_put(OnPut::Refuse);
    let set = json!({"device_name": "m1", "method": "set", "args": [5]});
    let (status, body) = control.post("/api/v1/device/execute", set).await;
    assert_eq!(status, 500);
    assert!(body["detail"].as_str().unwrap().contains("refused the value"), "{body}");
}

#[tokio::test]
async fn a_compound_is_read_by_component_and_as_a_whole() {
    let control = Control::start(settings()).await;
    control.pvs.add("mini:ph:det", 7.0);
    control.pvs.add("mini:ph:exp", 1.0);
    pinhole(&control).await;
    let (status, body) = control.get("/api/v1/device/pinhole/value").await;
    assert_eq!((status, &body["value"]["pinhole_det"]["value"]), (200, &json!(7.0)));
    assert!(body["value"].get("pinhole_exp").is_none(), "the exposure is configuration");
    let (_, body) = control.post("/api/v1/device/pinhole.exp", json!({"method": "get"})).await;
    assert_eq!((&body["result"], &body["message"]), (&json!(1.0), &Value::Null));
    let (_, body) = control.post_text("/api/v1/device/pinhole.exp", "").await;
    assert_eq!(body["result"]["pinhole_exp"]["value"], 1.0);
    let get = json!({"device_name": "pinhole", "method": "get"});
    let (_, body) = control.post("/api/v1/device/execute", get).await;
    assert_eq!(body["result"], json!({"det": 7.0, "exp": 1.0}));
    let missing = json!({"method": "read"});
    assert_eq!(
        control.post("/api/v1/device/pinhole.nope", missing).await,
        (404, json!({"detail": "Device 'pinhole' has no component 'nope': nope"}))
    );
    let set = json!({"device_name": "pinhole", "method": "set", "args": [1]});
    assert_eq!(
        control.post("/api/v1/device/execute", set).await,
        (400, json!({"detail": "Det object 'pinhole' does not support method 'set'"}))
    );
    let addresses = json!({"addresses": ["pinhole.exp", "pinhole", "ghost", "pinhole.zz"]});
    let (_, body) = control.post("/api/v1/devices/resolve", addresses).await;
    let rows = body["resolved"].as_array().unwrap();
    let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["resolved", "not_a_pv_leaf", "device_not_found", "no_such_attr"]);
    assert_eq!(rows[0]["pv_name"], "mini:ph:exp");
}

#[tokio::test]
async fn a_motor_moves_until_it_says_done() {
    let control = Control::start(settings()).await;
    let add = |suffix: &str, value: f64| control.pvs.add(&format!("sim:mtr1{suffix}"), value);
    let (rbv, val, dmov) = (add(".RBV", 1.0), add(".VAL", 1.0), add(".DMOV", 1.0));
    add(".STOP", 0.0);
    control
        .device(json!({"name": "mtr1", "deviceClass": "ophyd.EpicsMotor", "prefix": "sim:mtr1"}))
        .await;
    let set = |position: f64| {
        control.post(
            "/api/v1/device/execute",
            json!({"device_name": "mtr1", "method": "set", "args": [position]}),
        )
    };
    let (status, body) = set(50.0).await;
    assert_eq!(
        (status, &body["detail"]),
        (500, &json!("LimitError: position=50.0 not within limits (0.0, 10.0)"))
    );
    assert!(val.writes().is_empty());

    let moving = async {
        while val.writes().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        dmov.post(PvValue::Double(0.0));
        rbv.post(PvValue::Double(2.0));
        dmov.post(PvValue::Double(1.0));
    };
    let ((status, body), ()) = tokio::join!(set(5.0), moving);
    assert_eq!(status, 200, "the motion is over, wherever it ended: {body}");

    let stopping = async {
        while val.writes().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        dmov.post(PvValue::Double(0.0));
        assert_eq!(control.post("/api/v1/device/mtr1/stop", json!({})).await.0, 200);
        dmov.post(PvValue::Double(1.0));
    };
    let ((status, body), ()) = tokio::join!(set(6.0), stopping);
    assert_eq!((status, &body["detail"]), (500, &json!("mtr1.set was stopped before it was done")));
}

#[tokio::test]
async fn silent_pvs_are_named_together() {
    let control = Control::start(settings()).await;
    control
        .device(json!({"name": "dead", "deviceClass": "localdevs.Spot", "prefix": "NOPE:"}))
        .await;
    let (status, body) = control.get("/api/v1/device/dead/value").await;
    assert_eq!(status, 500);
    assert_eq!(
        body["detail"],
        "Device 'dead' (Spot) failed to connect within 2.0s: TimeoutError: NOPE::det, NOPE::img_sum"
    );
}

#[tokio::test]
async fn an_unknown_class_keeps_its_pvs() {
    let control = Control::start(settings()).await;
    control.pvs.add("X:a", 1.0);
    control
        .device(json!({"name": "thing", "deviceClass": "site.Thing", "pvs": {"a": "X:a"}}))
        .await;
    assert_eq!(control.get("/api/v1/pv/X:a/value").await.0, 200);
    let (status, body) = control.get("/api/v1/device/thing/value").await;
    assert_eq!(status, 500);
    assert!(body["detail"].as_str().unwrap().contains("'site.Thing' is not in the device class"));
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let control = Control::start(settings()).await;
    let taken = Settings { port: control.addr.port(), ..settings() };
    let error = control_pod::Server::bind(taken).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("direct control cannot listen on {}: address already in use", control.addr)
    );
}
