//! A worker that speaks the real protocol over a real WebSocket, and fails on demand.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crds::PlanWorker;
use futures::{SinkExt, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;
use plan_worker::protocol::{
    Command, DeviceRecipe, ExitStatus, Movement, Order, PlanCall, PlanOutcome, PlanProgress,
    Report, RunEntry, TaskCall, TaskOutcome, TaskWork, VERSION,
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects as a worker would.
pub(crate) async fn connect(address: &str, token: &str) -> Result<Socket, Box<tungstenite::Error>> {
    let mut request = address.into_client_request().map_err(Box::new)?;
    let value = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", value);
    tokio_tungstenite::connect_async(request).await.map(|(socket, _)| socket).map_err(Box::new)
}

/// The token of a worker, as the operator reads it.
pub(crate) async fn token(client: &Client, name: &str) -> String {
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    let data = secrets.get(name).await.unwrap().data.unwrap();
    String::from_utf8(data["token"].0.clone()).unwrap()
}

/// What the workers saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Plans that were ordered, with the state of their resource at that moment.
    pub(crate) ran: Vec<(PlanCall, Option<String>)>,
    /// Devices of the registry that were told: names and arguments, each time.
    pub(crate) told: Vec<Vec<(String, Value)>>,
    /// Devices that the profile makes, and why others cannot be told of.
    pub(crate) profile: (Vec<DeviceRecipe>, BTreeMap<String, String>),
}

/// Starts a worker for every `PlanWorker`, and ends it when that is deleted.
pub(crate) struct Operator {
    task: JoinHandle<()>,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

impl Operator {
    pub(crate) fn start(client: Client) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn(operate(client, seen.clone()));
        Self { task, seen }
    }

    /// Names of the plans that were ordered.
    pub(crate) fn ran(&self) -> Vec<String> {
        self.seen.lock().ran.iter().map(|(call, _)| call.name.clone()).collect()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn operate(client: Client, seen: Arc<Mutex<Seen>>) {
    let workers: Api<PlanWorker> = Api::default_namespaced(client.clone());
    let mut started = HashSet::new();
    let mut running = tokio::task::JoinSet::new();
    loop {
        for worker in workers.list(&ListParams::default()).await.unwrap() {
            if started.insert(worker.name_any()) {
                running.spawn(work(client.clone(), worker, seen.clone()));
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn work(client: Client, worker: PlanWorker, seen: Arc<Mutex<Seen>>) {
    let token = token(&client, &worker.spec.token_secret).await;
    let Ok(mut socket) = connect(&worker.spec.connect_to, &token).await else { return };
    let (engine, wants_devices) = ("fake".to_owned(), worker.spec.profile.registry_devices);
    say(&mut socket, Report::Hello { version: VERSION, engine, pid: 1, wants_devices }).await;
    let plan = |name: &str| {
        let num = json!({"name": "num", "kind": {"name": "POSITIONAL_OR_KEYWORD", "value": 1}, "default": "1"});
        (
            name.to_owned(),
            json!({ "name": name, "properties": {"is_generator": true}, "parameters": [num] }),
        )
    };
    let plans = ["quick", "other", "fail", "wait", "die"].map(plan);
    let plans = Value::Object(plans.into_iter().collect());
    let devices = json!({"det": {"classname": "Det"}});
    let (running, ended, ended_tasks) = (None, None, Vec::new());
    let run_engine = true;
    let ready = Report::Ready { plans, devices, run_engine, running, ended, ended_tasks };
    say(&mut socket, ready).await;
    let mut current = None;
    while let Some(Ok(frame)) = socket.next().await {
        let Message::Text(text) = frame else { continue };
        let command: Command = serde_json::from_str(&text).unwrap();
        assert_eq!(command.epoch, worker.spec.epoch);
        match command.order {
            Order::Welcome { .. } | Order::Permit { .. } => {}
            Order::Devices { devices } => {
                if devices.is_empty() {
                    let devices = vec![recipe("ophyd.EpicsMotor"), recipe("own.Thing")];
                    say(&mut socket, Report::ProfileDevices { devices }).await;
                }
                let told = devices.into_iter().map(|one| (one.name, json!(one.args)));
                seen.lock().told.push(told.collect());
            }
            Order::RunPlan { plan } => {
                let items: Api<crds::QueueItem> = Api::default_namespaced(client.clone());
                let stored = items.list(&ListParams::default()).await.unwrap();
                let state = stored
                    .into_iter()
                    .find(|item| item.spec.item_uid.as_deref() == Some(&plan.item_uid))
                    .and_then(|item| item.status)
                    .map(|status| format!("{:?}", status.state));
                seen.lock().ran.push((plan.clone(), state));
                if !run(&mut socket, &plan, &mut current).await {
                    return;
                }
            }
            Order::RunTask { task } => run_task(&mut socket, task).await,
            Order::ReadMetadata { keys } => {
                let metadata = [("keys".to_owned(), json!(keys))].into_iter().collect();
                say(&mut socket, Report::Metadata { metadata, error: None }).await;
            }
            Order::ReadDevices => {
                let (devices, left_out) = seen.lock().profile.clone();
                say(&mut socket, Report::OwnDevices { devices, left_out, error: None }).await;
            }
            Order::ReserveKernel | Order::ReleaseKernel | Order::InterruptKernel { .. } => {}
            Order::Pause { .. } => re_state(&mut socket, "paused").await,
            Order::Resume => re_state(&mut socket, "running").await,
            Order::Stop => finish(&mut socket, &mut current, ExitStatus::Stopped).await,
            Order::Abort => finish(&mut socket, &mut current, ExitStatus::Aborted).await,
            Order::Halt => finish(&mut socket, &mut current, ExitStatus::Halted).await,
            Order::Close => {
                say(&mut socket, Report::Closing).await;
                let _ = socket.close(None).await;
                return;
            }
        }
    }
}

/// How the profile makes a device of that class.
fn recipe(class: &str) -> DeviceRecipe {
    DeviceRecipe {
        name: class.to_lowercase(),
        device_class: class.to_owned(),
        args: vec![json!("own:")],
        pvs: [("value".to_owned(), "own:value".to_owned())].into(),
        ..DeviceRecipe::default()
    }
}

/// Ends a task at once, with its arguments as what it returns; the function `hang` never.
async fn run_task(socket: &mut Socket, task: TaskCall) {
    let return_value = match &task.work {
        TaskWork::ExecuteFunction { name, .. } if name == "hang" => return,
        TaskWork::ExecuteFunction { args, .. } => json!(args),
        TaskWork::LoadScript { .. } => {
            let plans = json!({"loaded": {"name": "loaded", "parameters": []}});
            say(socket, Report::Lists { plans, devices: json!({}) }).await;
            Value::Null
        }
    };
    let outcome = TaskOutcome {
        task_uid: task.task_uid,
        success: true,
        message: String::new(),
        traceback: String::new(),
        return_value,
    };
    say(socket, Report::TaskFinished { outcome }).await;
}

/// Begins a plan; `wait` ends only by an order, `die` takes the worker with it.
async fn run(socket: &mut Socket, plan: &PlanCall, current: &mut Option<String>) -> bool {
    *current = Some(plan.item_uid.clone());
    re_state(socket, "running").await;
    let uid = format!("run-of-{}", plan.item_uid);
    let run = RunEntry { uid, scan_id: 1, is_open: true, exit_status: None };
    say(socket, Report::Runs { runs: vec![run] }).await;
    match plan.name.as_str() {
        "die" => return false,
        "wait" => {
            let progress = PlanProgress {
                item_uid: plan.item_uid.clone(),
                points_done: 3,
                points_expected: Some(11),
                time_left_s: Some(40.0),
                moving: vec![Movement { name: "m".to_owned(), ..Movement::default() }],
                waiting: None,
            };
            say(socket, Report::Progress { progress }).await;
        }
        "fail" => finish(socket, current, ExitStatus::Failed).await,
        _ => finish(socket, current, ExitStatus::Completed).await,
    }
    true
}

async fn finish(socket: &mut Socket, current: &mut Option<String>, exit_status: ExitStatus) {
    let Some(item_uid) = current.take() else { return };
    let failed = exit_status == ExitStatus::Failed;
    let text = |text: &str| if failed { text.to_owned() } else { String::new() };
    re_state(socket, "idle").await;
    let outcome = PlanOutcome {
        run_uids: vec![format!("run-of-{item_uid}")],
        item_uid,
        exit_status,
        scan_ids: vec![1],
        message: text("Plan failed: on purpose"),
        traceback: text("somewhere"),
    };
    say(socket, Report::PlanFinished { outcome }).await;
}

async fn re_state(socket: &mut Socket, state: &str) {
    let state = state.to_owned();
    say(socket, Report::ReState { state, deferred_pause_requested: false }).await;
}

pub(crate) async fn say(socket: &mut Socket, report: Report) {
    let text = serde_json::to_string(&report).unwrap();
    // The server may have gone first.
    let _ = socket.send(Message::Text(text.into())).await;
}
