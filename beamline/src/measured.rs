//! What is measured: told to the recorder of this process, and printed for the book.

use std::io::Write;
use std::sync::Mutex;

use anyhow::Context;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use serde_json::{Value, json};

/// Installs the recorder of this process and tells it every metric of every part.
pub(crate) fn install() -> anyhow::Result<()> {
    service::metrics::install()?;
    describe();
    Ok(())
}

/// Prints every metric with its kind, its unit and its words, sorted by name.
pub(crate) fn print() -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&described())?;
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}

fn describe() {
    service::metrics::describe();
    channels::metrics::describe();
    registry_pod::metrics::describe();
    control_pod::metrics::describe();
    queue_pod::metrics::describe();
    operator::metrics::describe();
}

fn described() -> Vec<Value> {
    let listener = Listener::default();
    with_local_recorder(&listener, describe);
    let mut heard = listener.0.into_inner().unwrap_or_default();
    heard.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    heard
}

/// A recorder that keeps descriptions and measures nothing.
#[derive(Default)]
struct Listener(Mutex<Vec<Value>>);

impl Listener {
    fn hear(&self, kind: &str, name: &KeyName, unit: Option<Unit>, words: &SharedString) {
        let one = json!({
            "name": name.as_str(),
            "kind": kind,
            "unit": unit.map(|unit| unit.as_str()),
            "words": words.as_ref(),
        });
        if let Ok(mut heard) = self.0.lock() {
            heard.push(one);
        }
    }
}

impl Recorder for Listener {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, words: SharedString) {
        self.hear("counter", &name, unit, &words);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, words: SharedString) {
        self.hear("gauge", &name, unit, &words);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, words: SharedString) {
        self.hear("histogram", &name, unit, &words);
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_described_once_and_says_by_which_labels() {
        let all = described();
        let names: Vec<_> = all.iter().filter_map(|one| one["name"].as_str()).collect();
        let mut once = names.clone();
        once.dedup();
        assert_eq!(names, once);
        let requests = all.iter().find(|one| one["name"] == "http_requests_total").unwrap();
        assert_eq!((&requests["kind"], &requests["unit"]), (&json!("counter"), &json!("count")));
        assert!(requests["words"].as_str().unwrap().contains("`route`"));
    }
}
