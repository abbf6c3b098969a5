use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::registry::subject::Carrier;

const LONG: Duration = Duration::from_secs(3600);

fn subject(uid: &str, pvs: &[&str]) -> Arc<Subject> {
    Arc::new(Subject {
        carrier: Carrier::Device,
        object: uid.to_owned(),
        uid: uid.to_owned(),
        generation: Some(1),
        active: true,
        pvs: pvs.iter().map(|pv| (*pv).to_owned()).collect(),
    })
}

/// Everything that is to be written now, taken as written.
fn write(ledger: &mut Ledger) -> Vec<(String, String)> {
    let mut written = Vec::new();
    while let Some(news) = next(ledger) {
        written.push((news.subject.uid.clone(), news.condition.reason.clone()));
        ledger.said(news);
    }
    written
}

fn next(ledger: &mut Ledger) -> Option<News> {
    ledger.next(|_| None, &Time(Timestamp::UNIX_EPOCH))
}

fn pair(uid: &str, reason: &str) -> (String, String) {
    (uid.to_owned(), reason.to_owned())
}

#[test]
fn two_devices_share_a_pv_and_both_say_that_it_is_gone() {
    let (mut ledger, now) = (Ledger::default(), Instant::now());
    ledger.follow(&[subject("a", &["x"]), subject("b", &["x", "y"])]);
    assert_eq!(ledger.search(10, now), ["x", "y"]);
    assert!(write(&mut ledger).is_empty(), "too early to tell");
    ledger.heard("x", true, now);
    ledger.heard("y", true, now);
    let both = |reason| vec![pair("a", reason), pair("b", reason)];
    assert_eq!(write(&mut ledger), both("Connected"));
    assert_eq!(ledger.counts(), Counts { connected: 2, disconnected: 0 });
    ledger.heard("x", false, now);
    ledger.advance(now + LONG);
    assert_eq!(write(&mut ledger), both("Disconnected"));
    assert_eq!(ledger.counts(), Counts { connected: 0, disconnected: 2 });
    ledger.compare_all();
    assert_eq!(write(&mut ledger).len(), 2, "somebody removed them");
}

#[test]
fn no_more_pvs_are_searched_for_at_a_time_than_asked_for() {
    let (mut ledger, now) = (Ledger::default(), Instant::now());
    ledger.follow(&[subject("a", &["x", "y", "z"])]);
    assert_eq!(ledger.search(2, now), ["x", "y"]);
    assert_eq!(ledger.search(2, now), ["z"]);
    assert!(ledger.search(2, now).is_empty());
}

#[test]
fn a_pv_is_let_go_with_its_last_device_and_a_changed_device_is_judged_by_its_new_pvs() {
    let (mut ledger, now) = (Ledger::default(), Instant::now());
    ledger.follow(&[subject("a", &["x", "y"]), subject("b", &["y"])]);
    ledger.search(10, now);
    ledger.heard("x", true, now);
    ledger.heard("y", true, now);
    write(&mut ledger);
    let changed = subject("a", &["z"]);
    assert_eq!(ledger.follow(&[changed.clone(), subject("b", &["y"])]), ["x"]);
    assert!(write(&mut ledger).is_empty(), "nothing is known of z");
    assert_eq!(ledger.search(10, now), ["z"]);
    ledger.advance(now + LONG);
    assert_eq!(write(&mut ledger), [pair("a", "Disconnected")]);
    assert_eq!(ledger.follow(&[changed]), ["y"]);
    assert_eq!(ledger.counts(), Counts { connected: 0, disconnected: 1 });
}

#[test]
fn what_an_object_says_already_is_not_said_again_but_of_a_newer_version_it_is() {
    let (mut ledger, now) = (Ledger::default(), Instant::now());
    ledger.follow(&[subject("a", &["x"])]);
    ledger.search(10, now);
    ledger.heard("x", true, now);
    let news = next(&mut ledger).unwrap();
    let mut successor = Ledger::default();
    successor.follow(&[subject("a", &["x"])]);
    successor.search(10, now);
    successor.heard("x", true, now);
    let later = Time(Timestamp::MAX);
    assert_eq!(successor.next(|_| Some(news.condition.clone()), &later), None);
    let edited = Arc::new(Subject { generation: Some(2), ..(*subject("a", &["x"])).clone() });
    successor.follow(&[edited]);
    assert_eq!(write(&mut successor), [pair("a", "Connected")]);
}

#[test]
fn a_failed_write_is_tried_again_with_what_is_true_then() {
    let (mut ledger, now) = (Ledger::default(), Instant::now());
    ledger.follow(&[subject("a", &["x"])]);
    ledger.search(10, now);
    ledger.heard("x", true, now);
    let failed = next(&mut ledger).unwrap();
    ledger.heard("x", false, now);
    ledger.advance(now + LONG);
    assert!(write(&mut ledger).is_empty(), "two writes of one object at a time");
    ledger.not_said(&failed);
    assert_eq!(write(&mut ledger), [pair("a", "Disconnected")]);
}

#[test]
fn of_a_device_that_was_never_judged_it_is_not_said_that_nobody_knows() {
    let mut ledger = Ledger::default();
    let off = Arc::new(Subject { active: false, ..(*subject("a", &[])).clone() });
    ledger.follow(std::slice::from_ref(&off));
    assert!(write(&mut ledger).is_empty());
    let on = subject("a", &["x"]);
    ledger.follow(&[on]);
    ledger.search(1, Instant::now());
    ledger.heard("x", true, Instant::now());
    assert_eq!(write(&mut ledger), [pair("a", "Connected")]);
    assert_eq!(ledger.follow(&[off]), ["x"]);
    assert_eq!(write(&mut ledger), [pair("a", "Inactive")]);
}

#[test]
fn two_hundred_flapping_pvs_are_written_about_twice_each() {
    const FLAP: Duration = Duration::from_millis(50);
    let names: Vec<String> = (0..200).map(|n| format!("p{n}")).collect();
    let subjects: Vec<_> = names.iter().map(|name| subject(name, &[name])).collect();
    let mut ledger = Ledger::default();
    ledger.follow(&subjects);
    let mut now = Instant::now();
    ledger.search(200, now);
    let mut writes = 0;
    for flap in 0..1200 {
        for name in &names {
            ledger.heard(name, flap % 2 == 0, now);
        }
        now += FLAP;
        ledger.advance(now);
        writes += write(&mut ledger).len();
    }
    // Found, and one minute of flapping later found to be unsteady.
    assert_eq!(writes, 2 * names.len());
}
