//! The real native engine behind the queue, driven by the real Python client.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use channels::{
    ConnectedInfo, Connection, PutMode, PvChannel, PvClient, PvError, PvValue, Sample, Want,
};
use crds::PlanWorker;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::clients::run;
use crate::fake_worker::token;
use crate::fixture::{Machine, Pod};

/// A control system without any IOC: the plans use simulated devices.
struct NoIoc;
struct Absent(String);

impl PvClient for NoIoc {
    fn channel(&self, name: &str) -> Arc<dyn PvChannel> {
        Arc::new(Absent(name.to_owned()))
    }
}

impl Absent {
    fn error(&self, timeout: Duration) -> PvError {
        PvError::NotFound { pv: self.0.clone(), timeout }
    }
}

#[async_trait]
impl PvChannel for Absent {
    fn name(&self) -> &str {
        &self.0
    }
    fn connection(&self) -> watch::Receiver<Connection> {
        watch::channel(Connection::Never).1
    }
    async fn connected(&self, timeout: Duration) -> Result<ConnectedInfo, PvError> {
        Err(self.error(timeout))
    }
    async fn get(&self, _: Want, timeout: Duration) -> Result<Sample, PvError> {
        Err(self.error(timeout))
    }
    async fn put(&self, _: PvValue, _: PutMode, timeout: Duration) -> Result<(), PvError> {
        Err(self.error(timeout))
    }
    fn monitor(&self) -> watch::Receiver<Option<Arc<Sample>>> {
        watch::channel(None).1
    }
    fn updates(&self) -> broadcast::Receiver<Arc<Sample>> {
        broadcast::channel(1).1
    }
}

/// Starts the native engine as soon as it is asked for.
async fn serve_one(machine: &Machine, pod: &Pod, runs: &TempDir, shutdown: CancellationToken) {
    let workers: Api<PlanWorker> = Api::default_namespaced(machine.client());
    pod.until("a worker is asked for", async |_| {
        !workers.list(&ListParams::default()).await.unwrap().items.is_empty()
    })
    .await;
    let worker = workers.list(&ListParams::default()).await.unwrap().items.remove(0);
    let settings = plan_worker::Settings {
        connect_to: worker.spec.connect_to,
        token: token(&machine.client(), &worker.spec.token_secret).await.into(),
        epoch: worker.spec.epoch,
        runs_dir: runs.path().to_owned(),
        documents_address: None,
        api_server: None,
        no_simulated_devices: false,
    };
    plan_worker::run(settings, machine.client(), "default", Arc::new(NoIoc), shutdown)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_scan_on_the_native_engine_ends_in_the_history_with_its_run() {
    let machine = Machine::new().await;
    let pod = machine.serve().await;
    let runs = TempDir::new().unwrap();
    let shutdown = CancellationToken::new();
    let work = serve_one(&machine, &pod, &runs, shutdown.clone());
    let drive = async {
        let done = run("native.py", &[&pod.control, &pod.info]).await;
        if done.is_none() {
            // Without Python the environment still opens and closes.
            pod.must("/environment/open", json!({})).await;
            pod.until("open", async |pod| pod.status().await["worker_environment_exists"] == true)
                .await;
            pod.must("/environment/close", json!({})).await;
        }
    };
    tokio::join!(work, drive);
    pod.manager("idle").await;
    assert_eq!(pod.status().await["worker_environment_state"], "closed");
    pod.stop().await;
}
