//! What the exerciser script of the Python service asks (contract §3.1), and its round trip (§3.5).

use reqwest::Method;
use serde_json::{Value, json};

use crate::lab::{Lab, mini_beamline, new_device};

#[tokio::test]
async fn the_exerciser_of_the_configuration_service_passes() {
    let lab = Lab::with(mini_beamline()).await;
    assert_eq!(lab.get("/health").await.of(200)["devices_loaded"], 26);
    assert_eq!(lab.get("/ready").await.of(200), json!({ "status": "ready" }));
    assert_eq!(lab.get("/api/v1/devices").await.of(200).as_array().unwrap().len(), 26);
    assert_eq!(lab.get("/api/v1/devices/beam_current").await.of(200)["ophyd_class"], "EpicsSignal");
    assert_eq!(lab.get("/api/v1/devices/spot").await.of(200)["ophyd_class"], "Spot");
    for path in [
        "devices/beam_current/pvs",
        "devices/beam_current/instantiation",
        "devices/spot/components",
        "devices/beam_current/status",
        "devices/spot.roi/component",
        "devices-info",
        "devices/classes",
        "devices/types",
        "devices/instantiation",
        "pvs/detailed",
        "pvs/mini:current",
        "pvs/labels",
        "pvs/status?pv_name=mini:current",
        "pvs/lookup?pv_name=mini:current",
        "pvs/standalone",
        "devices/changes",
        "devices/history",
        "registry/export",
    ] {
        lab.get(&format!("/api/v1/{path}")).await.of(200);
    }
    assert_eq!(lab.get("/api/v1/pvs").await.of(200)["count"], 23);

    let scratch = "/api/v1/pvs/standalone/exer:test:pv";
    let pv = json!({ "pv_name": "exer:test:pv", "description": "exerciser scratch PV" });
    lab.post("/api/v1/pvs", pv).await.of(201);
    lab.put(scratch, json!({ "description": "updated by exerciser" })).await.of(200);
    lab.delete(scratch).await.of(200);
    lab.get(scratch).await.of(404);

    let motor = "/api/v1/devices/exer_test_motor";
    let device = new_device("exer_test_motor", "exer:test:motor");
    lab.post("/api/v1/devices", device).await.of(201);
    lab.get(motor).await.of(200);
    lab.patch(&format!("{motor}/disable")).await.of(200);
    lab.patch(&format!("{motor}/enable")).await.of(200);
    let flat = json!({
        "name": "exer_test_motor", "device_class": "ophyd.signal.EpicsSignal",
        "args": ["exer:test:motor"], "kwargs": { "name": "exer_test_motor" },
        "documentation": "updated by exerciser",
    });
    lab.put(motor, flat).await.of(200);
    lab.delete(motor).await.of(200);
    lab.get(motor).await.of(404);
}

#[tokio::test]
async fn the_mini_beamline_is_described_by_its_classes() {
    let lab = Lab::with(mini_beamline()).await;
    let info = lab.get("/api/v1/devices-info").await.of(200);
    let spot = json!({
        "img": "mini:dot:det", "roi": "mini:dot:img_sum", "exp": "mini:dot:exp",
        "shutter_open": "mini:dot:shutter_open", "array_size": "mini:dot:ArraySize_RBV",
    });
    assert_eq!(info["spot"]["pvs"], spot);
    assert_eq!(info["spot"]["device_label"], "device");
    assert_eq!(info["spot"]["read_attrs"], json!(["img", "roi"]));
    assert_eq!(info["spot"]["configuration_attrs"], json!(["exp", "shutter_open", "array_size"]));
    assert_eq!(info["pinhole"]["pvs"], json!({ "det": "mini:ph:det", "exp": "mini:ph:exp" }));
    assert_eq!(info["pinhole"]["device_label"], "detector");
    for spec in mini_beamline() {
        let name = spec.name;
        let device = &info[&name];
        if spec.device_class == "ophyd.signal.EpicsSignal" {
            assert_eq!(device["pvs"], json!({ "readback": spec.prefix }), "{name}");
            assert_eq!(device["device_label"], "signal", "{name}");
            assert_eq!(device["module"], "ophyd.signal");
            let flags = ["is_movable", "is_readable", "is_subscribable", "is_triggerable"];
            let flags: Vec<_> = flags.iter().map(|flag| device[*flag].as_bool().unwrap()).collect();
            assert_eq!(flags, [true, true, true, false], "{name}");
        }
    }
    // A PV of a compound device belongs to the signal that was registered for it.
    for (pv, owner) in [("mini:dot:img_sum", "spot_img_sum"), ("mini:dot:ArraySize_RBV", "spot")] {
        let known = lab.get(&format!("/api/v1/pvs/{pv}")).await.of(200);
        assert_eq!(known["device_name"], owner);
    }
    let instantiation = lab.get("/api/v1/devices/beam_current/instantiation").await;
    instantiation.is(
        200,
        r#"{"name":"beam_current","device_class":"ophyd.signal.EpicsSignal","args":["mini:current"],"kwargs":{"name":"beam_current"},"active":true,"framework":null}"#,
    );
}

