//! The real native engine behind the queue, driven by the real Python client.

use std::sync::Arc;
use std::time::Duration;

use channels::Fake;
use crds::PlanWorker;
use kube::Api;
use kube::api::ListParams;
use plan_worker::WorkerError;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::clients::run;
use crate::fake_worker::token;
use crate::fixture::{Machine, PATIENCE};

/// Starts the native engine as soon as it is asked for; ends with it.
pub(crate) async fn serve_one(
    machine: &Machine,
    runs: &TempDir,
    shutdown: CancellationToken,
) -> Result<(), WorkerError> {
    let workers: Api<PlanWorker> = Api::default_namespaced(machine.client());
    let worker = tokio::time::timeout(PATIENCE, async {
        loop {
            let found = workers.list(&ListParams::default()).await.unwrap().items.pop();
            if let Some(worker) = found {
                return worker;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let worker = worker.await.expect("nobody asked for a worker");
    let settings = plan_worker::Settings {
        connect_to: worker.spec.connect_to,
        token: token(&machine.client(), &worker.spec.token_secret).await.into(),
        epoch: worker.spec.epoch,
        runs_dir: runs.path().to_owned(),
        documents_address: None,
        api_server: None,
        no_simulated_devices: false,
        suspenders: Default::default(),
    };
    plan_worker::run(settings, machine.client(), "default", Arc::new(Fake::new()), shutdown).await
}

#[tokio::test]
async fn a_scan_on_the_native_engine_ends_in_the_history_with_its_run() {
    let machine = Machine::new().await;
    let pod = machine.serve().await;
    let runs = TempDir::new().unwrap();
    let shutdown = CancellationToken::new();
    let work = async { serve_one(&machine, &runs, shutdown.clone()).await.unwrap() };
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
