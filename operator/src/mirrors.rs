//! What the controllers know of objects other than their own: one mirror a kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::device_locks::{DeviceLocksSpec, OBJECT_NAME};
use crds::resolve::Catalogue;
use crds::{Device, DeviceClass, DeviceLocks, ProcessVariable, Queue};
use k8s_openapi::api::core::v1::Pod;
use kube::core::DeserializeGuard;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use tokio::sync::watch;

use crate::beamline::names::COMPONENT;
use crate::controllers::made_by_us;
use crate::index::{self, Claims, Index};
use crate::mirror::{Mirrored, follow, watch_config};
use crate::pods::{Trouble, trouble};
use crate::progress::{Board, Progress};
use crate::scope::{Namespaced, Scope};
use crate::tasks::Tasks;

/// Which queues run a plan now.
pub(crate) type BusyQueues = BTreeMap<String, bool>;

/// Why pods do not come up, by the part of a beamline that they are of.
pub(crate) type Troubles = BTreeMap<String, Trouble>;

/// What the controllers know of other objects.
pub(crate) struct Mirrors {
    /// The device classes.
    pub(crate) catalogue: Mirrored<Catalogue>,
    /// The devices.
    pub(crate) devices: Arc<Index>,
    /// The standalone PVs.
    pub(crate) pvs: Arc<Index>,
    /// Which plan holds which device.
    pub(crate) locks: Mirrored<DeviceLocksSpec>,
    /// Whether the queues run a plan.
    pub(crate) queues: Mirrored<BusyQueues>,
    /// Why pods do not come up; none on one machine, which has no pods.
    pub(crate) troubles: Option<Mirrored<Troubles>>,
}

impl Mirrors {
    /// Starts to follow all kinds.
    pub(crate) fn start(
        tasks: &mut Tasks,
        client: &Client,
        scope: &Scope,
        board: &Board,
        pods: bool,
    ) -> Self {
        let mut at = Start { tasks, client, scope, board };
        Self {
            catalogue: at.mirror::<DeviceClass, _>("class watch", |all| {
                Catalogue::new(valid(all).map(|class| class.spec.clone()))
            }),
            devices: at.index::<Device>("device watch"),
            pvs: at.index::<ProcessVariable>("process variable watch"),
            locks: at.mirror("lock watch", |all| {
                valid::<DeviceLocks>(all)
                    .find(|table| table.name_any() == OBJECT_NAME)
                    .map(|table| table.spec.clone())
                    .unwrap_or_default()
            }),
            queues: at.mirror("queue watch", |all| {
                valid::<Queue>(all).map(|queue| (queue.name_any(), is_busy(queue))).collect()
            }),
            // What it tells comes a few minutes later from the Deployments as well.
            troubles: pods.then(|| {
                let progress = board.watch_aside("pod watch");
                at.mirror_of("pod watch", progress, made_by_us(), troubles)
            }),
        }
    }
}

/// The worst of each part, if any.
fn troubles(pods: &[Arc<DeserializeGuard<Pod>>]) -> Troubles {
    let mut troubles = Troubles::new();
    for pod in valid(pods).filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let part = pod.labels().get(COMPONENT).cloned();
        let found = pod.status.as_ref().and_then(trouble);
        if let (Some(part), Some(found)) = (part, found) {
            let worst = troubles.entry(part).or_insert_with(|| found.clone());
            *worst = found.min(worst.clone());
        }
    }
    troubles
}

/// Whether the queue runs a plan, or holds one that is paused.
pub(crate) fn is_busy(queue: &Queue) -> bool {
    const BUSY: [&str; 4] = ["starting_queue", "executing_queue", "executing_task", "paused"];
    let state = queue.status.as_ref().and_then(|status| status.manager_state.as_deref());
    state.is_some_and(|state| BUSY.contains(&state))
}

fn valid<K>(all: &[Arc<DeserializeGuard<K>>]) -> impl Iterator<Item = &K> {
    all.iter().filter_map(|object| object.0.as_ref().ok())
}

struct Start<'a> {
    tasks: &'a mut Tasks,
    client: &'a Client,
    scope: &'a Scope,
    board: &'a Board,
}

impl Start<'_> {
    fn index<K>(&mut self, name: &'static str) -> Arc<Index>
    where
        K: Claims,
    {
        let index = Arc::new(Index::default());
        let (progress, stop) = (self.board.watch(name), self.tasks.stop());
        let follow = index::follow::<K>(self.scope.api(self.client), index.clone(), progress, stop);
        self.tasks.own(name, follow);
        index
    }

    fn mirror<K, T>(
        &mut self,
        name: &'static str,
        boil_down: fn(&[Arc<DeserializeGuard<K>>]) -> T,
    ) -> Mirrored<T>
    where
        K: Namespaced,
        T: PartialEq + Send + Sync + 'static,
    {
        self.mirror_of(name, self.board.watch(name), watch_config(), boil_down)
    }

    fn mirror_of<K, T>(
        &mut self,
        name: &'static str,
        progress: Progress,
        config: watcher::Config,
        boil_down: fn(&[Arc<DeserializeGuard<K>>]) -> T,
    ) -> Mirrored<T>
    where
        K: Namespaced,
        T: PartialEq + Send + Sync + 'static,
    {
        let (publish, mirrored) = watch::channel(None);
        let stop = self.tasks.stop();
        let api = self.scope.api(self.client);
        self.tasks.own(name, follow((api, config), publish, boil_down, progress, stop));
        mirrored
    }
}
