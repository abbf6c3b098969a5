//! What others do to the resources: watches that never end and tell the actor.

use crds::{PlanWorker, Queue, QueueItem};
use futures::StreamExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event as Watched};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc;

use super::Signal;
use crate::machine::Event;

/// Seconds after which the server ends a watch by itself: a stuck one is noticed by then.
const WATCH_SECONDS: u32 = 180;

/// Watches the items, the queue and its workers until the actor is gone.
pub(super) async fn run(
    client: Client,
    namespace: String,
    queue: String,
    actor: mpsc::Sender<Signal>,
) {
    let items = watch_items(Api::namespaced(client.clone(), &namespace), &queue, &actor);
    let queues = watch_queue(Api::namespaced(client.clone(), &namespace), &queue, &actor);
    let workers = watch_workers(Api::namespaced(client, &namespace), &queue, &actor);
    tokio::select! {
        () = items => {}
        () = queues => {}
        () = workers => {}
    }
}

pub(super) fn config() -> watcher::Config {
    watcher::Config::default().timeout(WATCH_SECONDS)
}

async fn watch_items(api: Api<QueueItem>, queue: &str, actor: &mpsc::Sender<Signal>) {
    let mut stream = watcher::watcher(api, config()).backoff(service::watch::backoff()).boxed();
    while let Some(seen) = stream.next().await {
        let signal = match seen {
            Ok(Watched::Apply(item)) if item.spec.queue == queue => {
                Signal::Event(Event::ItemApplied(Box::new(item)))
            }
            Ok(Watched::Delete(item)) if item.spec.queue == queue => {
                Signal::Event(Event::ItemDeleted(Box::new(item)))
            }
            // What happened before and between watches is read as a whole.
            Ok(Watched::InitDone) => Signal::Relisted,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "the watch of the items is interrupted");
                continue;
            }
        };
        if actor.send(signal).await.is_err() {
            return;
        }
    }
}

async fn watch_queue(api: Api<Queue>, queue: &str, actor: &mpsc::Sender<Signal>) {
    let mut stream = watcher::watcher(api, config()).backoff(service::watch::backoff()).boxed();
    while let Some(seen) = stream.next().await {
        let changed = match seen {
            Ok(Watched::Apply(changed) | Watched::InitApply(changed)) => changed,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "the watch of the queue is interrupted");
                continue;
            }
        };
        if changed.name_any() != queue {
            continue;
        }
        let generation = changed.metadata.generation;
        let signal = Signal::Event(Event::QueueApplied(Box::new(changed.spec), generation));
        if actor.send(signal).await.is_err() {
            return;
        }
    }
}

async fn watch_workers(api: Api<PlanWorker>, queue: &str, actor: &mpsc::Sender<Signal>) {
    let mut stream = watcher::watcher(api, config()).backoff(service::watch::backoff()).boxed();
    while let Some(seen) = stream.next().await {
        let (worker, is_there) = match seen {
            Ok(Watched::Apply(worker) | Watched::InitApply(worker)) => (worker, true),
            Ok(Watched::Delete(worker)) => (worker, false),
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "the watch of the workers is interrupted");
                continue;
            }
        };
        if worker.spec.queue != queue {
            continue;
        }
        let seen = SeenWorker {
            name: worker.name_any(),
            epoch: worker.spec.epoch,
            is_there,
            exit: worker.status.and_then(|status| status.exit),
        };
        if actor.send(Signal::WorkerSeen(seen)).await.is_err() {
            return;
        }
    }
}

/// A worker as its resource shows it.
#[derive(Debug)]
pub(crate) struct SeenWorker {
    /// Name of the `PlanWorker`.
    pub(crate) name: String,
    /// Epoch of the leader that asked for it.
    pub(crate) epoch: i64,
    /// Whether the resource exists.
    pub(crate) is_there: bool,
    /// How its process ended.
    pub(crate) exit: Option<String>,
}