#[tokio::test]
async fn an_export_describes_every_device_well_enough_to_be_imported() {
    let lab = Lab::with(mini_beamline()).await;
    for at in 1..=3 {
        let (name, prefix) = (format!("motor{at}"), format!("sim:mtr{at}"));
        let device = json!({
            "metadata": {
                "name": name, "device_label": "motor", "ophyd_class": "EpicsMotor",
                "pvs": { "user_setpoint": prefix, "user_readback": format!("{prefix}.RBV") },
            },
            "instantiation_spec": {
                "name": name, "device_class": "ophyd.EpicsMotor", "args": [prefix],
                "kwargs": { "name": name },
            },
        });
        lab.post("/api/v1/devices", device).await.of(201);
    }
    let walk = json!({
        "metadata": {
            "name": "random_walk", "device_label": "device", "ophyd_class": "RandomWalk",
            "pvs": { "prefix": "random_walk:" },
        },
        "instantiation_spec": {
            "name": "random_walk", "device_class": "localdevs.RandomWalk",
            "args": ["random_walk:"], "kwargs": { "name": "random_walk" },
        },
    });
    lab.post("/api/v1/devices", walk).await.of(201);
    // A device that is given by its prefix alone is completed from its class.
    let walk = lab.get("/api/v1/devices/random_walk").await.of(200);
    assert_eq!(walk["pvs"], json!({ "dt": "random_walk:dt", "x": "random_walk:x" }));

    let export = lab.get("/api/v1/registry/export").await.of(200);
    let export = export.as_object().unwrap();
    assert_eq!(export.len(), 30);
    for (name, item) in export {
        for key in ["_id", "name", "device_class", "args", "kwargs", "type", "active"] {
            assert!(!item[key].is_null(), "{name}.{key}");
        }
    }
    assert_eq!(export["spot"]["prefix"], "mini:dot");
    assert_eq!(export["motor1"]["args"], json!(["sim:mtr1"]));
    let bits = lab.get("/api/v1/registry/export?format=bits").await;
    assert_eq!(bits.headers["content-type"], "application/x-yaml");
    let classes: Value = serde_saphyr::from_str(&bits.text).unwrap();
    assert_eq!(classes["ophyd.EpicsMotor"][0], json!({ "name": "motor1", "prefix": "sim:mtr1" }));
    assert_eq!(classes["localdevs.Det"].as_array().unwrap().len(), 3);
    lab.get("/api/v1/registry/export?format=xml").await.is(
        400,
        r#"{"detail":"Unsupported export format: 'xml'. Supported: happi, bits, manifests"}"#,
    );
    let manifests = lab.get("/api/v1/registry/export?format=manifests").await;
    assert_eq!(manifests.headers["content-type"], "application/x-yaml");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&manifests.text).unwrap();
    let named = |name: &str| objects.iter().find(|one| one["spec"]["name"] == name).unwrap();
    assert_eq!(named("spot")["metadata"], json!({ "name": "spot" }));
    assert_eq!(named("spot")["spec"]["args"], json!(["{{prefix}}"]), "templates are kept");
    assert_eq!(named("random_walk")["metadata"].get("labels"), None, "our own note is left out");
    assert_eq!(objects.len(), 30);
}

/// The published description, as far as ours must agree with it.
#[tokio::test]
async fn every_published_operation_is_described_and_answered() {
    let lab = Lab::with(mini_beamline()).await;
    let document = lab.get("/openapi.json").await.of(200);
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 39);
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(id.ends_with(&format!("_{method}")), "{id}");
            let path = path.replace("{device_name}", "spot").replace("{device_path}", "spot");
            let path = path.replace("{pv_name}", "mini:current");
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = lab.send(method, &path, None).await;
            assert_ne!(answer.status, 405, "{path}");
            assert_ne!(answer.text, r#"{"detail":"Not Found"}"#, "{path}");
        }
    }
    lab.get("/docs").await;
    assert!(lab.get("/metrics").await.status.is_success());
}
