//! Keeps the [`View`] equal to the resources: one watch each on devices, classes, standalone PVs
//! and the lock table.
//!
//! State is rebuilt from the stores, never from single events, and once for a whole burst of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crds::resolve::Catalogue;
use crds::{
    Device, DeviceClass, DeviceClassSpec, DeviceLocks, ProcessVariable, claims, device_locks,
};
use futures::StreamExt;
use futures::stream::{BoxStream, select_all};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, Store, store::Writer};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::registry::snapshot::DeviceIndex;
use crate::registry::{KnownDevice, View};

/// Most events that are taken together before the snapshot is rebuilt: a whole beamline's worth of
/// applied manifests.
const BURST: usize = 4096;
/// Seconds after which a watch is renewed, so that a half-dead connection is noticed.
const WATCH_SECONDS: u32 = 180;
/// How often lapsed conditions of the watches are looked at when nothing arrives.
const IDLE: Duration = Duration::from_secs(60);

/// What a watch says: something of this kind changed, or the API did not answer.
#[derive(Clone, Debug)]
enum News {
    /// The store of that kind is complete and changed.
    Changed(Kind),
    /// The watch of that kind failed.
    Failed(Kind, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Devices,
    Classes,
    Standalone,
    Locks,
}

const KINDS: [Kind; 4] = [Kind::Devices, Kind::Classes, Kind::Standalone, Kind::Locks];

struct Stores {
    devices: Store<DeserializeGuard<Device>>,
    classes: Store<DeserializeGuard<DeviceClass>>,
    standalone: Store<DeserializeGuard<ProcessVariable>>,
    locks: Store<DeserializeGuard<DeviceLocks>>,
}

/// Follows the resources of `namespace` until `shutdown`, with the `shipped` classes beneath its
/// own. Never fails: an API that does not answer is asked again, with backoff.
pub(crate) async fn follow(
    client: Client,
    namespace: String,
    shipped: Vec<DeviceClassSpec>,
    view: View,
    shutdown: CancellationToken,
) {
    let (devices, device_news) = watched(&client, &namespace, Kind::Devices);
    let (classes, class_news) = watched(&client, &namespace, Kind::Classes);
    let (standalone, standalone_news) = watched(&client, &namespace, Kind::Standalone);
    let (locks, lock_news) = watched(&client, &namespace, Kind::Locks);
    let stores = Stores { devices, classes, standalone, locks };
    let mut news =
        select_all([device_news, class_news, standalone_news, lock_news]).ready_chunks(BURST);
    let mut state = State { shipped, ..State::default() };
    loop {
        let burst = tokio::select! {
            () = shutdown.cancelled() => return,
            burst = news.next() => burst,
            () = tokio::time::sleep(IDLE) => continue,
        };
        let Some(burst) = burst else { return };
        state.absorb(&burst, &stores, &view);
    }
}

/// A store of one kind, and the news of it.
fn watched<K>(
    client: &Client,
    namespace: &str,
    kind: Kind,
) -> (Store<DeserializeGuard<K>>, BoxStream<'static, News>)
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api: Api<DeserializeGuard<K>> = Api::namespaced(client.clone(), namespace);
    let writer = Writer::<DeserializeGuard<K>>::default();
    let store = writer.as_reader();
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    let events =
        watcher(api, config).modify(|object| object.managed_fields_mut().clear()).default_backoff();
    let news = reflector::reflector(writer, events).filter_map(move |event| async move {
        match event {
            // Between `Init` and `InitDone` the store still shows what was there before.
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => None,
            Ok(_) => Some(News::Changed(kind)),
            Err(error) => Some(News::Failed(kind, service::error::with_sources(&error))),
        }
    });
    (store, news.boxed())
}

/// What the watch task remembers between bursts.
#[derive(Default)]
struct State {
    /// The classes that come with the product; a class of the same path in the namespace wins.
    shipped: Vec<DeviceClassSpec>,
    listed: HashSet<Kind>,
    failing: HashSet<Kind>,
    catalogue: Catalogue,
    /// Resolved devices by uid and resourceVersion, so that only what changed is resolved again.
    resolved: HashMap<(String, String), Arc<KnownDevice>>,
}

impl State {
    fn absorb(&mut self, burst: &[News], stores: &Stores, view: &View) {
        let mut changed = HashSet::new();
        for item in burst {
            match item {
                News::Changed(kind) => {
                    self.listed.insert(*kind);
                    self.failing.remove(kind);
                    changed.insert(*kind);
                }
                News::Failed(kind, error) => {
                    if self.failing.insert(*kind) {
                        tracing::warn!(?kind, error, "the registry cannot be watched");
                    }
                    view.failed(error.clone());
                }
            }
        }
        if changed.is_empty() {
            return;
        }
        let mut snapshot = (*view.snapshot()).clone();
        if changed.contains(&Kind::Classes) {
            let own = valid(&stores.classes).map(|class| class.spec);
            self.catalogue = Catalogue::new(self.shipped.iter().cloned().chain(own));
            self.resolved.clear();
        }
        if changed.contains(&Kind::Classes) || changed.contains(&Kind::Devices) {
            snapshot = snapshot.with_devices(self.index(&stores.devices));
        }
        if changed.contains(&Kind::Standalone) {
            let names = valid(&stores.standalone).map(|pv| pv.spec.pv_name).collect();
            snapshot = snapshot.with_standalone(names);
        }
        if changed.contains(&Kind::Locks) {
            let table = valid(&stores.locks)
                .find(|locks| locks.name_any() == device_locks::OBJECT_NAME)
                .map(|locks| locks.spec)
                .unwrap_or_default();
            snapshot = snapshot.with_locks(table);
        }
        view.publish(snapshot);
        if self.failing.is_empty() && KINDS.iter().all(|kind| self.listed.contains(kind)) {
            view.follows();
        }
    }

    fn index(&mut self, store: &Store<DeserializeGuard<Device>>) -> DeviceIndex {
        let mut devices: Vec<Device> = valid(store).collect();
        // Of several objects with one name only its owner is the device.
        let owners = claims::device_owners(&devices);
        devices.retain(|device| {
            let owner = owners.get(&device.spec.name);
            owner.is_some_and(|owner| Some(&owner.uid) == device.metadata.uid.as_ref())
        });
        let resolved: HashMap<_, _> = devices
            .iter()
            .map(|device| {
                let key = (
                    device.uid().unwrap_or_default(),
                    device.resource_version().unwrap_or_default(),
                );
                let known = self
                    .resolved
                    .remove(&key)
                    .unwrap_or_else(|| Arc::new(KnownDevice::new(device, &self.catalogue)));
                (key, known)
            })
            .collect();
        self.resolved = resolved;
        DeviceIndex::new(self.resolved.values().cloned())
    }
}

/// The objects that can be read. One that cannot be read is reported by the operator; it must not
/// hide the others.
fn valid<K>(store: &Store<DeserializeGuard<K>>) -> impl Iterator<Item = K> + use<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.state().into_iter().filter_map(|object| object.0.as_ref().ok().cloned())
}
