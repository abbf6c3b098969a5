//! The same calls to the native engine and to the real Run Engine: the documents have to be the same.

use std::collections::HashMap;

use plan_worker::environment::Devices;
use plan_worker::protocol::{ExitStatus, PlanCall};
use serde_json::{Map, Value, json};

use crate::bluesky_calls::calls;
use crate::python;
use crate::recorder::{carry_out, names};

/// What differs from one run to the next, and what tells which software it was.
const PASSING: &[&str] = &["uid", "time", "timestamps", "run_start", "descriptor", "versions"];

#[tokio::test]
async fn the_documents_are_those_of_the_real_run_engine() {
    let calls = calls();
    let request = json!({ "calls": calls, "starts": Map::from_iter(starts()) });
    let Some(Value::Array(expected)) = python::call("bluesky_reference.py", &request).await else {
        return;
    };
    assert_eq!(expected.len(), calls.len());
    let mut differing = Vec::new();
    for (call, expected) in calls.into_iter().zip(expected) {
        let what = format!("{}({}, {})", call.name, json!(call.args), json!(call.kwargs));
        // What differs is on stderr; the other calls are compared all the same.
        let compared = tokio::spawn({
            let what = what.clone();
            async move { compare(&call, &expected, &what).await }
        });
        if compared.await.is_err() {
            differing.push(what);
        }
    }
    assert!(differing.is_empty(), "differ: {differing:#?}");
}

async fn compare(call: &PlanCall, expected: &Value, what: &str) {
    let devices = Devices::simulated();
    for (motor, position) in starts() {
        devices.get(&motor).unwrap().set(&position).await.unwrap();
    }
    let (finished, documents) = carry_out(&devices, call).await;

    let failed = finished.exit_status == ExitStatus::Failed;
    assert_eq!(failed, expected["error"] != "", "{what}: {finished:?} {}", expected["error"]);
    let theirs = expected["documents"].as_array().unwrap();
    let their_names: Vec<_> = theirs.iter().map(|pair| pair[0].as_str().unwrap()).collect();
    assert_eq!(names(&documents), their_names, "{what}");
    for (number, ((name, mut ours), theirs)) in documents.into_iter().zip(theirs).enumerate() {
        let what = format!("{what}: document {number}, {name}");
        let mut theirs = theirs[1].clone();
        if failed && name == "stop" {
            assert!(!theirs["reason"].as_str().unwrap().is_empty(), "{what}");
            assert!(!ours["reason"].as_str().unwrap().is_empty(), "{what}");
            theirs["reason"] = ours["reason"].clone();
        }
        if call.name.contains("spiral") {
            in_one_order(&mut ours);
            in_one_order(&mut theirs);
        }
        same(&lasting(&ours), &lasting(&theirs), tolerance(&call.name), &what);
        assert_eq!(keys(&ours, "timestamps"), keys(&theirs, "timestamps"), "{what}");
    }
    for motor in ["motor", "motor1", "motor2", "motor3"] {
        let ours = devices.get(motor).unwrap().position().await.unwrap();
        let what = format!("{what}: {motor} at the end");
        same(&ours, &expected["positions"][motor], tolerance(&call.name), &what);
    }
}

/// Where motors are when a call comes, so that a plan that counts from there shows it.
fn starts() -> [(String, Value); 3] {
    [("motor", json!(0.5)), ("motor1", json!(-1.25)), ("motor2", json!(2))]
        .map(|(motor, position)| (motor.to_owned(), position))
}

/// bluesky takes the motors of a spiral from a set, in any order.
fn in_one_order(document: &mut Value) {
    if let Some(Value::Array(motors)) = document.get_mut("motors") {
        motors.sort_by_key(ToString::to_string);
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

/// By how much numbers may differ, as a part of them: the last bit but one, since `exp` is not the same function everywhere. Where
/// the readings decide on the next step, that adds up.
fn tolerance(plan: &str) -> f64 {
    if plan.contains("adaptive") || plan.contains("tune") { 1e-9 } else { 1e-15 }
}

/// Equal, numbers within `tolerance`.
fn same(ours: &Value, theirs: &Value, tolerance: f64, what: &str) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let (a_keys, b_keys): (HashMap<_, ()>, HashMap<_, ()>) =
                (a.keys().map(|key| (key, ())).collect(), b.keys().map(|key| (key, ())).collect());
            assert_eq!(a_keys, b_keys, "{what}: keys of {ours} and {theirs}");
            for (key, value) in a {
                same(value, &b[key], tolerance, &format!("{what}: {key}"));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{what}: {ours} and {theirs}");
            for (a, b) in a.iter().zip(b) {
                same(a, b, tolerance, what);
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            assert_eq!(a.is_f64(), b.is_f64(), "{what}: {a} and {b} are of different types");
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= tolerance * b.abs(), "{what}: {a} and {b}");
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
