//! Which controllers there are, and what besides its own objects wakes each.

use std::sync::Arc;
use std::time::Duration;

use crds::Beamline;
use futures::StreamExt;
use futures::stream::select_all;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::runtime::watcher;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio_stream::wrappers::WatchStream;

use crate::beamline::names::MANAGED_BY;
use crate::beamline::{Beamlines, Cluster};
use crate::context::{Context, MANAGER};
use crate::controller::{self, Queue};
use crate::device::Devices;
use crate::launch::Launcher;
use crate::mirror::{filled, on_change, watch_config};
use crate::mirrors::Mirrors;
use crate::plan_worker::PlanWorkers;
use crate::process_variable::ProcessVariables;
use crate::progress::Board;
use crate::scope::Scope;
use crate::tasks::Tasks;

/// Pause between two looks at all devices, or all PVs, because others changed. While thousands are
/// imported, this is what the operator spends its time on.
const PAUSE: Duration = Duration::from_millis(500);
/// Pause between two counts of devices in the status of a beamline: it is written each time.
const COUNT_PAUSE: Duration = Duration::from_secs(5);

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
        let Mirrors { catalogue, devices: index, pv_owners, locks, queues } = mirrors;
        let makes_pods = cluster.is_some();
        let watches = Watches { client: client.clone(), scope: scope.clone() };

        let (stop, board_) = (tasks.stop(), board.clone());
        let devices = Devices {
            context: Context::new(client, scope),
            catalogue,
            index: index.clone(),
            locks,
        };
        tasks.own("device controller", async move {
            // Judging devices before all else is known would call every class unknown for a moment.
            if filled(&devices.catalogue, &stop).await
                && filled(&devices.index, &stop).await
                && filled(&devices.locks, &stop).await
            {
                let again = select_all([
                    on_change(&devices.catalogue, PAUSE),
                    on_change(&devices.index, PAUSE),
                    on_change(&devices.locks, Duration::ZERO),
                ]);
                let wake = |queue: Queue<_>| queue.reconcile_all_on(again);
                controller::run(devices, wake, board_, stop).await;
            }
        });

        let (stop, board_) = (tasks.stop(), board.clone());
        let pvs = ProcessVariables { context: Context::new(client, scope), owners: pv_owners };
        tasks.own("process variable controller", async move {
            if filled(&pvs.owners, &stop).await {
                let again = on_change(&pvs.owners, PAUSE);
                let wake = |queue: Queue<_>| queue.reconcile_all_on(again);
                controller::run(pvs, wake, board_, stop).await;
            }
        });

        let (stop, board_) = (tasks.stop(), board.clone());
        let beamlines =
            Beamlines { context: Context::new(client, scope), devices: index.clone(), cluster };
        let around = watches.clone();
        tasks.own("beamline controller", async move {
            if filled(&beamlines.devices, &stop).await {
                let again = select_all([
                    on_change(&index, COUNT_PAUSE),
                    on_change(&queues, Duration::ZERO),
                ]);
                let wake = |queue: Queue<Beamline>| {
                    let queue = queue.reconcile_all_on(again);
                    if makes_pods { around.children(queue) } else { queue }
                };
                controller::run(beamlines, wake, board_, stop).await;
            }
        });

        let again = WatchStream::from_changes(launcher.changes()).map(|_| ());
        let workers = PlanWorkers { context: Context::new(client, scope), launcher };
        let wake = move |queue: Queue<_>| {
            let queue = queue.reconcile_all_on(again);
            if makes_pods { watches.owned::<Pod, _>(queue) } else { queue }
        };
        let run = controller::run(workers, wake, board.clone(), tasks.stop());
        tasks.own("plan worker controller", run);
    }
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
        C: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Send
            + 'static,
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync,
        K: 'static,
    {
        queue.owns(self.scope.api::<C>(&self.client), made_by_us())
    }
}

fn made_by_us() -> watcher::Config {
    watch_config().labels(&format!("{MANAGED_BY}={MANAGER}"))
}
