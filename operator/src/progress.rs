//! Whether the operator knows and does what it should: the parts that are still waited for, and how
//! the controllers fare. Shown by `/ready` and `/diagnostics`.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::runtime::watcher;
use parking_lot::Mutex;
use serde::Serialize;
use service::health::Readiness;
use tokio::time::Instant;

/// Failing objects remembered for each controller; the rest are counted.
const REMEMBERED_FAILURES: usize = 100;

/// What every part of the operator reports to. Shared by clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    readiness: Readiness,
    watches: Arc<Mutex<BTreeMap<&'static str, Watch>>>,
    controllers: Arc<Mutex<BTreeMap<&'static str, Controller>>>,
}

#[derive(Debug)]
struct Watch {
    known: bool,
    heard: Option<Instant>,
    error: Option<String>,
}

#[derive(Debug, Default)]
struct Controller {
    reconciles: u64,
    failures: u64,
    last: Option<Instant>,
    failing: BTreeMap<String, String>,
}

/// All of it as JSON. Ages are in seconds.
#[derive(Debug, Serialize)]
pub(crate) struct Diagnostics {
    watches: BTreeMap<&'static str, WatchState>,
    controllers: BTreeMap<&'static str, ControllerState>,
}

#[derive(Debug, Serialize)]
struct WatchState {
    known: bool,
    last_event_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

#[derive(Debug, Serialize)]
struct ControllerState {
    reconciles: u64,
    failures: u64,
    last_reconcile_age: Option<u64>,
    failing: BTreeMap<String, String>,
}

impl Board {
    /// The parts that are not up yet.
    pub(crate) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// A watch that is about to start. Not ready before it knows all its objects.
    pub(crate) fn watch(&self, name: &'static str) -> Progress {
        self.readiness.not_ready(name, format!("{name}: the first list is not complete"));
        self.watch_aside(name).needed()
    }

    /// A watch that is about to start, and that nothing waits for.
    pub(crate) fn watch_aside(&self, name: &'static str) -> Progress {
        self.watches.lock().insert(name, Watch { known: false, heard: None, error: None });
        Progress { board: self.clone(), name, needed: false }
    }

    /// Notes how a reconcile of `object` ended.
    pub(crate) fn reconciled(
        &self,
        controller: &'static str,
        object: String,
        failure: Option<&str>,
    ) {
        let mut controllers = self.controllers.lock();
        let state = controllers.entry(controller).or_default();
        state.reconciles += 1;
        state.last = Some(Instant::now());
        match failure {
            None => {
                state.failing.remove(&object);
            }
            Some(why) => {
                state.failures += 1;
                if state.failing.len() < REMEMBERED_FAILURES || state.failing.contains_key(&object)
                {
                    state.failing.insert(object, why.to_owned());
                }
            }
        }
    }

    /// Everything that is known now.
    pub(crate) fn diagnostics(&self) -> Diagnostics {
        let age = |at: Option<Instant>| at.map(|at| at.elapsed().as_secs());
        let watches = self.watches.lock();
        let watches = watches.iter().map(|(name, watch)| {
            let state = WatchState {
                known: watch.known,
                last_event_age: age(watch.heard),
                last_error: watch.error.clone(),
            };
            (*name, state)
        });
        let controllers = self.controllers.lock();
        let controllers = controllers.iter().map(|(name, controller)| {
            let state = ControllerState {
                reconciles: controller.reconciles,
                failures: controller.failures,
                last_reconcile_age: age(controller.last),
                failing: controller.failing.clone(),
            };
            (*name, state)
        });
        Diagnostics { watches: watches.collect(), controllers: controllers.collect() }
    }
}

/// How one watch says how it fares.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    board: Board,
    name: &'static str,
    /// Whether readiness waits for it.
    needed: bool,
}

impl Progress {
    fn needed(self) -> Self {
        Self { needed: true, ..self }
    }

    /// Something came.
    pub(crate) fn heard(&self) {
        self.change(|watch| {
            watch.heard = Some(Instant::now());
            watch.error = None;
        });
    }

    /// It is interrupted; it is tried again.
    pub(crate) fn failed(&self, error: &watcher::Error) {
        tracing::warn!(watch = self.name, %error, "a watch is interrupted");
        let text = service::error::with_sources(error);
        let mut known = false;
        self.change(|watch| {
            known = watch.known;
            watch.error = Some(text.clone());
        });
        if !known && self.needed {
            self.board.readiness.not_ready(self.name, format!("{}: {text}", self.name));
        }
    }

    /// All objects are known.
    pub(crate) fn known(&self) {
        let mut first = false;
        self.change(|watch| {
            first = !watch.known;
            watch.known = true;
        });
        if first && self.needed {
            self.board.readiness.ready(self.name);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Watch)) {
        if let Some(watch) = self.board.watches.lock().get_mut(self.name) {
            change(watch);
        }
    }
}
