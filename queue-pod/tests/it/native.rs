//! The real native engine behind the queue, driven by the real Python client.

use std::sync::Arc;

use channels::Fake;
use crds::PlanWorker;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::clients::run;
use crate::fake_worker::token;
use crate::fixture::{Machine, Pod};

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
    plan_worker::run(settings, machine.client(), "default", Arc::new(Fake::new()), shutdown)
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
