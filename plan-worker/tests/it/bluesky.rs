//! The same calls to the native engine and to the real Run Engine: the documents have to be the same.

use std::collections::HashMap;

use plan_worker::environment::Devices;
use plan_worker::protocol::{ExitStatus, PlanCall};
use serde_json::{Map, Value, json};

use crate::python;
use crate::recorder::{call, carry_out, names, none};

/// What differs from one run to the next, and what tells which software it was.
const PASSING: &[&str] = &["uid", "time", "timestamps", "run_start", "descriptor", "versions"];

fn calls() -> Vec<PlanCall> {
    let dets = json!(["det", "det1", "det2", "det3", "det4"]);
    vec![
        call("count", json!([["det"]]), none()),
        call("count", json!([["det1", "det2"], 3]), json!({"delay": 0.001})),
        call("count", json!([["det"]]), json!({"num": 3, "delay": [0.001, 0.002]})),
        call("count", json!([["det", "det"]]), none()),
        call("count", json!([["sig", "bool_sig", "signal", "motor"]]), json!({"num": 2})),
        call("count", json!([["invariant1"]]), none()),
        call("count", json!([["det_with_conf"], 2]), none()),
        call("count", json!([["det_with_count_time"]]), none()),
        call("count", json!([["motor_no_hints1", "motor_empty_hints2", "motor_no_pos"]]), none()),
        call("count", json!([[]]), none()),
        call(
            "count",
            json!([["det"]]),
            json!({"md": {"a": 1, "hints": {"b": 2}, "num_points": 7}}),
        ),
        call("scan", json!([["det"], "motor", -5, 5, 11]), none()),
        call(
            "scan",
            json!([dets, "motor", -1, 1, "motor1", 0.1, 0.7, "motor2", 3, -3]),
            json!({"num": 7}),
        ),
        call("scan", json!([["det"], "motor", 2, 2, 3]), none()),
        call("scan", json!([["det"], "motor", 0, 1, 1]), none()),
        call("scan", json!([["det"], "motor_no_hints1", 0, 1, 2]), none()),
        call("scan", json!([["det"], "motor_empty_hints1", 0, 1, 2]), none()),
        call("scan", json!([["det"], "sig", 0, 1, 3]), none()),
        call(
            "scan",
            json!([["det"], "motor", 0, 1, 2]),
            json!({"md": {"plan_name": "mine", "hints": {"x": 1}}}),
        ),
        call("rel_scan", json!([["det"], "motor", -1, 1, 3]), none()),
        call("rel_scan", json!([["det1"], "motor1", -1, 1, "motor2", 0, 5]), json!({"num": 4})),
        call("list_scan", json!([["det"], "motor", [1, 2.5, 3]]), none()),
        call("list_scan", json!([["det"], "motor", [0, 0, 1], "motor1", [3, 2, 1]]), none()),
        call("rel_list_scan", json!([["det"], "motor", [0.5, -0.25]]), none()),
        call("grid_scan", json!([["det4"], "motor1", -1, 1, 3, "motor2", 0, 1, 2]), none()),
        call(
            "grid_scan",
            json!([["det4"], "motor1", -1, 1, 3, "motor2", 0, 1, 2, "motor3", 5, 7, 3]),
            json!({"snake_axes": true}),
        ),
        call(
            "grid_scan",
            json!([["det4"], "motor1", -1, 1, 2, "motor2", 0, 1, 3, "motor3", 5, 7, 2]),
            json!({"snake_axes": ["motor3"]}),
        ),
        call("grid_scan", json!([["det4"], "motor1", -1, 1, 2, "motor2", 0, 1, 3, true]), none()),
        call("grid_scan", json!([["det"], "motor", 0, 1, 2]), json!({"snake_axes": false})),
        call(
            "rel_grid_scan",
            json!([["det4"], "motor1", -1, 1, 3, "motor2", 0, 1, 2]),
            json!({"snake_axes": true}),
        ),
        call("mv", json!(["motor", 3, "motor1", -0.5]), none()),
        call("mvr", json!(["motor", 3, "motor1", -0.5]), none()),
        call("null", json!([]), none()),
        call("sleep", json!([0.001]), none()),
        call("count", json!([["det", "identical_det"]]), none()),
        call("count", json!([["motor", "motor_no_pos"]]), none()),
    ]
}

