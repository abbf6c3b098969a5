//! Workers as pods. They outlive the operator: it finds them again by their names.

use async_trait::async_trait;
use crds::plan_worker::Engine;
use crds::{Beamline, PlanWorker};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod, PodStatus};
use kube::api::{Api, DeleteParams, ListParams, PostParams, Preconditions};
use kube::core::DeserializeGuard;
use kube::{Client, ResourceExt};
use tokio::sync::watch;

use super::{LaunchError, Launcher, Nature, Order, Phase};
use crate::beamline::{serving, validate, worker_pod};
use crate::error::{Call, call};
use crate::pods::{Trouble, trouble};
use crds::conditions::reasons;

/// Runs workers as pods beside their beamline.
#[derive(Debug)]
pub(crate) struct PodLauncher {
    client: Debugless,
    image: Option<String>,
    /// Pods tell of their end by a watch.
    silence: watch::Sender<u64>,
}

/// A client has nothing to show.
struct Debugless(Client);

impl std::fmt::Debug for Debugless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl PodLauncher {
    /// A launcher for beamlines that name no image of their own, or `image`.
    pub(crate) fn new(client: &Client, image: Option<String>) -> Self {
        Self { client: Debugless(client.clone()), image, silence: watch::Sender::new(0) }
    }

    fn pods(&self, worker: &PlanWorker) -> Api<Pod> {
        Api::namespaced(self.client.0.clone(), &worker.namespace().unwrap_or_default())
    }

    /// The pod of the worker, if there is one.
    async fn pod(&self, worker: &PlanWorker) -> Result<Option<Pod>, LaunchError> {
        let found = call(self.pods(worker).get_opt(&worker.name_any())).await;
        Ok(found.map_err(LaunchError::Api)?.filter(|pod| belongs(pod, worker)))
    }

    async fn describe(&self, worker: &PlanWorker) -> Result<Pod, LaunchError> {
        let namespace = worker.namespace().unwrap_or_default();
        let api: Api<DeserializeGuard<Beamline>> =
            Api::namespaced(self.client.0.clone(), &namespace);
        let all = call(api.list(&ListParams::default())).await.map_err(LaunchError::Api)?;
        let all: Vec<_> = all.items.into_iter().filter_map(|one| one.0.ok()).collect();
        let queue = &worker.spec.queue;
        let beamline = serving(&all, queue).ok_or_else(|| {
            LaunchError::Unfit(format!("no Beamline of the namespace serves the queue '{queue}'"))
        })?;
        let valid = validate(beamline, self.image.as_deref(), None);
        let valid = valid.map_err(|invalid| {
            LaunchError::Unfit(format!("Beamline '{}': {invalid}", beamline.name_any()))
        })?;
        if worker.spec.engine == Engine::Bluesky && !valid.worker.own_image {
            return Err(LaunchError::Unfit(format!(
                "Beamline '{}': spec.queue.worker.image.repository: the bluesky engine needs an image with \
                 Python and the package beamline-worker",
                beamline.name_any()
            )));
        }
        if worker.spec.publishers.are_any() && valid.worker.publisher.is_none() {
            return Err(LaunchError::Unfit(format!(
                "Beamline '{}': spec.queue.publisher.image.repository: publishers need an image with Python and the package \
                 beamline-worker",
                beamline.name_any()
            )));
        }
        Ok(worker_pod(&valid, worker))
    }
}

#[async_trait]
impl Launcher for PodLauncher {
    async fn phase(&self, worker: &PlanWorker) -> Result<Phase, LaunchError> {
        Ok(self.pod(worker).await?.map_or(Phase::Absent, |pod| phase(&pod)))
    }

    async fn start(&self, order: Order) -> Result<Phase, LaunchError> {
        let worker = &order.worker;
        if let Some(pod) = self.pod(worker).await? {
            return Ok(phase(&pod));
        }
        let wanted = self.describe(worker).await?;
        match call(self.pods(worker).create(&PostParams::default(), &wanted)).await {
            Ok(pod) => {
                tracing::info!(worker = worker.name_any(), "made the pod of a worker");
                Ok(phase(&pod))
            }
            Err(Call::Api(error)) if code(&error) == Some(409) => match self.pod(worker).await? {
                Some(pod) => Ok(phase(&pod)),
                None => Err(LaunchError::Foreign(worker.name_any())),
            },
            // The API will say the same tomorrow.
            Err(Call::Api(error)) if matches!(code(&error), Some(400 | 403 | 422)) => {
                Err(LaunchError::Unfit(format!("the pod is refused: {error}")))
            }
            Err(error) => Err(LaunchError::Api(error)),
        }
    }

