//! Several queue servers on one API, the real native engine under them, and leaders that go in every way.

use std::sync::Arc;

use axum::http::StatusCode;
use crds::PlanWorker;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{ListParams, PostParams};
use plan_worker::WorkerError;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Machine, Pod};
use crate::native::serve_one;

/// A worker of the real engine beside the servers.
struct Worker {
    task: JoinHandle<Result<(), WorkerError>>,
    shutdown: CancellationToken,
    _runs: Arc<TempDir>,
}

impl Worker {
    fn start(machine: &Arc<Machine>) -> Self {
        let (runs, shutdown) = (Arc::new(TempDir::new().unwrap()), CancellationToken::new());
        let (machine, folder, stop) = (machine.clone(), runs.clone(), shutdown.clone());
        let task = tokio::spawn(async move { serve_one(&machine, &folder, stop).await });
        Self { task, shutdown, _runs: runs }
    }
}

async fn workers(machine: &Machine) -> Vec<PlanWorker> {
    let workers: Api<PlanWorker> = Api::default_namespaced(machine.client());
    workers.list(&ListParams::default()).await.unwrap().items
}

async fn queue(pod: &Pod, plan: Value) -> String {
    let reply = pod.must("/queue/item/add", json!({ "item": plan })).await;
    reply["item"]["item_uid"].as_str().unwrap().to_owned()
}

fn sleep(seconds: f64) -> Value {
    json!({"item_type": "plan", "name": "sleep", "args": [seconds]})
}

fn count() -> Value {
    json!({"item_type": "plan", "name": "count", "args": [["det"]]})
}

/// A leader with an open environment of the real engine, whose first item runs.
async fn running(machine: &Arc<Machine>, plans: Vec<Value>) -> (Pod, Worker, Vec<String>) {
    let pod = machine.one_of_several("one").await;
    let worker = Worker::start(machine);
    pod.must("/environment/open", json!({})).await;
    pod.until("the environment is open", async |pod| pod.status().await["re_state"] == "idle")
        .await;
    let mut uids = Vec::new();
    for plan in plans {
        uids.push(queue(&pod, plan).await);
    }
    pod.must("/queue/start", json!({})).await;
    pod.until("it runs", async |pod| {
        let status = pod.status().await;
        status["re_state"] == "running" && status["running_item_uid"] == uids[0]
    })
    .await;
    (pod, worker, uids)
}

async fn ends(pod: &Pod) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let history = pod.history().await;
    history.iter().map(|i| (text(&i["item_uid"]), text(&i["result"]["exit_status"]))).collect()
}

async fn leads(pod: &Pod) {
    pod.until("it leads", async |pod| pod.ready().await.as_deref() == Some("ready")).await;
}

