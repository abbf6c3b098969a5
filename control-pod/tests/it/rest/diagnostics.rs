//! Why a PV or a device is reachable or not; an extension beside the contract.

use serde_json::{Value, json};

use crate::support::{Control, settings};

fn problems(diagnosis: &Value) -> Vec<String> {
    let findings = diagnosis["findings"].as_array().unwrap().iter();
    let problems = findings.filter(|finding| finding["level"] == "problem");
    problems.map(|problem| problem["result"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_pv_is_judged_by_registry_and_channel() {
    let control = Control::start(settings()).await;
    control.pvs.add("X:1", 1.0);
    control.signal("sig", "X:1").await;
    let (status, found) = control.get("/api/v1/diagnostics/pv/X:1").await;
    assert_eq!((status, &found["reachable"]), (200, &json!(true)), "{found}");
    assert_eq!(found["channel"]["state"], "connected");
    assert_eq!(found["registry"]["devices"][0]["name"], "sig");

    let (_, unknown) = control.get("/api/v1/diagnostics/pv/X:2").await;
    assert_eq!(unknown["reachable"], false);
    assert!(
        problems(&unknown)[0].contains("no Device and no ProcessVariable has X:2"),
        "{unknown}"
    );
}

#[tokio::test]
async fn a_device_shows_each_of_its_pvs_and_looks_into_the_silent_ones() {
    let control = Control::start(settings()).await;
    control.pvs.add("M:1.VAL", 1.0);
    control.device(json!({"name": "m", "deviceClass": "ophyd.EpicsMotor", "prefix": "M:1"})).await;
    let (status, found) = control.get("/api/v1/diagnostics/device/m").await;
    assert_eq!((status, &found["reachable"]), (200, &json!(false)), "{found}");
    let pvs = found["pvs"].as_array().unwrap();
    let connected = pvs.iter().filter(|pv| pv["state"] == "connected");
    assert_eq!((connected.count(), pvs.len() > 5), (1, true), "{found}");
    assert_eq!(found["looked_into"].as_array().unwrap().len(), 3);
    assert!(problems(&found)[0].contains("PVs are not connected: M:1."), "{found}");

    let (status, refused) = control.get("/api/v1/diagnostics/device/nobody").await;
    assert_eq!(status, 404);
    assert_eq!(refused["detail"], "DEVICE 'nobody' not found in the registry");
}
