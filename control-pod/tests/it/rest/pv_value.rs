//! Reading PVs; contract §2.2.

use channels::{Metadata, PvValue};
use serde_json::{Value, json};

use super::{keys, with_m1};
use crate::support::{Control, put, settings};

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
