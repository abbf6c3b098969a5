//! Which controllers there are, and what besides its own objects wakes each.

use std::sync::Arc;
use std::time::Duration;

use crds::{Beamline, Device, PlanWorker};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, Resource};
use tokio_stream::wrappers::WatchStream;

use crate::beamline::names::MANAGED_BY;
use crate::beamline::{Beamlines, Cluster};
use crate::context::{Context, MANAGER};
use crate::controller::{self, Queue, Reference};
use crate::device::Devices;
use crate::device::affected::{self, Affected};
use crate::index::Object;
use crate::launch::Launcher;
use crate::mirror::{Change, changes, filled, watch_config};
use crate::mirrors::Mirrors;
use crate::plan_worker::PlanWorkers;
use crate::process_variable::ProcessVariables;
use crate::progress::Board;
use crate::scope::{Namespaced, Scope};
use crate::tasks::Tasks;

/// Pause between two looks at the devices of changed classes, of which many are applied in a row.
const CLASS_PAUSE: Duration = Duration::from_millis(500);
/// Pause between two looks at the lock table: a lock that is taken and given back within it is not
/// worth the two writes of a status.
const LOCK_PAUSE: Duration = Duration::from_millis(250);
/// Pause between two looks at the devices of a beamline, whose number its status tells: that is
/// written each time.
const SUMMARY_PAUSE: Duration = Duration::from_secs(5);

/// What the controllers are made of.
pub(crate) struct Parts<'a> {
    pub(crate) client: &'a Client,
    pub(crate) scope: &'a Scope,
    pub(crate) board: &'a Board,
    pub(crate) mirrors: Mirrors,
    pub(crate) launcher: Arc<dyn Launcher>,
    /// How pods are made; none on one machine.
    pub(crate) cluster: Option<Cluster>,
}

impl Parts<'_> {
    /// Starts all controllers.
    pub(crate) fn start(self, tasks: &mut Tasks) {
        let Self { client, scope, board, mirrors, launcher, cluster } = self;
        let Mirrors { catalogue, devices: index, pvs, locks, queues, troubles } = mirrors;
        let watches =
            cluster.is_some().then(|| Watches { client: client.clone(), scope: scope.clone() });

        let (stop, board_) = (tasks.stop(), board.clone());
        let devices = Devices {
            context: Context::new(client, scope),
            catalogue: catalogue.clone(),
            index: index.clone(),
            locks,
        };
        tasks.own("device controller", async move {
            // Judging devices before all else is known would call every class unknown for a moment.
            if filled(&devices.catalogue, &stop).await
                && devices.index.filled(&stop).await
                && filled(&devices.locks, &stop).await
            {
                let classes = changes(&devices.catalogue, CLASS_PAUSE);
                let locks = changes(&devices.locks, LOCK_PAUSE);
                let rivals = devices.index.objects.stream(Duration::ZERO);
                let wake = |queue: Queue<Device>| {
                    let store = queue.store();
                    queue
                        .woken_by(rivals.map(reference))
                        .woken_by(concerned(store.clone(), classes, affected::by_classes))
                        .woken_by(concerned(store, locks, affected::by_locks))
                };
                controller::run(devices, wake, board_, stop).await;
            }
        });

        let (stop, board_) = (tasks.stop(), board.clone());
        let pvs = ProcessVariables { context: Context::new(client, scope), index: pvs };
        tasks.own("process variable controller", async move {
            if pvs.index.filled(&stop).await {
                let rivals = pvs.index.objects.stream(Duration::ZERO);
                let wake = |queue: Queue<_>| queue.woken_by(rivals.map(reference));
                controller::run(pvs, wake, board_, stop).await;
            }
        });

        let (stop, board_) = (tasks.stop(), board.clone());
        let context = Context::new(client, scope);
        let beamlines = Beamlines { context, catalogue, devices: index, troubles, cluster };
        let around = watches.clone();
        tasks.own("beamline controller", async move {
            if beamlines.devices.filled(&stop).await && filled(&beamlines.catalogue, &stop).await {
                let summaries = beamlines.devices.summaries.stream(SUMMARY_PAUSE);
                let queues = namespaces(changes(&queues, Duration::ZERO));
                let classes = namespaces(changes(&beamlines.catalogue, CLASS_PAUSE));
                let troubles = beamlines.troubles.as_ref();
                let troubles = troubles.map(|all| namespaces(changes(all, Duration::ZERO)));
                let wake = |queue: Queue<Beamline>| {
                    let store = queue.store();
                    let queue = queue
                        .woken_by(those_in(store.clone(), summaries))
                        .woken_by(those_in(store.clone(), classes))
                        .woken_by(those_in(store.clone(), queues));
                    let queue = match troubles {
                        Some(troubles) => queue.woken_by(those_in(store, troubles)),
                        None => queue,
                    };
                    around.iter().fold(queue, |queue, around| around.children(queue))
                };
                controller::run(beamlines, wake, board_, stop).await;
            }
        });

        let again = WatchStream::from_changes(launcher.changes());
        let workers = PlanWorkers { context: Context::new(client, scope), launcher };
        let wake = move |queue: Queue<PlanWorker>| {
            let store = queue.store();
            let queue = queue.woken_by(again.flat_map(move |_| references(&store, |_| true)));
            watches.iter().fold(queue, |queue, around| around.owned::<Pod, _>(queue))
        };
        let run = controller::run(workers, wake, board.clone(), tasks.stop());
        tasks.own("plan worker controller", run);
    }
}

