//! Keeps the [`View`] equal to the resources: one watch each on devices, classes, standalone PVs
//! and the lock table.
//!
//! State is rebuilt from the stores, never from single events, and once for a whole burst of them. What others write into the
//! status of ten thousand devices changes nothing here, and costs no more than looking.

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
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::registry::objects::Objects;
use crate::registry::snapshot::DeviceIndex;
use crate::registry::subject::Subject;
use crate::registry::{KnownDevice, View};

/// Most events that are taken together before the snapshot is rebuilt: a whole beamline's worth of
/// applied manifests.
const BURST: usize = 4096;
/// Seconds after which a watch is renewed, so that a half-dead connection is noticed.
const WATCH_SECONDS: u32 = 180;
/// After the snapshot was rebuilt, news are gathered for as long as that took, but no longer than
/// this: while thousands of devices are applied, a rebuild for each would never catch up.
const LONGEST_REST: Duration = Duration::from_secs(2);
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

/// The watches on one namespace.
pub(crate) struct Watches {
    namespace: String,
    stores: Stores,
    news: BoxStream<'static, News>,
}

impl Watches {
    /// Watches on `namespace`. Nothing is asked before they are followed.
    pub(crate) fn new(client: &Client, namespace: &str) -> Self {
        let (devices, device_news) = watched(client, namespace, Kind::Devices);
        let (classes, class_news) = watched(client, namespace, Kind::Classes);
        let (standalone, standalone_news) = watched(client, namespace, Kind::Standalone);
        let (locks, lock_news) = watched(client, namespace, Kind::Locks);
        let stores = Stores { devices, classes, standalone, locks };
        let news = select_all([device_news, class_news, standalone_news, lock_news]).boxed();
        Self { namespace: namespace.to_owned(), stores, news }
    }

    /// The objects as they were last seen.
    pub(crate) fn objects(&self) -> Objects {
        Objects {
            namespace: self.namespace.clone(),
            devices: self.stores.devices.clone(),
            standalone: self.stores.standalone.clone(),
        }
    }

    /// Keeps `view` equal to the resources until `shutdown`, with the `shipped` classes beneath
    /// those of the namespace. Never fails: an API that does not answer is asked again, with
    /// backoff.
    pub(crate) async fn follow(
        self,
        shipped: Vec<DeviceClassSpec>,
        view: View,
        shutdown: CancellationToken,
    ) {
        let Self { stores, news, .. } = self;
        let mut news = news.ready_chunks(BURST);
        let mut state = State { shipped, ..State::default() };
        let mut rested = Instant::now();
        loop {
            let burst = tokio::select! {
                () = shutdown.cancelled() => return,
                burst = news.next() => burst,
                () = tokio::time::sleep(IDLE) => continue,
            };
            let Some(mut burst) = burst else { return };
            while Instant::now() < rested {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = sleep_until(rested) => {}
                    more = news.next() => burst.extend(more.into_iter().flatten()),
                }
            }
            let started = Instant::now();
            state.absorb(&burst, &stores, &view);
            rested = Instant::now() + started.elapsed().min(LONGEST_REST);
        }
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
    /// Resolved devices, so that only what changed is resolved again.
    resolved: HashMap<Version, Arc<KnownDevice>>,
}

/// A device, and everything of its object that changes what it is: its uid, its generation, and
/// whether it is switched on.
type Version = (String, Option<i64>, bool);

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
            let objects = stores.classes.state();
            let own = valid(&objects).map(|class| class.spec.clone());
            self.catalogue = Catalogue::new(self.shipped.iter().cloned().chain(own));
            self.resolved.clear();
        }
        if (changed.contains(&Kind::Classes) || changed.contains(&Kind::Devices))
            && let Some(index) = self.index(&stores.devices.state())
        {
            snapshot = snapshot.with_devices(index);
        }
        if changed.contains(&Kind::Standalone) {
            snapshot = snapshot.with_standalone(standalone(&stores.standalone.state()));
        }
        if changed.contains(&Kind::Locks) {
            let objects = stores.locks.state();
            let table = valid(&objects)
                .find(|locks| locks.name_any() == device_locks::OBJECT_NAME)
                .map(|locks| locks.spec.clone())
                .unwrap_or_default();
            snapshot = snapshot.with_locks(table);
        }
        view.publish(snapshot);
        if self.failing.is_empty() && KINDS.iter().all(|kind| self.listed.contains(kind)) {
            view.follows();
        }
    }

    /// The devices; none when they are the same as before.
    fn index(&mut self, objects: &[Arc<DeserializeGuard<Device>>]) -> Option<DeviceIndex> {
        // Of several objects with one name only its owner is the device.
        let owners = claims::device_owners(valid(objects));
        let mut changed = false;
        let mut before = std::mem::take(&mut self.resolved);
        for device in valid(objects) {
            let uid = device.uid().unwrap_or_default();
            if owners.get(&device.spec.name).is_none_or(|owner| owner.uid != uid) {
                continue;
            }
            let version = (uid, device.metadata.generation, device.is_active());
            let known = before.remove(&version).unwrap_or_else(|| {
                changed = true;
                Arc::new(KnownDevice::new(device, &self.catalogue))
            });
            self.resolved.insert(version, known);
        }
        let differs = changed || !before.is_empty();
        differs.then(|| DeviceIndex::new(self.resolved.values().cloned()))
    }
}

/// The standalone PVs by name. Of several objects with one name only its owner counts.
fn standalone(
    objects: &[Arc<DeserializeGuard<ProcessVariable>>],
) -> Vec<(String, Option<Arc<Subject>>)> {
    let owners = claims::pv_owners(valid(objects));
    let is_owner = |pv: &&ProcessVariable| {
        owners.get(&pv.spec.pv_name).is_some_and(|owner| Some(&owner.uid) == pv.uid().as_ref())
    };
    valid(objects)
        .filter(is_owner)
        .map(|pv| (pv.spec.pv_name.clone(), Subject::of_pv(pv).map(Arc::new)))
        .collect()
}

/// The objects that can be read. One that cannot be read is reported by the operator; it must not
/// hide the others.
fn valid<K>(objects: &[Arc<DeserializeGuard<K>>]) -> impl Iterator<Item = &K> {
    objects.iter().filter_map(|object| object.0.as_ref().ok())
}
