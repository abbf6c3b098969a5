//! What `kubectl get queues` shows. Written on transitions, the newest only, and never in the way of a request.

use std::time::Duration;

use crds::conditions::{self, Verdict, reasons, types};
use crds::queue::QueueStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;

use super::store::Store;
use crate::machine::State;

/// Shortest time between two reports: a queue of short plans changes its state many times a second.
const PAUSE: Duration = Duration::from_millis(500);

/// Takes states to report.
pub(super) struct Reporter {
    newest: watch::Sender<QueueStatus>,
}

/// Writes the newest reported state.
pub(super) struct Report {
    newest: watch::Receiver<QueueStatus>,
    store: Store,
}

impl Reporter {
    pub(super) fn new(store: Store, state: &State) -> (Self, Report) {
        let (sender, receiver) = watch::channel(status(state));
        (Self { newest: sender }, Report { newest: receiver, store })
    }

    /// Reports what changed.
    pub(super) fn report(&self, state: &State) {
        let now = status(state);
        self.newest.send_if_modified(|newest| {
            let changed = *newest != now;
            *newest = now;
            changed
        });
    }
}

impl Report {
    /// Runs until the [`Reporter`] is dropped.
    pub(super) async fn run(mut self) {
        let mut conditions = Vec::new();
        while self.newest.changed().await.is_ok() {
            let mut status = self.newest.borrow_and_update().clone();
            let ready = Verdict {
                type_: types::READY,
                status: Some(true),
                reason: reasons::ACCEPTED,
                message: String::new(),
            };
            conditions::set(&mut conditions, &ready, None, &Time(Timestamp::now()));
            status.conditions.clone_from(&conditions);
            if let Err(error) = self.store.report(&status).await {
                tracing::warn!(%error, "cannot report the state of the queue");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn status(state: &State) -> QueueStatus {
    QueueStatus {
        manager_state: Some(state.manager.word().to_owned()),
        worker_environment_state: Some(state.worker_state().to_owned()),
        ..QueueStatus::default()
    }
}
