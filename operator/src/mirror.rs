//! What controllers must know of objects other than their own, kept up to date by one watch per
//! kind.
//!
//! A mirror boils a kind, of which there are few objects, down to one value a namespace. It publishes
//! the value when it differs, and only then are those woken that depend on it, so what a woken
//! controller reads is never older than what woke it. Kinds of which there are thousands have an
//! index instead ([`crate::index`]).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, Lookup, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::progress::Progress;
use crate::scope::Namespaced;

/// Watches are renewed after this many seconds; proxies cut longer ones.
pub(crate) const WATCH_SECONDS: u32 = 180;
/// Changes folded into one new value.
const BATCH: usize = 1024;

/// One value for each namespace.
pub(crate) type ByNamespace<T> = HashMap<String, Arc<T>>;

/// A value that follows the objects of a kind in each namespace; none until they have been listed
/// once.
pub(crate) type Mirrored<T> = watch::Receiver<Option<ByNamespace<T>>>;

/// How every watch of the operator is set up.
pub(crate) fn watch_config() -> watcher::Config {
    watcher::Config::default().timeout(WATCH_SECONDS)
}

/// Follows all `K` of `api` and publishes what `boil_down` makes of those of each namespace, until
/// `shutdown`. Tells `progress` whether they are known.
pub(crate) async fn follow<K, T>(
    (api, config): (Api<DeserializeGuard<K>>, watcher::Config),
    publish: watch::Sender<Option<ByNamespace<T>>>,
    boil_down: impl Fn(&[Arc<DeserializeGuard<K>>]) -> T,
    progress: Progress,
    shutdown: CancellationToken,
) where
    K: Namespaced,
    DeserializeGuard<K>: Lookup<DynamicType = ()>,
    T: PartialEq,
{
    let writer = reflector::store::Writer::new(());
    let store: Store<DeserializeGuard<K>> = writer.as_reader();
    let events = watcher(api, config)
        .backoff(service::watch::backoff())
        .modify(|object| object.meta_mut().managed_fields = None)
        .reflect(writer)
        .inspect(|event| match event {
            Ok(_) => progress.heard(),
            Err(error) => progress.failed(error),
        });
    let mut batches = std::pin::pin!(events.ready_chunks(BATCH).take_until(shutdown.cancelled()));
    while batches.next().await.is_some() {
        // Polling once tells whether the first list is complete; before that the store is empty.
        if futures::future::poll_immediate(store.wait_until_ready()).await.is_none() {
            continue;
        }
        let values = by_namespace(&store.state(), &boil_down);
        publish.send_if_modified(|current| {
            let differs = current.as_ref() != Some(&values);
            if differs {
                *current = Some(values);
            }
            differs
        });
        progress.known();
    }
}

fn by_namespace<K: Resource, T>(
    all: &[Arc<DeserializeGuard<K>>],
    boil_down: impl Fn(&[Arc<DeserializeGuard<K>>]) -> T,
) -> ByNamespace<T> {
    let mut groups: HashMap<String, Vec<_>> = HashMap::new();
    for object in all {
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        groups.entry(namespace).or_default().push(object.clone());
    }
    groups.into_iter().map(|(name, objects)| (name, Arc::new(boil_down(&objects)))).collect()
}

/// Waits until the mirror has its first value; `false` when `shutdown` came first.
pub(crate) async fn filled<T>(mirror: &Mirrored<T>, shutdown: &CancellationToken) -> bool {
    let mut mirror = mirror.clone();
    tokio::select! {
        value = mirror.wait_for(Option::is_some) => value.is_ok(),
        () = shutdown.cancelled() => false,
    }
}

/// The current value of a filled mirror for the namespace of `object`.
pub(crate) fn current<T: Default>(mirror: &Mirrored<T>, object: &impl ResourceExt) -> Arc<T> {
    let namespace = object.namespace().unwrap_or_default();
    let values = mirror.borrow();
    values.as_ref().and_then(|values| values.get(&namespace).cloned()).unwrap_or_default()
}

/// What a mirror showed before and shows now.
pub(crate) struct Change<T> {
    before: ByNamespace<T>,
    after: ByNamespace<T>,
}

impl<T: Default + PartialEq> Change<T> {
    /// The namespaces whose value differs, with the value before and after.
    pub(crate) fn namespaces(&self) -> Vec<(String, Arc<T>, Arc<T>)> {
        let names: BTreeSet<&String> = self.before.keys().chain(self.after.keys()).collect();
        let of = |values: &ByNamespace<T>, name| values.get(name).cloned().unwrap_or_default();
        let all = names
            .into_iter()
            .map(|name| (name.clone(), of(&self.before, name), of(&self.after, name)));
        all.filter(|(_, before, after)| before != after).collect()
    }
}

/// The changes of a mirror from now on: each at once, and then no sooner than `pause` after the
/// last.
pub(crate) fn changes<T: Send + Sync + 'static>(
    mirror: &Mirrored<T>,
    pause: Duration,
) -> BoxStream<'static, Change<T>> {
    let mut mirror = mirror.clone();
    let now = mirror.borrow_and_update().clone().unwrap_or_default();
    let start = (mirror, now, Instant::now());
    let changes = stream::unfold(start, move |(mut mirror, before, next)| async move {
        sleep_until(next).await;
        mirror.changed().await.ok()?;
        let after = mirror.borrow_and_update().clone().unwrap_or_default();
        let change = Change { before, after: after.clone() };
        Some((change, (mirror, after, Instant::now() + pause)))
    });
    changes.boxed()
}