#[tokio::test]
async fn a_standby_says_what_it_is_and_refuses_everything_else() {
    let machine = Machine::new().await;
    let one = machine.one_of_several("one").await;
    let two = machine.one_of_several("two").await;
    assert_eq!(one.ready().await.as_deref(), Some("ready"));
    assert_eq!(two.ready().await.as_deref(), Some("standby"));
    assert_eq!(two.try_get("/health").await.0, StatusCode::OK);
    assert_eq!(two.try_get("/metrics").await.0, StatusCode::OK);
    let why = "This queue server is on standby; the queue is served by 'one'";
    for path in ["/api/status", "/api/queue/get", "/api/console_output"] {
        let (code, body) = two.try_get(path).await;
        assert_eq!((code, &body["detail"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(why)));
    }
    if let Some(answer) = crate::clients::zmq(&two, "status", json!({})).await {
        assert_eq!((&answer["success"], &answer["msg"]), (&json!(false), &json!(why)));
    }
    assert_eq!(two.writes.all(), 0, "a standby has written something");
    one.stop().await;
    leads(&two).await;
    assert_eq!(two.status().await["manager_state"], "idle");
    two.stop().await;
}

#[tokio::test]
async fn when_the_leader_is_shut_down_the_next_one_goes_on_with_the_plan_and_the_queue() {
    let machine = Arc::new(Machine::new().await);
    let (one, worker, uids) = running(&machine, vec![sleep(4.0), count()]).await;
    let two = machine.one_of_several("two").await;
    let before = workers(&machine).await;
    one.stop().await;
    leads(&two).await;
    assert_eq!(two.status().await["running_item_uid"], uids[0]);
    assert_eq!(two.status().await["manager_state"], "executing_queue");
    two.until("both are done", async |pod| pod.history().await.len() == 2).await;
    two.manager("idle").await;
    let completed: Vec<_> = uids.iter().map(|uid| (uid.clone(), "completed".to_owned())).collect();
    assert_eq!(ends(&two).await, completed);
    assert_eq!(two.history().await[1]["result"]["scan_ids"], json!([1]));
    assert_eq!(workers(&machine).await[0].metadata.uid, before[0].metadata.uid, "another worker");
    assert!(two.queued().await.is_empty());
    two.must("/environment/close", json!({})).await;
    worker.task.await.unwrap().unwrap();
    two.stop().await;
}

#[tokio::test]
async fn a_leader_that_is_killed_is_followed_by_one_that_finds_the_plan_running() {
    let machine = Arc::new(Machine::new().await);
    let (one, worker, uids) = running(&machine, vec![sleep(6.0), sleep(0.1)]).await;
    one.must("/queue/stop", json!({})).await;
    one.kill().await;
    // The same pod, started again: it does not wait for its own lease.
    let again = machine.one_of_several("one").await;
    again
        .until("the worker is back", async |pod| pod.status().await["re_state"] == "running")
        .await;
    assert_eq!(
        again.status().await["queue_stop_pending"],
        true,
        "a stop that was asked for is lost"
    );
    again.until("it is done", async |pod| pod.history().await.len() == 1).await;
    again.manager("idle").await;
    assert_eq!(ends(&again).await, [(uids[0].clone(), "completed".to_owned())]);
    assert_eq!(again.status().await["items_in_queue"], 1, "the queue went on after its stop");
    assert_eq!(again.status().await["queue_stop_pending"], false);
    worker.shutdown.cancel();
    worker.task.await.unwrap().unwrap();
    again.stop().await;
}

#[tokio::test]
async fn a_worker_that_stays_away_loses_its_plan_as_unknown() {
    let machine = Arc::new(Machine::new().await);
    let (one, worker, uids) = running(&machine, vec![sleep(60.0)]).await;
    one.kill().await;
    worker.task.abort();
    let again = machine.one_of_several("one").await;
    assert_eq!(again.status().await["running_item_uid"], uids[0]);
    // As the operator says it when the process is gone.
    let all: Api<PlanWorker> = Api::default_namespaced(machine.client());
    let name = workers(&machine).await[0].metadata.name.clone().unwrap();
    let mut gone = all.get(&name).await.unwrap();
    gone.status.get_or_insert_default().exit = Some("signal SIGKILL".to_owned());
    all.replace_status(&name, &PostParams::default(), &gone).await.unwrap();
    again.until("it is history", async |pod| pod.history().await.len() == 1).await;
    again.manager("idle").await;
    assert_eq!(ends(&again).await, [(uids[0].clone(), "unknown".to_owned())]);
    assert!(again.queued().await.is_empty(), "a plan whose end nobody knows is queued again");
    again.until("the worker is taken away", async |_| workers(&machine).await.is_empty()).await;
    again.stop().await;
}

#[tokio::test]
async fn a_leader_cut_off_from_the_api_stops_and_the_plan_goes_on_under_it_afterwards() {
    let machine = Arc::new(Machine::new().await);
    let (one, worker, uids) = running(&machine, vec![sleep(18.0)]).await;
    one.writes.cut(true);
    one.until("it is not sure any more", async |pod| {
        pod.try_get("/api/status").await.0 == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert!(!worker.task.is_finished(), "the worker left with its leader");
    one.writes.cut(false);
    one.until("the worker is back", async |pod| {
        let (code, status) = pod.try_get("/api/status").await;
        code == StatusCode::OK && status["re_state"] == "running"
    })
    .await;
    let leases: Api<Lease> = Api::default_namespaced(machine.client());
    let record = leases.get("queue-main").await.unwrap().spec.unwrap();
    assert_eq!(record.lease_transitions, Some(2));
    one.until("it is done", async |pod| pod.history().await.len() == 1).await;
    assert_eq!(ends(&one).await, [(uids[0].clone(), "completed".to_owned())]);
    worker.shutdown.cancel();
    worker.task.await.unwrap().unwrap();
    one.stop().await;
}

#[tokio::test]
async fn an_open_and_idle_environment_stays_open() {
    let machine = Arc::new(Machine::new().await);
    let one = machine.one_of_several("one").await;
    let worker = Worker::start(&machine);
    one.must("/environment/open", json!({})).await;
    one.until("it is open", async |pod| pod.status().await["re_state"] == "idle").await;
    one.stop().await;
    let two = machine.one_of_several("two").await;
    two.until("it is open", async |pod| pod.status().await["re_state"] == "idle").await;
    two.must("/queue/item/execute", json!({ "item": count() })).await;
    two.until("it ran", async |pod| pod.history().await.len() == 1).await;
    assert_eq!(ends(&two).await[0].1, "completed");
    worker.shutdown.cancel();
    worker.task.await.unwrap().unwrap();
    two.stop().await;
}

#[tokio::test]
async fn every_operation_is_one_write() {
    let machine = Machine::new().await;
    let pod = machine.one_of_several("one").await;
    let operator = crate::fake_worker::Operator::start(machine.client());
    pod.must("/environment/open", json!({})).await;
    pod.until("open", async |pod| pod.status().await["re_state"] == "idle").await;
    let writes = async |what: &str, path: &str, body: Value, expected: usize| {
        let before = pod.writes.passed();
        pod.must(path, body).await;
        assert_eq!(pod.writes.passed() - before, expected, "{what}");
    };
    let plan = json!({"item": crate::fixture::item("quick")});
    writes("add", "/queue/item/add", plan.clone(), 1).await;
    writes("add", "/queue/item/add", plan, 1).await;
    let batch = json!({"items": vec![crate::fixture::item("quick"); 3]});
    writes("a batch of three", "/queue/item/add/batch", batch, 3).await;
    writes("move", "/queue/item/move", json!({"pos": 0, "pos_dest": 3}), 1).await;
    writes("remove", "/queue/item/remove", json!({"pos": "back"}), 1).await;
    writes("mode", "/queue/mode/set", json!({"mode": {"loop": false}}), 0).await;
    writes("stop cancelled", "/queue/stop/cancel", json!({}), 0).await;
    let before = pod.writes.passed();
    pod.must("/queue/start", json!({})).await;
    pod.until("all ran", async |pod| pod.history().await.len() == 4).await;
    assert_eq!(pod.writes.passed() - before, 8, "a plan is one write at its start, one at its end");
    drop(operator);
    pod.stop().await;
}
