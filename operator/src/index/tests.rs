use serde_json::json;

use super::*;

const EARLY: &str = "2026-01-01T00:00:00Z";
const LATE: &str = "2026-01-01T00:00:01Z";

fn device(object: &str, name: &str, created: &str) -> Device {
    serde_json::from_value(json!({
        "apiVersion": "beamline.dev/v1alpha1", "kind": "Device",
        "metadata": {"name": object, "uid": object, "namespace": "n", "creationTimestamp": created},
        "spec": {"name": name, "deviceClass": "a.B", "required": true},
    }))
    .unwrap()
}

/// What a change of that device wakes.
fn apply(namespace: &mut Namespace, device: &Device) -> Vec<String> {
    let object = device.name_any();
    let woken = namespace.apply(&object, Some(device.claim()), device.is_missing());
    woken.into_iter().collect()
}

#[test]
fn a_device_alone_with_its_name_wakes_nobody_however_often_it_changes() {
    let mut namespace = Namespace::default();
    for number in 0..100 {
        let name = format!("d{number}");
        assert!(apply(&mut namespace, &device(&name, &name, EARLY)).is_empty());
    }
    assert!(apply(&mut namespace, &device("d7", "d7", EARLY)).is_empty());
    assert!(namespace.delete("d7").is_empty());
    assert_eq!(namespace.summary().count, 99);
}

#[test]
fn a_rival_is_woken_and_the_owner_when_he_loses_the_name_and_the_loser_when_the_owner_goes() {
    let mut namespace = Namespace::default();
    apply(&mut namespace, &device("second", "same", LATE));
    apply(&mut namespace, &device("other", "other", EARLY));
    assert_eq!(apply(&mut namespace, &device("third", "same", LATE)), ["third"]);
    assert!(apply(&mut namespace, &device("third", "same", LATE)).is_empty());
    let all = ["first", "second", "third"];
    assert_eq!(apply(&mut namespace, &device("first", "same", EARLY)), all);
    assert_eq!(namespace.delete("first").into_iter().collect::<Vec<_>>(), all[1..]);
}

#[test]
fn an_object_that_takes_another_name_gives_its_old_one_up() {
    let mut namespace = Namespace::default();
    apply(&mut namespace, &device("a", "x", EARLY));
    apply(&mut namespace, &device("b", "x", LATE));
    // Deleted and made anew under the same object name.
    assert_eq!(apply(&mut namespace, &device("a", "y", LATE)), ["b"]);
    // One that cannot be read any more claims nothing, and is counted.
    assert!(namespace.apply("b", None, false).is_empty());
    assert_eq!(namespace.claims.len(), 1);
    assert_eq!(namespace.summary().count, 2);
}

#[test]
fn a_required_device_that_is_not_connected_is_missing_and_one_that_is_off_is_not() {
    let mut required = device("a", "x", EARLY);
    assert!(!required.is_missing(), "nothing is known of it yet");
    required.status = Some(
        serde_json::from_value(json!({"conditions": [{
            "type": "Connected", "status": "False", "reason": "Disconnected", "message": "",
            "lastTransitionTime": EARLY,
        }]}))
        .unwrap(),
    );
    let index = Index::default();
    index.apply(&DeserializeGuard(Ok(required.clone())));
    assert_eq!(index.summary("n"), Summary { count: 1, missing: vec!["x".to_owned()] });
    required.spec.active = false;
    index.apply(&DeserializeGuard(Ok(required)));
    assert!(index.summary("n").missing.is_empty());
    index.retain(&HashSet::new());
    assert_eq!(index.summary("n"), Summary::default());
}
