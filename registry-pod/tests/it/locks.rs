//! Locks of devices, by one client and by many.

use std::collections::BTreeSet;
use std::pin::pin;

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::lab::{Lab, mock, new_device, settings};

fn request(devices: &[&str], item: &str, plan: &str) -> Value {
    json!({ "device_names": devices, "item_id": item, "plan_name": plan })
}

#[tokio::test]
async fn locks_answer_as_recorded() {
    let lab = Lab::with(mock()).await;
    let taken = lab
        .post("/api/v1/devices/lock", request(&["sample_x", "det1"], "i1", "count"))
        .await
        .of(200);
    assert_eq!(taken["locked_devices"], json!(["sample_x", "det1"]));
    assert_eq!(
        taken["locked_pvs"],
        json!([
            "BL01:DET1:CNT",
            "BL01:DET1:PRESET",
            "BL01:SAMPLE:X",
            "BL01:SAMPLE:X.RBV",
            "BL01:SAMPLE:X.VELO"
        ])
    );
    assert_eq!((&taken["registry_version"], &taken["expires_at"]), (&json!(1), &Value::Null));
    assert_eq!(taken["lease_ttl_seconds"].to_string(), "0.0");
    let epoch = taken["lock_epoch"].clone();
    assert_eq!(epoch.as_str().unwrap().len(), 32);

    let status = lab.get("/api/v1/devices/sample_x/status").await.of(200);
    let locked_at = status["locked_at"].as_str().unwrap().to_owned();
    assert!(locked_at.ends_with("+00:00"));
    assert_eq!(
        status.to_string(),
        format!(
            r#"{{"device_name":"sample_x","available":false,"enabled":true,"lock_status":"locked","locked_by_plan":"count","locked_by_item":"i1","locked_at":"{locked_at}","locked_until":null,"lock_epoch":{epoch},"pv_health":{{}}}}"#
        )
    );
    let mixed =
        lab.post("/api/v1/devices/lock", request(&["sample_x", "ghost"], "i2", "scan")).await;
    mixed.is(404, &format!(
        r#"{{"success":false,"message":"Device 'sample_x' is locked by plan 'count'","conflicting_devices":[{{"device_name":"sample_x","reason":"already_locked","locked_by_plan":"count","locked_at":"{locked_at}"}},{{"device_name":"ghost","reason":"not_found","locked_by_plan":null,"locked_at":null}}]}}"#
    ));
    let conflict = lab.post("/api/v1/devices/lock", request(&["det1"], "i1", "count")).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT, "locks are not re-entrant");
    lab.post("/api/v1/devices/lock", request(&[], "e", "p")).await.of(200);
    let twice =
        lab.post("/api/v1/devices/lock", request(&["cam1", "cam1"], "e", "p")).await.of(200);
    assert_eq!(twice["locked_devices"], json!(["cam1", "cam1"]));
    lab.post("/api/v1/devices/lock", json!({})).await.is(
        422,
        r#"{"detail":[{"type":"missing","loc":["body","device_names"],"msg":"Field required","input":{}},{"type":"missing","loc":["body","item_id"],"msg":"Field required","input":{}},{"type":"missing","loc":["body","plan_name"],"msg":"Field required","input":{}}]}"#,
    );

    let detail = r#"{"detail":"Device 'sample_x' is locked and cannot be deleted; unlock it (or wait for the plan to finish) first"}"#;
    lab.delete("/api/v1/devices/sample_x").await.is(409, detail);
    lab.put("/api/v1/devices/sample_x", json!({})).await.of(409);
    lab.patch("/api/v1/devices/sample_x/disable").await.of(200);
    lab.patch("/api/v1/devices/sample_x/enable").await.of(200);

    let renew = json!({ "device_names": ["sample_x", "ghost"], "item_id": "i1" });
    lab.post("/api/v1/devices/lock/renew", renew).await.is(200, &format!(
        r#"{{"success":false,"renewed_devices":["sample_x"],"lost_devices":["ghost"],"conflict_devices":[],"lock_epoch":{epoch},"expires_at":null}}"#
    ));
    lab.post("/api/v1/devices/unlock", json!({ "device_names": ["sample_x"], "item_id": "bad" }))
        .await
        .is(403, r#"{"detail":"Device 'sample_x' is locked by item i1, not bad"}"#);
    let release = json!({ "device_names": ["sample_x", "ghost"], "item_id": "i1" });
    lab.post("/api/v1/devices/unlock", release).await.is(200, &format!(
        r#"{{"success":true,"unlocked_devices":["sample_x"],"registry_version":4,"lock_epoch":{epoch}}}"#
    ));
    lab.post(
        "/api/v1/devices/force-unlock",
        json!({ "device_names": ["ghost", "det1", "g2"], "reason": "r" }),
    )
    .await
    .is(404, r#"{"detail":"Devices not found: ghost, g2"}"#);
    let forced = json!({ "device_names": ["det1", "cam1"], "reason": "r" });
    let forced = lab.post("/api/v1/devices/force-unlock", forced).await.of(200);
    assert_eq!(forced["unlocked_devices"], json!(["det1", "cam1"]));
    let history: Vec<String> = lab.history().await.into_iter().map(|(op, _)| op).collect();
    assert_eq!(
        history,
        [
            "seed",
            "seed",
            "seed",
            "lock",
            "lock",
            "lock",
            "lock",
            "disable",
            "enable",
            "unlock",
            "force_unlock",
            "force_unlock",
        ]
    );
}

#[tokio::test]
async fn a_disabled_device_cannot_be_locked_and_lock_all_covers_every_device() {
    let lab = Lab::with(mock()).await;
    lab.patch("/api/v1/devices/det1/disable").await.of(200);
    let refused =
        lab.post("/api/v1/devices/lock", request(&["cam1", "det1"], "i", "p")).await.of(422);
    assert_eq!(refused["message"], "Device 'det1' is disabled");
    assert_eq!(lab.get("/api/v1/devices/cam1/status").await.of(200)["lock_status"], "unlocked");

    lab.get("/api/v1/devices/lock/policy").await.is(200, r#"{"lock_all":false}"#);
    let policy = "/api/v1/devices/lock/policy";
    lab.put(policy, json!({ "lock_all": "yes" })).await.is(200, r#"{"lock_all":true}"#);
    lab.post("/api/v1/devices/lock", request(&["cam1"], "i", "scan")).await.of(200);
    let status = lab.get("/api/v1/devices/sample_x/status").await.of(200);
    assert_eq!((&status["available"], &status["locked_by_plan"]), (&json!(false), &json!("scan")));
    lab.put(policy, json!({ "lock_all": false })).await.of(200);
    assert_eq!(lab.get("/api/v1/devices/sample_x/status").await.of(200)["available"], true);
}

#[tokio::test]
async fn a_lock_protects_a_pv_that_another_device_owns() {
    let lab = Lab::with(mock()).await;
    lab.post("/api/v1/devices", new_device("alias", "BL01:DET1:CNT")).await.of(201);
    let pv = "/api/v1/pvs/status?pv_name=BL01:DET1:CNT";
    lab.post("/api/v1/devices/lock", request(&["det1"], "i", "count")).await.of(200);
    let status = lab.get(pv).await.of(200);
    assert_eq!((&status["available"], &status["locked_by_plan"]), (&json!(false), &json!("count")));
}

#[tokio::test]
async fn a_lock_that_cannot_be_recorded_is_not_held() {
    let lab = Lab::with(mock()).await;
    lab.until(async || lab.history().await.len() == 3).await;
    lab.line().history_fails(true);
    let lock = || request(&["det1", "cam1"], "i1", "count");
    let refused = lab.post("/api/v1/devices/lock", lock()).await;
    refused.is(503, r#"{"detail":"registry store unreachable"}"#);
    assert_eq!(lab.get("/api/v1/devices/det1/status").await.of(200)["lock_status"], "unlocked");
    lab.line().history_fails(false);
    lab.post("/api/v1/devices/lock", lock()).await.of(200);
    assert_eq!(lab.history().await.len(), 5);
}

#[tokio::test]
async fn a_lease_lapses_and_another_item_takes_over() {
    let leased = registry_pod::Settings { lock_lease_ttl_seconds: 0.05, ..settings() };
    let lab = Lab::new(leased).await;
    lab.post("/api/v1/devices", new_device("m", "P")).await.of(201);
    let taken = lab.post("/api/v1/devices/lock", request(&["m"], "i1", "p")).await.of(200);
    assert!(taken["expires_at"].as_str().unwrap().ends_with("+00:00"));
    lab.until(async || {
        let again = lab.post("/api/v1/devices/lock", request(&["m"], "i2", "p")).await;
        again.status == StatusCode::OK
    })
    .await;
    let renew = json!({ "device_names": ["m"], "item_id": "i1" });
    assert_eq!(lab.post("/api/v1/devices/lock/renew", renew).await.of(200)["success"], false);
}

#[tokio::test]
async fn one_write_of_the_table_is_for_many_clients() {
    const CLIENTS: usize = 32;
    let lab = Lab::new(settings()).await;
    let names: Vec<String> = (0..CLIENTS).map(|at| format!("d{at}")).collect();
    for name in &names {
        lab.post("/api/v1/devices", new_device(name, &format!("P:{name}"))).await.of(201);
    }
    lab.until(async || {
        let before = lab.line().table_writes();
        for path in ["lock", "unlock"] {
            join_all(names.iter().map(async |name| {
                let body = request(&[name.as_str()], name, "p");
                lab.post(&format!("/api/v1/devices/{path}"), body).await.of(200);
            }))
            .await;
        }
        lab.line().table_writes() - before < CLIENTS
    })
    .await;
    let rows = lab.history().await;
    for name in &names {
        let rows = rows.iter().filter(|(_, device)| device == name).map(|(operation, _)| operation);
        let rows: Vec<&String> = rows.collect();
        assert_eq!(rows[..3], ["add", "lock", "unlock"]);
    }
}

#[tokio::test]
async fn whoever_leaves_while_its_lock_is_stored_holds_nothing_in_the_end() {
    let lab = Lab::with(mock()).await;
    lab.until(async || lab.history().await.len() == 3).await;
    lab.line().stall(true);
    let before = lab.line().table_writes();
    let lock = |item| lab.post("/api/v1/devices/lock", request(&["det1", "cam1"], item, "p"));
    {
        let mut stored = pin!(lock("i1"));
        // It is decided, and then the client goes away.
        tokio::select! {
            _ = &mut stored => panic!("answered before it was stored"),
            () = lab.line().until_written(before + 1) => {}
        }
    }
    lab.line().stall(false);
    lab.until(async || lock("i2").await.status == StatusCode::OK).await;
    let status = lab.get("/api/v1/devices/det1/status").await.of(200);
    assert_eq!(status["locked_by_item"], "i2");
    // Its lock and its release, or neither.
    lab.until(async || {
        let rows = lab.history().await;
        let rows: Vec<_> = rows.iter().skip(3).map(|(operation, _)| operation.as_str()).collect();
        let both = ["lock", "lock", "unlock", "unlock", "lock", "lock"];
        rows == both[4..] || rows == both
    })
    .await;
}

#[tokio::test]
async fn many_clients_of_two_replicas_never_hold_one_device_together() {
    let lab = Lab::new(settings()).await;
    let names: Vec<String> = (0..6).map(|at| format!("d{at}")).collect();
    for name in &names {
        lab.post("/api/v1/devices", new_device(name, &format!("P:{name}"))).await.of(201);
    }
    let (replica, _stop) = lab.replica().await;
    let replica = replica.as_str();
    let clients = (0..40).map(|client| {
        let (lab, names) = (&lab, &names);
        async move {
            // Overlapping pairs and triples, so that most clients compete.
            let wanted: Vec<&str> =
                (0..2 + client % 2).map(|at| names[(client + at * 2) % 6].as_str()).collect();
            let body = request(&wanted, &format!("i{client}"), "p");
            let path = "/api/v1/devices/lock";
            let answer = match client % 2 {
                0 => lab.send(Method::POST, path, Some(&body)).await,
                _ => lab.send_to(replica, Method::POST, path, Some(&body)).await,
            };
            match answer.status.as_u16() {
                200 => Some((format!("i{client}"), wanted)),
                409 => None,
                other => panic!("{other}: {}", answer.text),
            }
        }
    });
    let held: Vec<_> = join_all(clients).await.into_iter().flatten().collect();
    assert!(!held.is_empty());
    let mut seen = BTreeSet::new();
    for (item, devices) in &held {
        for device in devices {
            assert!(seen.insert(*device), "{device} is held twice");
            let status = lab.get(&format!("/api/v1/devices/{device}/status")).await.of(200);
            assert_eq!(&status["locked_by_item"], item);
        }
    }
    for name in &names {
        let status = lab.get(&format!("/api/v1/devices/{name}/status")).await.of(200);
        let is_held = seen.contains(name.as_str());
        assert_eq!(status["lock_status"] == "locked", is_held, "nobody holds half of a request");
    }
    let locks = held.iter().map(|(_, devices)| devices.len()).sum::<usize>();
    lab.until(async || lab.history().await.iter().filter(|(op, _)| op == "lock").count() == locks)
        .await;
}
