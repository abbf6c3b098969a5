//! Opening, closing, destroying, and losing the worker.

use serde_json::json;

use crate::fake_worker::{connect, token};
use crate::fixture::{Machine, opened};

#[tokio::test]
async fn an_environment_opens_and_closes_and_leaves_nothing_behind() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let status = pod.status().await;
    assert_eq!(status["manager_state"], "idle");
    assert_eq!(status["worker_environment_state"], "idle");
    assert_eq!(status["re_state"], "idle");
    assert_eq!(pod.get("/plans/allowed").await["plans_allowed"]["quick"]["name"], "quick");
    assert!(pod.get("/devices/existing").await["devices_existing"].get("det").is_some());
    pod.must("/environment/close", json!({})).await;
    pod.until("closed", async |pod| pod.status().await["worker_environment_state"] == "closed")
        .await;
    pod.manager("idle").await;
    let workers: kube::Api<crds::PlanWorker> = kube::Api::default_namespaced(machine.client());
    pod.until("the resource is gone", async |_| {
        workers.list(&kube::api::ListParams::default()).await.unwrap().items.is_empty()
    })
    .await;
    let again = pod.post("/environment/close", json!({})).await;
    assert_eq!(again["msg"], "RE Worker environment does not exist.");
    assert_eq!(pod.add("quick").await.len(), 36, "plans are known while the environment is closed");
    pod.stop().await;
}

#[tokio::test]
async fn a_worker_that_dies_fails_its_plan_says_why_and_another_can_be_opened() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    pod.add("die").await;
    pod.must("/queue/start", json!({})).await;
    pod.until("the plan failed", async |pod| pod.history().await.len() == 1).await;
    pod.manager("idle").await;
    let record = pod.history().await.remove(0);
    assert_eq!(record["result"]["exit_status"], "failed");
    let text = "RE Worker environment was destroyed: the connection to the worker failed: ";
    let message = record["result"]["msg"].as_str().unwrap();
    assert!(message.starts_with(text), "{message}");
    assert_eq!(pod.queued().await, ["die"]);
    assert_eq!(pod.status().await["worker_environment_exists"], false);
    pod.must("/environment/open", json!({})).await;
    pod.until("open again", async |pod| pod.status().await["worker_environment_exists"] == true)
        .await;
    pod.stop().await;
}

#[tokio::test]
async fn destroying_the_environment_fails_the_running_plan() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    pod.add("wait").await;
    pod.must("/queue/start", json!({})).await;
    pod.until("it runs", async |pod| pod.status().await["re_state"] == "running").await;
    pod.must("/environment/destroy", json!({})).await;
    pod.until("the plan failed", async |pod| pod.history().await.len() == 1).await;
    pod.manager("idle").await;
    assert_eq!(pod.history().await[0]["result"]["msg"], "RE Worker environment was destroyed");
    let again = pod.post("/environment/destroy", json!({})).await;
    assert_eq!(again["msg"], "RE environment does not exist");
    pod.stop().await;
}

#[tokio::test]
async fn a_token_admits_one_worker_once_and_no_other_token_any() {
    let machine = Machine::new().await;
    let pod = machine.serve().await;
    pod.must("/environment/open", json!({})).await;
    let workers: kube::Api<crds::PlanWorker> = kube::Api::default_namespaced(machine.client());
    pod.until("the worker is asked for", async |_| {
        !workers.list(&kube::api::ListParams::default()).await.unwrap().items.is_empty()
    })
    .await;
    let worker = workers.list(&kube::api::ListParams::default()).await.unwrap().items.remove(0);
    let good = token(&machine.client(), &worker.spec.token_secret).await;
    assert!(connect(&worker.spec.connect_to, "wrong").await.is_err());
    assert!(connect(&worker.spec.connect_to, "").await.is_err());
    let first = connect(&worker.spec.connect_to, &good).await;
    assert!(first.is_ok());
    assert!(connect(&worker.spec.connect_to, &good).await.is_err(), "a token admits only once");
    drop(first);
    pod.manager("idle").await;
    assert_eq!(pod.status().await["worker_environment_exists"], false);
    pod.stop().await;
}
