//! Keeps the [`View`] equal to the resources: one watch each on devices, classes, standalone PVs
//! and the lock table.
//!
//! Each event changes what it concerns and no more; what arrived together is published together.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::time::Duration;

use crds::{Device, DeviceClass, DeviceClassSpec, DeviceLocks, ProcessVariable, device_locks};
use futures::StreamExt;
use futures::stream::{BoxStream, select_all};
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::registry::View;
use crate::registry::objects::Objects;
use crate::registry::state::State;
use crate::registry::subject::Carrier;

/// Most events that are taken together before readers see them.
const BURST: usize = 256;
/// Seconds after which a watch is renewed, so that a half-dead connection is noticed.
const WATCH_SECONDS: u32 = 180;
/// How often lapsed conditions of the watches are looked at when nothing arrives.
const IDLE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Devices,
    Classes,
    Standalone,
    Locks,
}

const KINDS: [Kind; 4] = [Kind::Devices, Kind::Classes, Kind::Standalone, Kind::Locks];

/// What happened to the objects of one kind.
#[derive(Debug)]
enum Step<K> {
    /// A complete list begins to come in.
    Listing,
    /// An object of the list.
    Listed(K),
    /// The list is complete: what is not on it does not exist.
    Complete,
    /// An object is new or changed.
    Applied(K),
    /// There is no object of that `metadata.name`, or none that can be read.
    Gone(String),
    /// The API did not answer.
    Failed(String),
}

/// What a watch says.
#[derive(Debug)]
enum News {
    Device(Box<Step<Device>>),
    Class(Step<DeviceClass>),
    Pv(Step<ProcessVariable>),
    Locks(Step<DeviceLocks>),
}

/// How one kind goes into the registry.
trait Followed:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    const KIND: Kind;

    fn apply(self, state: &mut State, objects: &Objects);
    fn gone(object: &str, state: &mut State, objects: &Objects);
    fn retain(listed: &HashSet<String>, state: &mut State, objects: &Objects);
}

/// The watches on one namespace.
pub(crate) struct Watches {
    objects: Objects,
    news: BoxStream<'static, News>,
}

impl Watches {
    /// Watches on `namespace`. Nothing is asked before they are followed.
    pub(crate) fn new(client: &Client, namespace: &str) -> Self {
        let news = select_all([
            watched(client, namespace).map(|step| News::Device(Box::new(step))).boxed(),
            watched(client, namespace).map(News::Class).boxed(),
            watched(client, namespace).map(News::Pv).boxed(),
            watched(client, namespace).map(News::Locks).boxed(),
        ]);
        Self { objects: Objects::default(), news: news.boxed() }
    }

    /// The status of the objects as it was last seen.
    pub(crate) fn objects(&self) -> Objects {
        self.objects.clone()
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
        let Self { objects, news } = self;
        let mut news = news.ready_chunks(BURST);
        let mut mirror = Mirror::new(State::new(shipped), objects);
        loop {
            let burst = tokio::select! {
                () = shutdown.cancelled() => return,
                burst = news.next() => burst,
                () = tokio::time::sleep(IDLE) => continue,
            };
            let Some(burst) = burst else { return };
            mirror.absorb(burst, &view);
        }
    }
}

/// What happens to the objects of one kind.
fn watched<K: Followed>(client: &Client, namespace: &str) -> BoxStream<'static, Step<K>> {
    let api: Api<DeserializeGuard<K>> = Api::namespaced(client.clone(), namespace);
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    let events = watcher(api, config).backoff(service::watch::backoff());
    events.filter_map(async |event| step(event)).boxed()
}

/// None for an object of a list that cannot be read. The operator reports it; it must not hide the others.
fn step<K: Followed>(
    event: watcher::Result<watcher::Event<DeserializeGuard<K>>>,
) -> Option<Step<K>> {
    Some(match event {
        Ok(watcher::Event::Init) => Step::Listing,
        Ok(watcher::Event::InitApply(object)) => Step::Listed(object.0.ok()?),
        Ok(watcher::Event::InitDone) => Step::Complete,
        Ok(watcher::Event::Apply(object)) => {
            let name = object.name_any();
            object.0.map_or(Step::Gone(name), Step::Applied)
        }
        Ok(watcher::Event::Delete(object)) => Step::Gone(object.name_any()),
        Err(error) => Step::Failed(service::error::with_sources(&error)),
    })
}

