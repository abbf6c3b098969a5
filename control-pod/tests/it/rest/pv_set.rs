//! Writing PVs, one and many; contract §2.3.

use std::sync::Arc;

use channels::PvValue;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::with_m1;
use crate::fake::OnPut;
use crate::support::put;

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
