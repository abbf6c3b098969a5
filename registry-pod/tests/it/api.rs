//! Exact answers, as recorded from the Python service.

use serde_json::{Value, json};

use crate::lab::{Lab, mock, new_device, settings};

#[tokio::test]
async fn reads_answer_as_recorded() {
    let lab = Lab::with(mock()).await;
    for (path, body) in [
        ("/health", r#"{"status":"healthy","service":"configuration_service","devices_loaded":3}"#),
        (
            "/api/v1/devices/sample_x",
            r#"{"name":"sample_x","device_label":"motor","ophyd_class":"EpicsMotor","module":"ophyd.epics_motor","is_movable":true,"is_flyable":false,"is_readable":true,"is_triggerable":true,"is_stageable":true,"is_configurable":true,"is_pausable":false,"is_stoppable":true,"is_subscribable":true,"is_checkable":true,"writes_external_assets":false,"pvs":{"user_readback":"BL01:SAMPLE:X.RBV","user_setpoint":"BL01:SAMPLE:X","velocity":"BL01:SAMPLE:X.VELO"},"hints":{"fields":["sample_x"]},"read_attrs":["user_readback","user_setpoint"],"configuration_attrs":["velocity","acceleration"],"parent":null,"labels":[],"beamline":null,"location_group":null,"functional_group":null,"documentation":null}"#,
        ),
        (
            "/api/v1/devices/sample_x/pvs",
            r#"{"device_name":"sample_x","device_label":"motor","pvs":{"user_readback":{"pv_name":"BL01:SAMPLE:X.RBV","connected":false,"dtype":null},"user_setpoint":{"pv_name":"BL01:SAMPLE:X","connected":false,"dtype":null},"velocity":{"pv_name":"BL01:SAMPLE:X.VELO","connected":false,"dtype":null}},"count":3}"#,
        ),
        (
            "/api/v1/devices/sample_x/instantiation",
            r#"{"name":"sample_x","device_class":"ophyd.EpicsMotor","args":["BL01:SAMPLE:X"],"kwargs":{"name":"sample_x"},"active":true,"framework":null}"#,
        ),
        (
            "/api/v1/devices/sample_x/components",
            r#"[{"name":"user_readback","device_path":"sample_x.user_readback","parent_device":"sample_x","component_type":"Signal","pv":"BL01:SAMPLE:X.RBV","is_readable":true,"is_settable":false},{"name":"user_setpoint","device_path":"sample_x.user_setpoint","parent_device":"sample_x","component_type":"Signal","pv":"BL01:SAMPLE:X","is_readable":true,"is_settable":true},{"name":"velocity","device_path":"sample_x.velocity","parent_device":"sample_x","component_type":"Signal","pv":"BL01:SAMPLE:X.VELO","is_readable":true,"is_settable":true}]"#,
        ),
        (
            "/api/v1/devices/sample_x.nope/component",
            r#"{"name":"nope","device_path":"sample_x.nope","parent_device":"sample_x","component_type":"Signal","pv":null,"is_readable":true,"is_settable":false}"#,
        ),
        (
            "/api/v1/devices/cam1.image.array_size.width/component",
            r#"{"name":"image.array_size.width","device_path":"cam1.image.array_size.width","parent_device":"cam1","component_type":"Signal","pv":"BL01:CAM1:image1:ArraySize0","is_readable":true,"is_settable":true}"#,
        ),
        (
            "/api/v1/pvs/BL01:SAMPLE:X.RBV",
            r#"{"pv":"BL01:SAMPLE:X.RBV","connected":false,"dtype":null,"units":null,"precision":null,"enum_strs":null,"upper_ctrl_limit":null,"lower_ctrl_limit":null,"device_name":"sample_x","component_name":"user_readback"}"#,
        ),
        (
            "/api/v1/pvs/status?pv_name=BL01:SAMPLE:X",
            r#"{"pv_name":"BL01:SAMPLE:X","available":true,"device_name":"sample_x","device_enabled":true,"device_lock_status":"unlocked","locked_by_plan":null,"locked_by_item":null,"locked_at":null}"#,
        ),
        (
            "/api/v1/pvs/lookup?pv_name=BL01:SAMPLE:X",
            r#"{"pv_name":"BL01:SAMPLE:X","device_name":"sample_x","device_label":"motor","prefix":"BL01:SAMPLE:X","sibling_pvs":{"user_readback":"BL01:SAMPLE:X.RBV","user_setpoint":"BL01:SAMPLE:X","velocity":"BL01:SAMPLE:X.VELO"},"count":3}"#,
        ),
    ] {
        lab.get(path).await.is(200, body);
    }
    assert_eq!(
        lab.get("/api/v1/pvs?pattern=BL01:DET*").await.of(200),
        json!({ "success": true, "pvs": ["BL01:DET1:CNT", "BL01:DET1:PRESET"], "count": 2 })
    );
    assert_eq!(lab.get("/api/v1/devices/types").await.of(200), json!(["detector", "motor"]));
    for (query, names) in [
        ("device_label=motor", json!(["sample_x"])),
        ("pattern=*1", json!(["cam1", "det1"])),
        ("movable=yes", json!(["sample_x"])),
        ("movable=false&pattern=s*", json!([])),
        ("ophyd_class=EpicsScaler", json!(["det1"])),
    ] {
        assert_eq!(lab.get(&format!("/api/v1/devices?{query}")).await.of(200), names, "{query}");
    }
}

#[tokio::test]
async fn refusals_answer_as_recorded() {
    let lab = Lab::with(mock()).await;
    for (path, status, body) in [
        ("/", 404, r#"{"detail":"Not Found"}"#),
        ("/api/v1/plans", 404, r#"{"detail":"Not Found"}"#),
        ("/api/v1/devices/none", 404, r#"{"detail":"Device not found: none"}"#),
        ("/api/v1/devices/none/pvs", 404, r#"{"detail":"Device not found: none"}"#),
        ("/api/v1/devices/none.x/component", 404, r#"{"detail":"Device not found: none"}"#),
        ("/api/v1/devices/none/status", 404, r#"{"detail":"Device not found: none"}"#),
        ("/api/v1/pvs/NO:PV", 404, r#"{"detail":"PV not found: NO:PV"}"#),
        ("/api/v1/pvs/lookup?pv_name=NO:PV", 404, r#"{"detail":"PV not found: NO:PV"}"#),
        ("/api/v1/pvs/standalone/S:1", 404, r#"{"detail":"PV not found: standalone/S:1"}"#),
        (
            "/api/v1/pvs/zz/health",
            404,
            r#"{"detail":"No health record for PV 'zz'. No failures recorded; treat as healthy."}"#,
        ),
        (
            "/api/v1/devices?device_label=bogus",
            422,
            r#"{"detail":[{"type":"enum","loc":["query","device_label"],"msg":"Input should be 'motor', 'detector', 'signal', 'flyer', 'readable' or 'device'","input":"bogus","ctx":{"expected":"'motor', 'detector', 'signal', 'flyer', 'readable' or 'device'"}}]}"#,
        ),
        (
            "/api/v1/devices?readable=maybe",
            422,
            r#"{"detail":[{"type":"bool_parsing","loc":["query","readable"],"msg":"Input should be a valid boolean, unable to interpret input","input":"maybe"}]}"#,
        ),
        (
            "/api/v1/devices/history?limit=0",
            422,
            r#"{"detail":[{"type":"greater_than_equal","loc":["query","limit"],"msg":"Input should be greater than or equal to 1","input":"0","ctx":{"ge":1}}]}"#,
        ),
        (
            "/api/v1/pvs/status",
            422,
            r#"{"detail":[{"type":"missing","loc":["query","pv_name"],"msg":"Field required","input":null}]}"#,
        ),
        (
            "/api/v1/devices/history?device_name=a%00b",
            422,
            r#"{"detail":"device_name must not contain NUL (0x00) characters"}"#,
        ),
    ] {
        lab.get(path).await.is(status, body);
    }
    let redirect = lab.get("/api/v1/devices/").await;
    assert_eq!(redirect.of(200).as_array().unwrap().len(), 3, "the client follows the redirect");
}

#[tokio::test]
async fn devices_are_created_changed_and_deleted_as_recorded() {
    let lab = Lab::with(mock()).await;
    let m2 = "/api/v1/devices/m2";
    let device = new_device("m2", "BL01:M2");
    let created = r#"{"success":true,"device_name":"m2","operation":"create","message":"Device 'm2' created successfully"}"#;
    lab.post("/api/v1/devices", device.clone()).await.is(201, created);
    lab.post("/api/v1/devices", device.clone())
        .await
        .is(409, r#"{"detail":"Device already exists: m2"}"#);
    let mut mismatch = device.clone();
    mismatch["instantiation_spec"]["name"] = json!("zz");
    lab.post("/api/v1/devices", mismatch).await.is(
        400,
        r#"{"detail":"Name mismatch: metadata.name='m2' != instantiation_spec.name='zz'"}"#,
    );
    let shown = lab.get(m2).await.of(200);
    for (key, value) in device["metadata"].as_object().unwrap() {
        assert_eq!(&shown[key], value, "{key} is stored as given");
    }

    lab.put(m2, json!({ "name": "x", "documentation": "y" })).await.is(
        200,
        r#"{"success":true,"device_name":"m2","operation":"update","message":"Device 'm2' updated successfully"}"#,
    );
    assert_eq!(lab.get(m2).await.of(200)["documentation"], Value::Null);
    lab.put(
        m2,
        json!({ "metadata": { "documentation": "d" }, "instantiation_spec": { "active": false } }),
    )
    .await
    .of(200);
    assert_eq!(lab.get(m2).await.of(200)["documentation"], "d");
    assert_eq!(lab.get(&format!("{m2}/status")).await.of(200)["enabled"], false);
    assert!(lab.get("/api/v1/devices/instantiation").await.of(200).get("m2").is_none());
    let all = lab.get("/api/v1/devices/instantiation?active_only=false").await.of(200);
    assert_eq!(all["m2"]["active"], false);
    lab.put(m2, json!({ "metadata": { "name": "q" } }))
        .await
        .is(400, r#"{"detail":"Name in body 'q' does not match path 'm2'"}"#);
    let null = lab.put(m2, json!({ "metadata": { "device_label": null } })).await.of(422);
    assert!(null["detail"].as_str().unwrap().starts_with("Invalid metadata update: 1 validation"));

    for (path, message) in [
        ("enable", "Device 'm2' enabled"),
        ("enable", "Device 'm2' is already enabled"),
        ("disable", "Device 'm2' disabled"),
    ] {
        let changed = lab.patch(&format!("{m2}/{path}")).await.of(200);
        assert_eq!(
            (changed["operation"].as_str(), changed["message"].as_str()),
            (Some(path), Some(message),)
        );
    }
    let rows = lab.get("/api/v1/devices/history?device_name=m2").await.of(200);
    let rows: Vec<_> = rows.as_array().unwrap().iter().rev().collect();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row["operation"].as_str().unwrap(), row["details"].as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            ("add", Some(r#"{"device_label": "signal", "ophyd_class": "EpicsSignal"}"#)),
            ("update", None),
            ("update", Some(r#"{"changed_fields": ["documentation", "spec.active"]}"#)),
            ("enable", Some(r#"{"field": "active", "old": false, "new": true}"#)),
            ("disable", Some(r#"{"field": "active", "old": true, "new": false}"#)),
        ]
    );

    lab.delete(m2).await.is(
        200,
        r#"{"success":true,"device_name":"m2","operation":"delete","message":"Device 'm2' deleted successfully"}"#,
    );
    lab.delete(m2).await.is(404, r#"{"detail":"Device not found: m2"}"#);
    lab.get("/api/v1/pvs/BL01:M2").await.of(404);
    let feed = lab.get("/api/v1/devices/changes?since_version=3").await.of(200);
    assert_eq!(feed["changes"][0]["op"], "delete");
    assert_eq!(feed["changes"].as_array().unwrap().len(), 1);
    assert_eq!(feed["changes"][0]["version"], feed["current_version"]);
}

#[tokio::test]
async fn what_one_of_many_clients_wrote_is_what_it_reads_next() {
    let lab = Lab::new(settings()).await;
    let clients = (0..64).map(|client| {
        let lab = &lab;
        async move {
            let (name, pv) = (format!("d{client}"), format!("P:{client}"));
            let path = format!("/api/v1/devices/{name}");
            lab.post("/api/v1/devices", new_device(&name, &pv)).await.of(201);
            assert_eq!(lab.get(&format!("/api/v1/pvs/{pv}")).await.of(200)["device_name"], *name);
            lab.put(&path, json!({ "metadata": { "documentation": "new" } })).await.of(200);
            assert_eq!(lab.get(&path).await.of(200)["documentation"], "new");
            let rows = lab.get(&format!("/api/v1/devices/history?device_name={name}")).await;
            assert_eq!(rows.of(200).as_array().unwrap().len(), 2);
            if client % 2 == 0 {
                lab.delete(&path).await.of(200);
                lab.get(&path).await.of(404);
            }
        }
    });
    futures::future::join_all(clients).await;
    assert_eq!(lab.get("/health").await.of(200)["devices_loaded"], 32);
    let ids = lab.get("/api/v1/devices/history").await.of(200);
    let ids: Vec<_> =
        ids.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (1..=160).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn bad_devices_are_refused_as_recorded() {
    let lab = Lab::new(settings()).await;
    let mut device = new_device("m2", "bad pv");
    device["instantiation_spec"]["framework"] = json!("x");
    device["metadata"]["pvs"] = json!({ "a": "bad pv" });
    lab.post("/api/v1/devices", device).await.is(
        422,
        r#"{"detail":[{"type":"value_error","loc":["body","metadata","pvs"],"msg":"Value error, PV name must be non-empty printable ASCII with no whitespace (matches the standalone-PV constraint)","input":{"a":"bad pv"},"ctx":{"error":{}}},{"type":"literal_error","loc":["body","instantiation_spec","framework"],"msg":"Input should be 'ophyd-sync' or 'ophyd-async'","input":"x","ctx":{"expected":"'ophyd-sync' or 'ophyd-async'"}}]}"#,
    );
    let mut device = new_device("a b", "P");
    device["instantiation_spec"]["name"] = json!("ok");
    lab.post("/api/v1/devices", device).await.is(
        422,
        r#"{"detail":[{"type":"value_error","loc":["body","metadata","name"],"msg":"Value error, device name must be non-empty printable ASCII with no whitespace or '/' (other values create registry entries that cannot be addressed via /api/v1/devices/{device_name})","input":"a b","ctx":{"error":{}}}]}"#,
    );
    assert!(lab.history().await.is_empty());
    assert_eq!(lab.get("/api/v1/devices-info").await.of(200), json!({}));
}

#[tokio::test]
async fn standalone_pvs_answer_as_recorded() {
    let lab = Lab::with(mock()).await;
    let pv = json!({ "pv_name": "S:1", "labels": ["b", "a"] });
    lab.post("/api/v1/pvs", pv.clone()).await.is(
        201,
        r#"{"success":true,"pv_name":"S:1","operation":"create","message":"Standalone PV 'S:1' registered successfully"}"#,
    );
    lab.post("/api/v1/pvs", pv).await.is(409, r#"{"detail":"PV already exists in registry: S:1"}"#);
    lab.post("/api/v1/pvs", json!({ "pv_name": "BL01:DET1:CNT" })).await.of(409);
    lab.post("/api/v1/pvs", json!({ "pv_name": "a b" })).await.is(
        422,
        r#"{"detail":[{"type":"string_pattern_mismatch","loc":["body","pv_name"],"msg":"String should match pattern '^[\\x21-\\x7e]+$'","input":"a b","ctx":{"pattern":"^[\\x21-\\x7e]+$"}}]}"#,
    );
    let mut all = lab.get("/api/v1/pvs/standalone").await.of(200);
    assert!(all[0]["created_at"].is_f64() && all[0]["created_at"] == all[0]["updated_at"]);
    for key in ["created_at", "updated_at"] {
        all[0][key] = json!(0.0);
    }
    assert_eq!(
        all.to_string(),
        r#"[{"pv_name":"S:1","description":null,"protocol":"ca","access_mode":"read-only","labels":["b","a"],"source":"runtime","created_by":null,"created_at":0.0,"updated_at":0.0}]"#
    );
    assert_eq!(lab.get("/api/v1/pvs/labels").await.of(200), json!(["a", "b"]));
    assert_eq!(lab.get("/api/v1/pvs/standalone?labels=a,b").await.of(200)[0]["pv_name"], "S:1");
    assert_eq!(lab.get("/api/v1/pvs/standalone?labels=a,c").await.of(200), json!([]));
    let known = lab.get("/api/v1/pvs/S:1").await.of(200);
    assert!(known["device_name"].is_null());
    let status = lab.get("/api/v1/pvs/status?pv_name=S:1").await.of(200);
    assert_eq!((&status["available"], &status["device_name"]), (&json!(true), &Value::Null));

    let path = "/api/v1/pvs/standalone/S:1";
    lab.put(path, json!({ "access_mode": "read-write" })).await.is(
        200,
        r#"{"success":true,"pv_name":"S:1","operation":"update","message":"Standalone PV 'S:1' updated successfully"}"#,
    );
    // The Python service fails here with 500.
    lab.put(path, json!({ "protocol": null })).await.of(422);
    let updated = lab.get("/api/v1/pvs/standalone").await.of(200);
    assert_eq!(updated[0]["access_mode"], "read-write");
    assert!(updated[0]["updated_at"].as_f64() > updated[0]["created_at"].as_f64());
    lab.delete(path).await.is(
        200,
        r#"{"success":true,"pv_name":"S:1","operation":"delete","message":"Standalone PV 'S:1' deleted successfully"}"#,
    );
    lab.delete(path).await.is(404, r#"{"detail":"Standalone PV not found: S:1"}"#);
    lab.post("/api/v1/pvs", json!({ "pv_name": "a/b/c" })).await.of(201);
    assert_eq!(lab.get("/api/v1/pvs/a/b/c").await.of(200)["pv"], "a/b/c");
}

#[tokio::test]
async fn pv_health_is_reported_and_forgotten() {
    let lab = Lab::with(mock()).await;
    let pv = "/api/v1/pvs/BL01:SAMPLE:X";
    lab.post(&format!("{pv}/success"), json!({})).await.of(200);
    lab.get(&format!("{pv}/health")).await.of(404);
    let record = lab.post(&format!("{pv}/failure"), json!({ "message": "t" })).await.of(200);
    assert_eq!(record["state"], "degraded");
    assert_eq!(record["last_failure_message"], "t");
    assert!(record["last_failure_at"].as_str().unwrap().ends_with('Z'));
    let status = lab.get("/api/v1/devices/sample_x/status").await.of(200);
    assert_eq!(status["pv_health"]["BL01:SAMPLE:X"]["consecutive_failures"], 1);
    lab.post(&format!("{pv}/failure"), json!({ "x": 1 })).await.is(
        422,
        r#"{"detail":[{"type":"extra_forbidden","loc":["body","x"],"msg":"Extra inputs are not permitted","input":1}]}"#,
    );
    lab.post("/api/v1/pvs/zz/failure", json!({}))
        .await
        .is(404, r#"{"detail":"PV not registered: zz"}"#);
    let bare = lab.post(pv, json!({})).await;
    assert_eq!((bare.status.as_u16(), bare.headers["allow"].to_str().unwrap()), (405, "GET"));
    lab.get("/api/v1/admin/pv-health/stats")
        .await
        .is(200, r#"{"by_state":{"healthy":0,"degraded":1,"unresponsive":0},"tracked_pvs":1}"#);
    lab.delete("/api/v1/admin/pv-health").await.is(200, r#"{"cleared":1}"#);
    lab.delete(&format!("{pv}/health")).await.is(200, r#"{"cleared":0}"#);
}

#[tokio::test]
async fn addresses_resolve_as_recorded() {
    let lab = Lab::with(mock()).await;
    let addresses = [
        "sample_x",
        "sample_x.user_setpoint",
        "det1.channels",
        "det1.channels.chan1",
        "nope.x",
        "sample_x.bad",
    ];
    lab.post("/api/v1/devices/resolve", json!({ "addresses": addresses })).await.is(
        200,
        r#"{"resolved":[{"address":"sample_x","outcome":"resolved","pv_name":"BL01:SAMPLE:X","message":null,"ok":true},{"address":"sample_x.user_setpoint","outcome":"resolved","pv_name":"BL01:SAMPLE:X.VAL","message":null,"ok":true},{"address":"det1.channels","outcome":"no_such_attr","pv_name":null,"message":"no Component 'channels' on top-level class","ok":false},{"address":"det1.channels.chan1","outcome":"resolved","pv_name":"BL01:DET1:.S1","message":null,"ok":true},{"address":"nope.x","outcome":"device_not_found","pv_name":null,"message":"no device named 'nope' in registry","ok":false},{"address":"sample_x.bad","outcome":"no_such_attr","pv_name":null,"message":"no Component 'bad' on top-level class","ok":false}]}"#,
    );
    // What was resolved is a PV that the registry knows.
    let known = lab.get("/api/v1/pvs/BL01:SAMPLE:X.VAL").await.of(200);
    assert_eq!(known["component_name"], "user_setpoint");
    lab.post("/api/v1/devices/resolve", json!({ "addresses": [] })).await.is(
        422,
        r#"{"detail":[{"type":"too_short","loc":["body","addresses"],"msg":"List should have at least 1 item after validation, not 0","input":[],"ctx":{"field_type":"List","min_length":1,"actual_length":0}}]}"#,
    );
}

#[tokio::test]
async fn a_read_only_registry_refuses_writes_and_keeps_reading() {
    let lab = Lab::new(registry_pod::Settings { writable: false, ..settings() }).await;
    let detail = r#"{"detail":"Device registry persistence not enabled. Set CONFIG_DEVICE_CHANGE_HISTORY_ENABLED=true."}"#;
    lab.post("/api/v1/devices", new_device("m", "P")).await.is(501, detail);
    lab.get("/api/v1/devices/history").await.is(501, detail);
    lab.post("/api/v1/registry/clear", json!({})).await.is(501, detail);
    lab.post("/api/v1/pvs", json!({ "pv_name": "P" })).await.is(
        501,
        r#"{"detail":"Standalone PV registration not enabled. Set CONFIG_DEVICE_CHANGE_HISTORY_ENABLED=true."}"#,
    );
    assert_eq!(lab.get("/api/v1/devices").await.of(200), json!([]));
}

#[tokio::test]
async fn a_class_outside_the_allowlist_is_refused() {
    let allowed = service::settings::JsonList(vec!["ophyd".to_owned()]);
    let lab =
        Lab::new(registry_pod::Settings { device_class_allowlist: allowed, ..settings() }).await;
    lab.post("/api/v1/devices", new_device("ok", "P")).await.of(201);
    let mut device = new_device("bad", "P");
    device["instantiation_spec"]["device_class"] = json!("ophydish.Thing");
    lab.post("/api/v1/devices", device).await.is(
        422,
        r#"{"detail":"device_class 'ophydish.Thing' is not in the configured allowlist of importable module prefixes"}"#,
    );
}
