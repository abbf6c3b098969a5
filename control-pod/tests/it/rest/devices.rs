//! Operating devices; contract §2.4.

use std::sync::Arc;
use std::time::Duration;

use channels::PvValue;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::with_m1;
use crate::fake::OnPut;
use crate::support::{Control, pinhole, settings};

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
