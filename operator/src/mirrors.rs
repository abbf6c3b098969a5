//! What the controllers know of objects other than their own: one mirror a kind.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use crds::claims::{Owners, device_owners, pv_owners};
use crds::device_locks::{DeviceLocksSpec, OBJECT_NAME};
use crds::resolve::Catalogue;
use crds::{Device, DeviceClass, DeviceLocks, ProcessVariable, Queue};
use k8s_openapi::NamespaceResourceScope;
use kube::core::DeserializeGuard;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::mirror::{Mirrored, follow};
use crate::progress::Board;
use crate::scope::Scope;
use crate::tasks::Tasks;

/// What is known of the devices of a namespace.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct DeviceIndex {
    /// Who owns which device name.
    pub(crate) owners: Owners,
    /// Number of objects.
    pub(crate) count: usize,
}

/// Which queues run a plan now.
pub(crate) type BusyQueues = BTreeMap<String, bool>;

/// What the controllers know of other objects.
pub(crate) struct Mirrors {
    /// The device classes.
    pub(crate) catalogue: Mirrored<Catalogue>,
    /// The devices.
    pub(crate) devices: Mirrored<DeviceIndex>,
    /// Who owns which PV name.
    pub(crate) pv_owners: Mirrored<Owners>,
    /// Which plan holds which device.
    pub(crate) locks: Mirrored<DeviceLocksSpec>,
    /// Whether the queues run a plan.
    pub(crate) queues: Mirrored<BusyQueues>,
}

impl Mirrors {
    /// Starts to follow all kinds.
    pub(crate) fn start(tasks: &mut Tasks, client: &Client, scope: &Scope, board: &Board) -> Self {
        let mut at = Start { tasks, client, scope, board };
        Self {
            catalogue: at.mirror::<DeviceClass, _>("class watch", |all| {
                Catalogue::new(valid(all).map(|class| class.spec.clone()))
            }),
            devices: at.mirror("device watch", |all| DeviceIndex {
                owners: device_owners(valid::<Device>(all)),
                count: all.len(),
            }),
            pv_owners: at
                .mirror("process variable watch", |all| pv_owners(valid::<ProcessVariable>(all))),
            locks: at.mirror("lock watch", |all| {
                valid::<DeviceLocks>(all)
                    .find(|table| table.name_any() == OBJECT_NAME)
                    .map(|table| table.spec.clone())
                    .unwrap_or_default()
            }),
            queues: at.mirror("queue watch", |all| {
                valid::<Queue>(all).map(|queue| (queue.name_any(), is_busy(queue))).collect()
            }),
        }
    }
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
    fn mirror<K, T>(
        &mut self,
        name: &'static str,
        boil_down: fn(&[Arc<DeserializeGuard<K>>]) -> T,
    ) -> Mirrored<T>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
        T: PartialEq + Send + Sync + 'static,
    {
        let (publish, mirrored) = watch::channel(None);
        let (progress, stop) = (self.board.watch(name), self.tasks.stop());
        let api = self.scope.api(self.client);
        self.tasks.own(name, follow(api, publish, boil_down, progress, stop));
        mirrored
    }
}