/// What the watch task remembers between bursts.
struct Mirror {
    state: State,
    objects: Objects,
    /// The objects on the lists that are coming in.
    listing: HashMap<Kind, HashSet<String>>,
    complete: HashSet<Kind>,
    failing: HashSet<Kind>,
}

impl Mirror {
    fn new(state: State, objects: Objects) -> Self {
        let (listing, complete, failing) = Default::default();
        Self { state, objects, listing, complete, failing }
    }

    fn absorb(&mut self, burst: Vec<News>, view: &View) {
        for news in burst {
            match news {
                News::Device(step) => self.take(*step, view),
                News::Class(step) => self.take(step, view),
                News::Pv(step) => self.take(step, view),
                News::Locks(step) => self.take(step, view),
            }
        }
        // Before that the registry would be one that never was.
        if self.complete.len() < KINDS.len() {
            return;
        }
        view.publish(self.state.snapshot().clone());
        if self.failing.is_empty() {
            view.follows();
        }
    }

    fn take<K: Followed>(&mut self, step: Step<K>, view: &View) {
        if !matches!(step, Step::Failed(_) | Step::Listing | Step::Listed(_)) {
            self.failing.remove(&K::KIND);
        }
        match step {
            Step::Listing => drop(self.listing.insert(K::KIND, HashSet::new())),
            Step::Listed(object) => {
                self.listing.entry(K::KIND).or_default().insert(object.name_any());
                object.apply(&mut self.state, &self.objects);
            }
            Step::Complete => {
                let listed = self.listing.remove(&K::KIND).unwrap_or_default();
                K::retain(&listed, &mut self.state, &self.objects);
                self.complete.insert(K::KIND);
            }
            Step::Applied(object) => object.apply(&mut self.state, &self.objects),
            Step::Gone(object) => K::gone(&object, &mut self.state, &self.objects),
            Step::Failed(error) => {
                if self.failing.insert(K::KIND) {
                    tracing::warn!(kind = ?K::KIND, error, "the registry cannot be watched");
                }
                view.failed(error);
            }
        }
    }
}

impl Followed for Device {
    const KIND: Kind = Kind::Devices;

    fn apply(self, state: &mut State, objects: &Objects) {
        let conditions = self.status.as_ref().map(|status| status.conditions.clone());
        objects.seen(Carrier::Device, &self, conditions);
        state.apply_device(self);
    }

    fn gone(object: &str, state: &mut State, objects: &Objects) {
        objects.gone(Carrier::Device, object);
        state.delete_device(object);
    }

    fn retain(listed: &HashSet<String>, state: &mut State, objects: &Objects) {
        objects.retain(Carrier::Device, listed);
        state.retain_devices(listed);
    }
}

impl Followed for ProcessVariable {
    const KIND: Kind = Kind::Standalone;

    fn apply(self, state: &mut State, objects: &Objects) {
        let conditions = self.status.as_ref().map(|status| status.conditions.clone());
        objects.seen(Carrier::ProcessVariable, &self, conditions);
        state.apply_pv(self);
    }

    fn gone(object: &str, state: &mut State, objects: &Objects) {
        objects.gone(Carrier::ProcessVariable, object);
        state.delete_pv(object);
    }

    fn retain(listed: &HashSet<String>, state: &mut State, objects: &Objects) {
        objects.retain(Carrier::ProcessVariable, listed);
        state.retain_pvs(listed);
    }
}

impl Followed for DeviceClass {
    const KIND: Kind = Kind::Classes;

    fn apply(self, state: &mut State, _: &Objects) {
        state.apply_class(self.name_any(), self.spec);
    }

    fn gone(object: &str, state: &mut State, _: &Objects) {
        state.delete_class(object);
    }

    fn retain(listed: &HashSet<String>, state: &mut State, _: &Objects) {
        state.retain_classes(listed);
    }
}

/// The lock table is one object; without it nothing is locked.
impl Followed for DeviceLocks {
    const KIND: Kind = Kind::Locks;

    fn apply(self, state: &mut State, _: &Objects) {
        if self.name_any() == device_locks::OBJECT_NAME {
            state.set_locks(self.spec);
        }
    }

    fn gone(object: &str, state: &mut State, _: &Objects) {
        if object == device_locks::OBJECT_NAME {
            state.set_locks(crds::DeviceLocksSpec::default());
        }
    }

    fn retain(listed: &HashSet<String>, state: &mut State, objects: &Objects) {
        if !listed.contains(device_locks::OBJECT_NAME) {
            Self::gone(device_locks::OBJECT_NAME, state, objects);
        }
    }
}