#[tokio::test]
async fn the_documents_are_those_of_the_real_run_engine() {
    let calls = calls();
    let request = json!({ "calls": calls });
    let Some(Value::Array(expected)) = python::call("bluesky_reference.py", &request).await else {
        return;
    };
    assert_eq!(expected.len(), calls.len());
    for (call, expected) in calls.iter().zip(expected) {
        let what = format!("{}({}, {})", call.name, json!(call.args), json!(call.kwargs));
        let devices = Devices::simulated();
        let (finished, documents) = carry_out(&devices, call).await;

        let failed = finished.exit_status == ExitStatus::Failed;
        assert_eq!(failed, expected["error"] != "", "{what}: {finished:?} {}", expected["error"]);
        let theirs: Vec<_> = expected["documents"].as_array().unwrap().clone();
        let their_names: Vec<_> = theirs.iter().map(|pair| pair[0].as_str().unwrap()).collect();
        assert_eq!(names(&documents), their_names, "{what}");
        for (number, ((name, ours), theirs)) in documents.into_iter().zip(&theirs).enumerate() {
            let what = format!("{what}: document {number}, {name}");
            let mut theirs = theirs[1].clone();
            if failed && name == "stop" {
                assert!(!theirs["reason"].as_str().unwrap().is_empty(), "{what}");
                assert!(!ours["reason"].as_str().unwrap().is_empty(), "{what}");
                theirs["reason"] = ours["reason"].clone();
            }
            same(&lasting(&ours), &lasting(&theirs), &what);
            assert_eq!(keys(&ours, "timestamps"), keys(&theirs, "timestamps"), "{what}");
        }
        for motor in ["motor", "motor1", "motor2", "motor3"] {
            let ours = devices.get(motor).unwrap().position().await.unwrap();
            same(&ours, &expected["positions"][motor], &format!("{what}: {motor} at the end"));
        }
    }
}

fn keys(document: &Value, of: &str) -> Vec<String> {
    let mut keys: Vec<String> =
        document[of].as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    keys.sort();
    keys
}

/// The document without what passes.
fn lasting(document: &Value) -> Value {
    match document {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !PASSING.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), lasting(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(lasting).collect(),
        Value::String(text) => json!(without_timestamp(text)),
        other => other.clone(),
    }
}

/// `Signal(name='sig', value=0, timestamp=…)` without the time.
fn without_timestamp(text: &str) -> &str {
    text.split(", timestamp=").next().unwrap_or(text)
}

/// Equal, numbers to the last bit but one: `exp` is not the same function everywhere.
fn same(ours: &Value, theirs: &Value, what: &str) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let (a_keys, b_keys): (HashMap<_, ()>, HashMap<_, ()>) =
                (a.keys().map(|key| (key, ())).collect(), b.keys().map(|key| (key, ())).collect());
            assert_eq!(a_keys, b_keys, "{what}: keys of {ours} and {theirs}");
            for (key, value) in a {
                same(value, &b[key], &format!("{what}: {key}"));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{what}: {ours} and {theirs}");
            for (a, b) in a.iter().zip(b) {
                same(a, b, what);
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            assert_eq!(a.is_f64(), b.is_f64(), "{what}: {a} and {b} are of different types");
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-15 * b.abs(), "{what}: {a} and {b}");
        }
        _ => assert_eq!(ours, theirs, "{what}"),
    }
}

#[tokio::test]
async fn the_documents_keep_to_the_schemas_of_event_model() {
    let mut all = Vec::new();
    for call in calls() {
        let (_, documents) = carry_out(&Devices::simulated(), &call).await;
        all.extend(documents);
    }
    assert!(all.len() > 100);
    python::call("bluesky_reference.py", &json!({ "validate": all })).await;

    // The check itself has to be able to fail.
    let wrong = json!({ "validate": [["stop", {"uid": "u"}]] });
    if peers::python().is_some() {
        let failed =
            tokio::spawn(async move { python::call("bluesky_reference.py", &wrong).await });
        assert!(failed.await.is_err());
    }
}
