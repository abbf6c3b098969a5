//! The operator as a whole: its mirrors and controllers, each an owned task. When one ends early,
//! all end.

use std::sync::Arc;

use crds::claims::{Owners, device_owners, pv_owners};
use crds::device_locks::{DeviceLocksSpec, OBJECT_NAME};
use crds::resolve::Catalogue;
use crds::{Device, DeviceClass, DeviceLocks, ProcessVariable};
use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::{Client, ResourceExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::controller;
use crate::device::Devices;
use crate::error::RunError;
use crate::launch::Launcher;
use crate::launch::process::ProcessLauncher;
use crate::mirror::{Mirrored, filled, follow};
use crate::plan_worker::PlanWorkers;
use crate::process_variable::ProcessVariables;
use crate::settings::Settings;

/// Runs the operator for `namespace` until `shutdown`, with workers as child processes. Returns
/// when the last of them is gone.
///
/// # Errors
/// When a part of the operator ends by itself; everything else is ended first.
pub async fn run(
    settings: Settings,
    client: Client,
    namespace: &str,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let launcher = Arc::new(ProcessLauncher::new(&settings));
    run_with(launcher, client, namespace, shutdown).await
}

/// As [`run`], with workers wherever `launcher` puts them.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    launcher: Arc<dyn Launcher>,
    client: Client,
    namespace: &str,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    // A part that ends early must end the others, but is not a wish of the caller to shut down
    // everything else of his.
    let stop = shutdown.child_token();
    let mut tasks = Tasks { set: JoinSet::new(), stop: stop.clone() };
    let mirrors = Mirrors::start(&mut tasks, &client, namespace);
    tasks.controllers(mirrors, &client, namespace, &launcher);
    let outcome = tasks.supervise().await;
    launcher.stop_all().await;
    PlanWorkers { context: Context::new(&client, namespace), launcher }.farewell().await;
    outcome
}

struct Tasks {
    set: JoinSet<&'static str>,
    stop: CancellationToken,
}

impl Tasks {
    /// Owns `task` under the name by which its early end is reported.
    fn own(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.set.spawn(async move {
            task.await;
            name
        });
    }

    /// Waits for all tasks; the first that ends or crashes before it was asked to ends the others.
    async fn supervise(mut self) -> Result<(), RunError> {
        let mut outcome = Ok(());
        while let Some(ended) = self.set.join_next().await {
            let early = match ended {
                Ok(_) if self.stop.is_cancelled() => continue,
                Ok(name) => RunError::EndedEarly(name),
                Err(error) => RunError::Crashed(error),
            };
            self.stop.cancel();
            outcome = outcome.and(Err(early));
        }
        outcome
    }

    fn controllers(
        &mut self,
        mirrors: Mirrors,
        client: &Client,
        namespace: &str,
        launcher: &Arc<dyn Launcher>,
    ) {
        let Mirrors { catalogue, device_owners, pv_owners, locks } = mirrors;
        let stop = self.stop.clone();
        let devices = Devices {
            context: Context::new(client, namespace),
            catalogue,
            owners: device_owners,
            locks,
        };
        self.own("device controller", async move {
            // Judging devices before all else is known would call every class unknown for a moment.
            if filled(&devices.catalogue, &stop).await
                && filled(&devices.owners, &stop).await
                && filled(&devices.locks, &stop).await
            {
                let again = futures::stream::select_all([
                    on_change(&devices.catalogue),
                    on_change(&devices.owners),
                    on_change(&devices.locks),
                ]);
                controller::run(devices, again, stop).await;
            }
        });
        let stop = self.stop.clone();
        let pvs = ProcessVariables { context: Context::new(client, namespace), owners: pv_owners };
        self.own("process variable controller", async move {
            if filled(&pvs.owners, &stop).await {
                let again = on_change(&pvs.owners);
                controller::run(pvs, again, stop).await;
            }
        });
        let stop = self.stop.clone();
        let workers =
            PlanWorkers { context: Context::new(client, namespace), launcher: launcher.clone() };
        let again = WatchStream::from_changes(launcher.changes()).map(|_| ());
        self.own("plan worker controller", controller::run(workers, again, stop));
    }
}

/// A stream that ticks when the mirror has a new value.
fn on_change<T: Send + Sync + 'static>(
    mirror: &Mirrored<T>,
) -> futures::stream::BoxStream<'static, ()> {
    WatchStream::from_changes(mirror.clone()).map(|_| ()).boxed()
}

/// What the controllers know of other objects.
struct Mirrors {
    catalogue: Mirrored<Catalogue>,
    device_owners: Mirrored<Owners>,
    pv_owners: Mirrored<Owners>,
    locks: Mirrored<DeviceLocksSpec>,
}

impl Mirrors {
    fn start(tasks: &mut Tasks, client: &Client, namespace: &str) -> Self {
        Self {
            catalogue: mirror::<DeviceClass, _>(tasks, "class watch", client, namespace, |all| {
                Catalogue::new(valid(all).map(|class| class.spec.clone()))
            }),
            device_owners: mirror(tasks, "device watch", client, namespace, |all| {
                device_owners(valid::<Device>(all))
            }),
            pv_owners: mirror(tasks, "process variable watch", client, namespace, |all| {
                pv_owners(valid::<ProcessVariable>(all))
            }),
            locks: mirror(tasks, "lock watch", client, namespace, |all| {
                valid::<DeviceLocks>(all)
                    .find(|table| table.name_any() == OBJECT_NAME)
                    .map(|table| table.spec.clone())
                    .unwrap_or_default()
            }),
        }
    }
}

fn valid<K>(all: &[Arc<DeserializeGuard<K>>]) -> impl Iterator<Item = &K> {
    all.iter().filter_map(|object| object.0.as_ref().ok())
}

fn mirror<K, T>(
    tasks: &mut Tasks,
    name: &'static str,
    client: &Client,
    namespace: &str,
    boil_down: fn(&[Arc<DeserializeGuard<K>>]) -> T,
) -> Mirrored<T>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
    T: PartialEq + Send + Sync + 'static,
{
    let (publish, mirrored) = watch::channel(None);
    let (client, namespace, stop) = (client.clone(), namespace.to_owned(), tasks.stop.clone());
    tasks.own(name, async move {
        follow(client, &namespace, &publish, boil_down, stop).await;
    });
    mirrored
}
