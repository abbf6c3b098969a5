//! Feeds the index: one watch for each kind, for as long as the service runs.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;

use crds::{Device, DeviceClass, DeviceClassSpec, DeviceLocks, ProcessVariable, device_locks};
use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::registry::Registry;

/// A watch is renewed this often; a connection that died silently is noticed by then.
const WATCH_SECONDS: u32 = 190;
/// Reason of `/ready` until everything was listed once.
const NOT_LOADED: &str = "registry not loaded";

/// How one kind goes into the index.
trait Feed: Send + 'static {
    type Object;

    /// What is remembered while a complete list comes in, page by page.
    type List: Default + Send;

    /// Name of the part in `/ready`.
    const PART: &'static str;

    fn listed(registry: &Registry, list: &mut Self::List, object: Self::Object);
    /// The list is complete: what is not on it does not exist.
    fn complete(registry: &Registry, list: Self::List);
    fn apply(registry: &Registry, object: Self::Object);
    fn delete(registry: &Registry, object: &str);
}

/// Marks everything as not yet known. The watches then report what they have.
pub(crate) fn announce(registry: &Registry) {
    for part in [Devices::PART, Classes::PART, Pvs::PART, Locks::PART] {
        registry.readiness.not_ready(part, NOT_LOADED);
    }
}

/// Starts the watches.
pub(crate) fn start(
    registry: &Arc<Registry>,
    client: &Client,
    namespace: &str,
    tasks: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) {
    fn one<F>(
        registry: &Arc<Registry>,
        client: &Client,
        namespace: &str,
        tasks: &mut JoinSet<()>,
        shutdown: &CancellationToken,
    ) where
        F: Feed,
        F::Object: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let api = Api::namespaced(client.clone(), namespace);
        tasks.spawn(follow::<F>(api, Arc::clone(registry), shutdown.clone()));
    }
    one::<Classes>(registry, client, namespace, tasks, shutdown);
    one::<Devices>(registry, client, namespace, tasks, shutdown);
    one::<Pvs>(registry, client, namespace, tasks, shutdown);
    one::<Locks>(registry, client, namespace, tasks, shutdown);
}

async fn follow<F>(
    api: Api<DeserializeGuard<F::Object>>,
    registry: Arc<Registry>,
    shutdown: CancellationToken,
) where
    F: Feed,
    F::Object: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    let mut events = pin!(watch_objects(api, config).backoff(service::watch::backoff()));
    let mut list = F::List::default();
    loop {
        let event = tokio::select! {
            () = shutdown.cancelled() => return,
            event = events.next() => event,
        };
        match event {
            Some(Ok(Event::Init)) => list = F::List::default(),
            Some(Ok(Event::InitApply(object))) => {
                if let Some(object) = readable::<F>(object) {
                    F::listed(&registry, &mut list, object);
                }
            }
            Some(Ok(Event::InitDone)) => {
                F::complete(&registry, std::mem::take(&mut list));
                registry.readiness.ready(F::PART);
                registry.update(|_| Vec::new());
            }
            Some(Ok(Event::Apply(object))) => {
                let name = object.name_any();
                match readable::<F>(object) {
                    Some(object) => F::apply(&registry, object),
                    None => F::delete(&registry, &name),
                }
            }
            Some(Ok(Event::Delete(object))) => F::delete(&registry, &object.name_any()),
            Some(Err(error)) => {
                metrics::counter!("registry_watch_errors_total", "kind" => F::PART).increment(1);
                tracing::warn!(%error, kind = F::PART, "a watch failed and is tried again");
            }
            None => return,
        }
    }
}

/// The object, unless its spec cannot be read. One bad object must not stop the others.
fn readable<F: Feed>(object: DeserializeGuard<F::Object>) -> Option<F::Object> {
    match object.0 {
        Ok(object) => Some(object),
        Err(error) => {
            let name = error.metadata.name.as_deref().unwrap_or_default();
            tracing::warn!(kind = F::PART, name, %error, "ignoring an object that cannot be read");
            None
        }
    }
}

struct Devices;
struct Classes;
struct Pvs;
struct Locks;

impl Feed for Devices {
    type Object = Device;
    type List = HashSet<String>;

    const PART: &'static str = "devices";

    fn listed(registry: &Registry, list: &mut HashSet<String>, object: Device) {
        list.insert(object.name_any());
        Self::apply(registry, object);
    }

    fn complete(registry: &Registry, list: HashSet<String>) {
        registry.update(|index| index.retain_devices(&list));
    }

    fn apply(registry: &Registry, object: Device) {
        registry.update(|index| index.apply_device(object));
    }

    fn delete(registry: &Registry, object: &str) {
        registry.update(|index| index.delete_device(object));
    }
}

impl Feed for Classes {
    type Object = DeviceClass;
    type List = BTreeMap<String, DeviceClassSpec>;

    const PART: &'static str = "device classes";

    fn listed(_: &Registry, list: &mut Self::List, object: DeviceClass) {
        list.insert(object.name_any(), object.spec);
    }

    fn complete(registry: &Registry, list: Self::List) {
        registry.update(|index| index.replace_classes(list));
    }

    fn apply(registry: &Registry, object: DeviceClass) {
        registry.update(|index| index.apply_class(object.name_any(), object.spec));
    }

    fn delete(registry: &Registry, object: &str) {
        registry.update(|index| index.delete_class(object));
    }
}

impl Feed for Pvs {
    type Object = ProcessVariable;
    type List = HashSet<String>;

    const PART: &'static str = "process variables";

    fn listed(registry: &Registry, list: &mut HashSet<String>, object: ProcessVariable) {
        list.insert(object.name_any());
        Self::apply(registry, object);
    }

    fn complete(registry: &Registry, list: HashSet<String>) {
        registry.update(|index| {
            index.retain_pvs(&list);
            Vec::new()
        });
    }

    fn apply(registry: &Registry, object: ProcessVariable) {
        registry.update(|index| {
            index.apply_pv(object);
            Vec::new()
        });
    }

    fn delete(registry: &Registry, object: &str) {
        registry.update(|index| {
            index.delete_pv(object);
            Vec::new()
        });
    }
}

fn set_locks(registry: &Registry, locks: Option<DeviceLocks>) {
    registry.update(|index| {
        index.set_locks(locks);
        Vec::new()
    });
}

impl Feed for Locks {
    type Object = DeviceLocks;
    type List = Option<DeviceLocks>;

    const PART: &'static str = "locks";

    fn listed(_: &Registry, list: &mut Option<DeviceLocks>, object: DeviceLocks) {
        if object.name_any() == device_locks::OBJECT_NAME {
            *list = Some(object);
        }
    }

    fn complete(registry: &Registry, list: Option<DeviceLocks>) {
        set_locks(registry, list);
    }

    fn apply(registry: &Registry, object: DeviceLocks) {
        if object.name_any() == device_locks::OBJECT_NAME {
            set_locks(registry, Some(object));
        }
    }

    fn delete(registry: &Registry, object: &str) {
        if object == device_locks::OBJECT_NAME {
            set_locks(registry, None);
        }
    }
}