    async fn stop(&self, worker: &PlanWorker) -> Result<(), LaunchError> {
        let Some(pod) = self.pod(worker).await? else {
            return Ok(());
        };
        if pod.metadata.deletion_timestamp.is_none() {
            let params = DeleteParams {
                preconditions: Some(Preconditions { uid: pod.uid(), resource_version: None }),
                ..DeleteParams::default()
            };
            match call(self.pods(worker).delete(&pod.name_any(), &params)).await {
                Ok(_) => {}
                Err(Call::Api(error)) if matches!(code(&error), Some(404 | 409)) => {}
                Err(error) => return Err(LaunchError::Api(error)),
            }
        }
        Err(LaunchError::StillEnding)
    }

    async fn stop_all(&self) {}

    fn changes(&self) -> watch::Receiver<u64> {
        self.silence.subscribe()
    }

    fn nature(&self) -> Nature {
        Nature { finds_again: true, needs_token: false, loss: "its pod is gone" }
    }
}

fn belongs(pod: &Pod, worker: &PlanWorker) -> bool {
    pod.owner_references().iter().any(|owner| Some(&owner.uid) == worker.uid().as_ref())
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// How a worker is, from its pod.
fn phase(pod: &Pod) -> Phase {
    let none = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&none);
    match status.phase.as_deref() {
        Some("Succeeded") => Phase::Ended { exit: end(status), clean: true },
        Some("Failed") => Phase::Ended { exit: end(status), clean: false },
        Some("Running") => {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
            let place = format!("its pod runs on {}", node.unwrap_or("a node"));
            Phase::Running { pid: None, place }
        }
        _ => waiting(status),
    }
}

/// Why a pod has not started.
fn waiting(status: &PodStatus) -> Phase {
    match trouble(status) {
        Some(Trouble { reason, message }) => Phase::Starting { reason, message },
        None => {
            let message = "its pod is being started".to_owned();
            Phase::Starting { reason: reasons::STARTING, message }
        }
    }
}

/// How the container of an ended pod ended.
fn end(status: &PodStatus) -> String {
    let containers = status.container_statuses.iter().flatten();
    let mut ends = containers.filter_map(|one| one.state.as_ref()?.terminated.as_ref());
    match ends.next() {
        Some(ContainerStateTerminated { exit_code, reason, .. }) => match reason.as_deref() {
            Some(reason) if !["Completed", "Error"].contains(&reason) => {
                format!("{reason}, exit code {exit_code}")
            }
            _ => format!("exit code {exit_code}"),
        },
        None => status.reason.clone().unwrap_or_else(|| "unknown".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: &str) -> Phase {
        let pod = format!(
            "{{metadata: {{name: w}}, spec: {{nodeName: n1, containers: []}}, status: {status}}}"
        );
        phase(&serde_saphyr::from_str(&pod).unwrap())
    }

    fn reason(status: &str) -> (&'static str, String) {
        match of(status) {
            Phase::Starting { reason, message } => (reason, message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_running_pod_names_its_node() {
        let running = Phase::Running { pid: None, place: "its pod runs on n1".to_owned() };
        assert_eq!(of("{phase: Running}"), running);
    }

    #[test]
    fn a_pod_that_has_not_started_says_why_if_anything_is_wrong() {
        let status = "{phase: Pending, conditions: [{type: PodScheduled, status: 'False', \
                      reason: Unschedulable, message: '0/1 nodes are available'}]}";
        assert_eq!(reason(status), ("Unschedulable", "0/1 nodes are available".to_owned()));
        assert_eq!(reason("{phase: Pending}").0, "Starting");
    }

    #[test]
    fn an_end_is_told_with_its_code_and_with_what_killed_it() {
        let ended = |phase: &str, reason: &str, code: i32| {
            of(&format!(
                "{{phase: {phase}, containerStatuses: [{{name: w, image: i, imageID: '', ready: false, \
                 restartCount: 0, state: {{terminated: {{exitCode: {code}, reason: {reason}}}}}}}]}}"
            ))
        };
        let exit = |text: &str, clean| Phase::Ended { exit: text.to_owned(), clean };
        assert_eq!(ended("Succeeded", "Completed", 0), exit("exit code 0", true));
        assert_eq!(ended("Failed", "Error", 2), exit("exit code 2", false));
        assert_eq!(ended("Failed", "OOMKilled", 137), exit("OOMKilled, exit code 137", false));
        assert_eq!(of("{phase: Failed, reason: Evicted}"), exit("Evicted", false));
    }
}
