//! The same plans, calls, permissions and patterns judged here and by the Python package: the verdicts and their texts are equal.
//!
//! The corpus is made up anew in every run, from a fixed seed; `VERDICT_SEED` and `VERDICT_CALLS` make another or a larger one.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use queue_pod::item::Item;
use queue_pod::plans::permissions::{document, pattern::Pattern};
use queue_pod::plans::{Allowed, Catalogue, Permissions, validate};
use serde_json::{Map, Value, json};

/// What the Python package says about a corpus; `None` without Python.
fn reference() -> Option<Value> {
    let number = |name: &str, usual: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let wish = json!({
        "seed": number("VERDICT_SEED", 20_261_122), "calls": number("VERDICT_CALLS", 4000),
        "plans": 200, "permissions": 40, "patterns": 300,
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/verdicts_reference.py");
    let mut child = Command::new(peers::python()?)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(wish.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the reference failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn list<'a>(corpus: &'a Value, key: &str) -> &'a [Value] {
    corpus[key].as_array().unwrap()
}

fn map(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

/// Why a call is judged otherwise here, by name; `None` if it must not be.
fn excepted(call: &Value, ours: &str) -> Option<&'static str> {
    let theirs = call["text"].as_str().unwrap();
    // Their order is that of hashes, and differs from run to run.
    if theirs.contains("interpreted as '{") || theirs.contains("frozenset({") {
        return Some("the order of a set");
    }
    // `Union[int, str]` equals `Union[str, int]`, and Python goes on with the one that it met first.
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    if theirs.contains("validation errors for Model") && sorted(theirs) == sorted(ours) {
        return Some("the order of a union");
    }
    // They make a field without an annotation of it, and its default the annotation.
    if theirs.contains("[type=missing, input_value={") {
        return Some("a parameter annotated with None needs a value");
    }
    let both = !ours.is_empty() && !theirs.is_empty();
    if both && theirs.contains("`Model` is not fully defined") {
        return Some("a parameter annotated with None has a text for its type");
    }
    // They print the inner workings of the validator; the verdict is the same.
    (both && theirs.contains("ValidatorIterator(")).then_some("the print of an iterator")
}

/// What of the corpus is judged otherwise here.
fn differences(corpus: &Value) -> Vec<String> {
    let catalogue = Catalogue::new(corpus["plans"].clone(), corpus["devices"].clone());
    let sets: Vec<_> = list(corpus, "permissions")
        .iter()
        .map(|set| {
            let permissions = Permissions(map(set).clone());
            let allowed = Allowed::new(&catalogue, &permissions);
            (permissions, allowed)
        })
        .collect();
    let mut found = Vec::new();
    for ((permissions, allowed), theirs) in sets.iter().zip(list(corpus, "allowed")) {
        for (name, plans) in map(&theirs["plans"]) {
            let Some(group) = allowed.group(name) else {
                found.push(format!("no group {name} with {}", json!(permissions)));
                continue;
            };
            for (things, ours, theirs) in [
                ("plans", &group.plans, plans),
                ("devices", &group.devices, &theirs["devices"][name]),
            ] {
                for (thing, description) in ours {
                    if theirs.get(thing) != Some(description) {
                        found.push(format!(
                            "{things} of {name}: {thing}: {description}\nnot {:?}\nwith {}",
                            theirs.get(thing),
                            json!(permissions)
                        ));
                    }
                }
                for thing in map(theirs).keys().filter(|thing| !ours.contains_key(*thing)) {
                    found.push(format!(
                        "{things} of {name}: no {thing} with {}",
                        json!(permissions)
                    ));
                }
            }
        }
        for (question, answer) in map(&theirs["functions"]) {
            let (group, function) = question.split_once(':').unwrap();
            let ours = permissions.allow_function(function, group).ok();
            if ours != answer.get("value").and_then(Value::as_bool) {
                found.push(format!(
                    "function {question}: {ours:?}, not {answer}, with {}",
                    json!(permissions)
                ));
            }
        }
    }
    for call in list(corpus, "calls") {
        let (_, allowed) = &sets[usize::try_from(call["permissions"].as_u64().unwrap()).unwrap()];
        let Some(group) = allowed.group(call["group"].as_str().unwrap()) else { continue };
        let ours = validate(&Item(map(&call["item"]).clone()), group).err().unwrap_or_default();
        if ours != call["text"].as_str().unwrap() && excepted(call, &ours).is_none() {
            found.push(format!(
                "{}\nours:   {ours}\ntheirs: {}",
                call["item"],
                call["text"].as_str().unwrap()
            ));
        }
    }
    for case in list(corpus, "patterns") {
        let ours = Pattern::read(&case["pattern"]).err();
        if ours.as_deref() != case["outcome"].get("error").and_then(Value::as_str) {
            found.push(format!("pattern {}: {ours:?}, not {}", case["pattern"], case["outcome"]));
        }
    }
    for case in list(corpus, "documents") {
        let ours = document::check(&case["document"]).err();
        if ours.as_deref() != case["outcome"].get("error").and_then(Value::as_str) {
            found.push(format!("document {}: {ours:?}, not {}", case["document"], case["outcome"]));
        }
    }
    found
}

#[test]
fn verdicts_and_texts_are_those_of_the_python_package() {
    let Some(corpus) = reference() else { return };
    assert!(list(&corpus, "calls").len() >= 1000 && map(&corpus["plans"]).len() > 100);
    let found = differences(&corpus);
    let some: Vec<_> = found.iter().take(10).map(String::as_str).collect();
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), some.join("\n\n"));
}
