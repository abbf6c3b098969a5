//! What controllers must know of objects other than their own, kept up to date by one watch per
//! kind.
//!
//! A mirror boils a kind down to one value. It publishes the value when it differs, and only then
//! are the controllers woken that depend on it, so what a woken controller reads is never older
//! than what woke it.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, Lookup, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Watches are renewed after this many seconds; proxies cut longer ones.
pub(crate) const WATCH_SECONDS: u32 = 180;
/// Changes folded into one new value.
const BATCH: usize = 1024;

/// A value that follows the objects of a kind; none until they have been listed once.
pub(crate) type Mirrored<T> = watch::Receiver<Option<Arc<T>>>;

/// How every watch of the operator is set up.
pub(crate) fn watch_config() -> watcher::Config {
    watcher::Config::default().timeout(WATCH_SECONDS)
}

/// Follows all `K` of `namespace` and publishes what `boil_down` makes of them, until `shutdown`.
pub(crate) async fn follow<K, T>(
    client: Client,
    namespace: &str,
    publish: &watch::Sender<Option<Arc<T>>>,
    boil_down: impl Fn(&[Arc<DeserializeGuard<K>>]) -> T,
    shutdown: CancellationToken,
) where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
    K::DynamicType: Default + Eq + Hash + Clone + Debug + Unpin + Send + Sync,
    DeserializeGuard<K>: Lookup<DynamicType = K::DynamicType>,
    T: PartialEq,
{
    let api: Api<DeserializeGuard<K>> = Api::namespaced(client, namespace);
    let writer = reflector::store::Writer::new(K::DynamicType::default());
    let store: Store<DeserializeGuard<K>> = writer.as_reader();
    let events = watcher(api, watch_config())
        .default_backoff()
        .modify(|object| object.meta_mut().managed_fields = None)
        .reflect(writer)
        .inspect_err(|error| tracing::warn!(%error, "a watch is interrupted"));
    let mut batches = std::pin::pin!(events.ready_chunks(BATCH).take_until(shutdown.cancelled()));
    while batches.next().await.is_some() {
        // Polling once tells whether the first list is complete; before that the store is empty.
        if futures::future::poll_immediate(store.wait_until_ready()).await.is_none() {
            continue;
        }
        let value = boil_down(&store.state());
        publish.send_if_modified(|current| {
            let differs = current.as_deref() != Some(&value);
            if differs {
                *current = Some(Arc::new(value));
            }
            differs
        });
    }
}

/// Waits until the mirror has its first value; `false` when `shutdown` came first.
pub(crate) async fn filled<T>(mirror: &Mirrored<T>, shutdown: &CancellationToken) -> bool {
    let mut mirror = mirror.clone();
    tokio::select! {
        value = mirror.wait_for(Option::is_some) => value.is_ok(),
        () = shutdown.cancelled() => false,
    }
}

/// The current value of a filled mirror.
pub(crate) fn current<T: Default>(mirror: &Mirrored<T>) -> Arc<T> {
    mirror.borrow().clone().unwrap_or_default()
}
