//! What keeps a write from the hardware: read-only mode, locks, disabled devices, a silent API.

use std::time::Duration;

use channels::PvValue;
use control_pod::Settings;
use serde_json::{Value, json};

use super::with_m1;
use crate::support::{Control, pinhole, put, settings};

const READ_ONLY: &str = "Service is in read-only mode (DIRECT_CONTROL_GLOBAL_READ_ONLY=true); \
    control/write operations are disabled. Monitoring (reads, subscriptions, image sockets) remains available.";

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
