//! Several registries on one API: what a client has read or written at one of them it never reads in an older state there.

use std::sync::Arc;

use futures::future::join;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::faults::Line;
use crate::lab::{Another, Lab, new_device, settings};

/// Changes that are made.
const CHANGES: u64 = 60;

/// A lab with the device `m`, and another replica on a line of its own.
async fn two() -> (Lab, Another, Arc<Line>) {
    let lab = Lab::new(settings()).await;
    lab.post("/api/v1/devices", new_device("m", "P:m")).await.of(201);
    let line = Line::new();
    let other = lab.another_on(line.to(lab.api())).await;
    lab.until(async || lab.get_from(&other.base, "/ready").await.status == StatusCode::OK).await;
    (lab, other, line)
}

async fn change(lab: &Lab, base: &str, number: u64) -> StatusCode {
    let body = json!({ "metadata": { "documentation": number.to_string() } });
    lab.send_to(base, Method::PUT, "/api/v1/devices/m", Some(&body)).await.status
}

fn number(metadata: &Value) -> u64 {
    metadata["documentation"].as_str().map_or(0, |text| text.parse().unwrap())
}

/// The change that the device shows.
async fn shown(lab: &Lab, base: &str) -> u64 {
    number(&lab.get_from(base, "/api/v1/devices/m").await.of(200))
}

/// What the feed tells a client that knows `since`: its version, and the change that it tells of.
async fn feed(lab: &Lab, base: &str, since: u64) -> (u64, Option<u64>) {
    let path = format!("/api/v1/devices/changes?since_version={since}");
    let feed = lab.get_from(base, &path).await.of(200);
    let told = feed["changes"].as_array().unwrap().first().map(|one| number(&one["metadata"]));
    (feed["current_version"].as_u64().unwrap(), told)
}

/// Reads at one replica until it shows the last change. Whatever order the watches bring things in, nothing goes back.
async fn read(lab: &Lab, base: &str) {
    let (mut known, mut since, mut held) = (0, 0, 0);
    while known < CHANGES {
        let (version, told) = feed(lab, base, since).await;
        assert!(version >= since, "version {version} after {since}");
        if let Some(told) = told {
            assert!(told >= known, "the feed tells of {told} after {known}");
            known = told;
        }
        since = version;
        let now = shown(lab, base).await;
        assert!(now >= known, "the device is {now} after {known}");
        known = now;
        let status = lab.get_from(base, "/api/v1/devices/m/status").await.of(200);
        let holder = status["locked_by_item"].as_str().map_or(held, |item| item.parse().unwrap());
        assert!(holder >= held, "held by {holder} after {held}");
        held = holder;
    }
}

#[tokio::test]
async fn what_was_read_is_never_older_when_it_is_read_again() {
    let (lab, other, line) = two().await;
    let held = [Some("/devices"), None, Some("/configmaps"), Some("/devicelocks"), None];
    let write = async {
        for number in 1..=CHANGES {
            line.hold(held[usize::try_from(number).unwrap() % held.len()]);
            assert_eq!(change(&lab, lab.base(), number).await, 200);
            let lock = json!({
                "device_names": ["m"], "item_id": number.to_string(), "plan_name": "count",
            });
            lab.post("/api/v1/devices/lock", lock.clone()).await.of(200);
            assert_eq!(shown(&lab, lab.base()).await, number, "read what was written");
            lab.post("/api/v1/devices/unlock", lock).await.of(200);
        }
        line.hold(None);
    };
    join(write, join(read(&lab, lab.base()), read(&lab, &other.base))).await;
    other.shutdown.cancel();
}

#[tokio::test]
async fn a_version_is_told_only_with_the_state_that_it_announces() {
    let (lab, other, line) = two().await;
    let (before, _) = feed(&lab, &other.base, 0).await;
    line.hold(Some("/devices"));
    assert_eq!(change(&lab, lab.base(), 1).await, 200);
    let (after, told) = feed(&lab, lab.base(), before).await;
    assert_eq!(told, Some(1));
    // The other knows that there is a change, and does not know it.
    lab.until(async || {
        let rows = lab.get_from(&other.base, "/api/v1/devices/history").await.of(200);
        rows[0]["id"] == after
    })
    .await;
    let (version, told) = feed(&lab, &other.base, before).await;
    assert!(version < after, "{told:?} is told as {version}");
    line.hold(None);
    lab.until(async || feed(&lab, &other.base, version).await == (after, Some(1))).await;
    other.shutdown.cancel();
}

#[tokio::test]
async fn what_cannot_be_read_yet_is_not_acknowledged() {
    let (lab, other, line) = two().await;
    line.hold(Some("/devices"));
    assert_eq!(change(&lab, &other.base, 1).await, 503);
    line.hold(None);
    lab.until(async || shown(&lab, &other.base).await == 1).await;
    assert_eq!(change(&lab, &other.base, 2).await, 200);
    assert_eq!(shown(&lab, &other.base).await, 2);
    other.shutdown.cancel();
}