fn reference<K>((namespace, name): Object) -> Reference<K>
where
    DeserializeGuard<K>: Lookup<DynamicType = ()>,
{
    ObjectRef::new(&name).within(&namespace)
}

/// Those of `store` for whom `holds`.
fn references<K>(
    store: &Store<DeserializeGuard<K>>,
    holds: impl Fn(&DeserializeGuard<K>) -> bool,
) -> stream::Iter<std::vec::IntoIter<Reference<K>>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
    DeserializeGuard<K>: Lookup<DynamicType = ()>,
{
    let all = store.state();
    let found =
        all.iter().filter(|object| holds(object)).map(|object| ObjectRef::from_obj(&**object));
    stream::iter(found.collect::<Vec<_>>())
}

/// Those of `store` in the namespaces that `names` brings.
fn those_in<K>(
    store: Store<DeserializeGuard<K>>,
    names: impl Stream<Item = String> + Send + 'static,
) -> impl Stream<Item = Reference<K>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    DeserializeGuard<K>: Lookup<DynamicType = ()>,
{
    names.flat_map(move |name| {
        references(&store, |object| object.meta().namespace.as_deref() == Some(&*name))
    })
}

/// The namespaces in which a mirror changed.
fn namespaces<T: Default + PartialEq + Send + Sync + 'static>(
    changes: BoxStream<'static, Change<T>>,
) -> impl Stream<Item = String> + Send + 'static {
    changes.flat_map(|change| {
        let names = change.namespaces().into_iter().map(|(name, ..)| name);
        stream::iter(names.collect::<Vec<_>>())
    })
}

/// The devices of `store` that a change of a mirror concerns, as `affected` says.
fn concerned<T: Default + PartialEq + Send + Sync + 'static>(
    store: Store<DeserializeGuard<Device>>,
    changes: BoxStream<'static, Change<T>>,
    affected: fn(&T, &T) -> Affected,
) -> impl Stream<Item = Reference<Device>> + Send + 'static {
    changes.flat_map(move |change| {
        let of: Vec<_> = change
            .namespaces()
            .into_iter()
            .map(|(name, before, after)| (name, affected(&before, &after)))
            .collect();
        references(&store, |object| {
            let Ok(device) = &object.0 else { return false };
            of.iter().any(|(namespace, affected)| {
                device.metadata.namespace.as_ref() == Some(namespace) && affected.concerns(device)
            })
        })
    })
}

/// Watches of what the operator made.
#[derive(Clone)]
struct Watches {
    client: Client,
    scope: Scope,
}

impl Watches {
    fn children(&self, queue: Queue<Beamline>) -> Queue<Beamline> {
        let queue = self.owned::<Deployment, _>(queue);
        let queue = self.owned::<ConfigMap, _>(queue);
        let queue = self.owned::<Service, _>(queue);
        let queue = self.owned::<ServiceAccount, _>(queue);
        let queue = self.owned::<Role, _>(queue);
        let queue = self.owned::<RoleBinding, _>(queue);
        let queue = self.owned::<NetworkPolicy, _>(queue);
        self.owned::<PodDisruptionBudget, _>(queue)
    }

    /// Lets a change of an owned `C` wake its owner.
    fn owned<C, K>(&self, queue: Queue<K>) -> Queue<K>
    where
        C: Namespaced,
        K: Namespaced,
        DeserializeGuard<K>: Lookup<DynamicType = ()>,
    {
        queue.owns(self.scope.api::<PartialObjectMeta<C>>(&self.client), made_by_us())
    }
}

/// Whatever the operator made.
pub(crate) fn made_by_us() -> watcher::Config {
    watch_config().labels(&format!("{MANAGED_BY}={MANAGER}"))
}
