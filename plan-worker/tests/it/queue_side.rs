//! The other end of a worker: a small queue server on a real socket, and the registry.

use std::path::Path;
use std::sync::Arc;

use channels::PvClient;
use crds::names::object_name;
use crds::{Device, DeviceClass};
use embedded::Embedded;
use futures::{SinkExt, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::api::PostParams;
use plan_worker::Settings;
use plan_worker::WorkerError;
use plan_worker::protocol::{
    Command, INSTANCE, Order, PATH, PlanCall, PlanOutcome, Report, VERSION,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_util::sync::CancellationToken;

use crate::recorder::within;

/// Where a worker finds its devices.
pub(crate) struct Registry {
    client: kube::Client,
    held: Option<(Arc<Embedded>, TempDir)>,
}

impl Registry {
    /// The API of one machine with `devices` and `classes`, given by their specs.
    pub(crate) async fn of(devices: Vec<Value>, classes: Vec<Value>) -> Self {
        let folder = TempDir::new().unwrap();
        let settings =
            embedded::Settings { path: folder.path().join("state.db"), crds: crds::all() };
        let api = Embedded::open(settings).await.unwrap();
        let client = api.client("default");
        for (number, spec) in classes.into_iter().enumerate() {
            let class = DeviceClass::new(&format!("class-{number}"), from_value(spec));
            create(&client, &class).await;
        }
        for spec in devices {
            let name = object_name(spec["name"].as_str().unwrap());
            create(&client, &Device::new(&name, from_value(spec))).await;
        }
        Self { client, held: Some((Arc::new(api), folder)) }
    }

    /// The same over HTTP, with the client that a worker makes of the address.
    pub(crate) async fn over_http(self) -> (Self, CancellationToken) {
        let (api, folder) = self.held.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let command = clap::Command::new("worker");
        let command = <Settings as clap::Args>::augment_args(command);
        let matches = command.get_matches_from([
            "worker",
            "--connect-to=ws://127.0.0.1:1",
            "--token=once",
            "--runs-dir=runs",
            &format!("--api-server={address}"),
        ]);
        let settings = <Settings as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
        let client = settings.client("default").await.unwrap();
        let shutdown = CancellationToken::new();
        let (server, stop) = (Arc::clone(&api), shutdown.clone());
        tokio::spawn(async move { server.serve(listener, stop).await.unwrap() });
        (Self { client, held: Some((api, folder)) }, shutdown)
    }

    /// An API server that knows nothing of devices.
    pub(crate) fn strange() -> Self {
        Self { client: kube::Client::new(axum::Router::new(), "default"), held: None }
    }
}

fn from_value<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

async fn create<K>(client: &kube::Client, object: &K)
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let api = kube::Api::<K>::default_namespaced(client.clone());
    api.create(&PostParams::default(), object).await.unwrap();
}

/// A worker and the queue side of its connection.
pub(crate) struct Session {
    socket: WebSocketStream<TcpStream>,
    pub(crate) authorization: String,
    pub(crate) shutdown: CancellationToken,
    worker: JoinHandle<Result<(), WorkerError>>,
    epoch: i64,
    listener: TcpListener,
    plans: usize,
    _registry: Registry,
}

impl Session {
    /// Starts a worker that keeps its runs in `runs_dir`.
    pub(crate) async fn start(
        runs_dir: &Path,
        registry: Registry,
        pvs: Arc<dyn PvClient>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = Settings {
            connect_to: format!("ws://{}", listener.local_addr().unwrap()),
            token: "once".into(),
            epoch: 3,
            runs_dir: runs_dir.to_owned(),
            documents_address: None,
            api_server: None,
            no_simulated_devices: false,
            suspenders: Default::default(),
        };
        change(&mut settings);
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let client = registry.client.clone();
        let worker =
            tokio::spawn(
                async move { plan_worker::run(settings, client, "default", pvs, token).await },
            );
        let (socket, authorization) = accept(&listener).await;
        let (epoch, plans) = (3, 0);
        let _registry = registry;
        Self { socket, authorization, shutdown, worker, epoch, listener, plans, _registry }
    }

    /// Breaks the connection, and takes the worker in again when it comes back.
    pub(crate) async fn reconnect(&mut self) {
        let (socket, authorization) = accept_after(&mut self.socket, &self.listener).await;
        assert_eq!(authorization, self.authorization);
        self.socket = socket;
    }

    /// Says welcome, under that epoch from now on.
    pub(crate) async fn welcome(&mut self, epoch: i64, orphan_grace_s: u64) {
        self.epoch = epoch;
        self.order(Order::Welcome { queue: "main".to_owned(), orphan_grace_s }).await;
    }

    /// The next report.
    pub(crate) async fn report(&mut self) -> Report {
        loop {
            match within(self.socket.next()).await.expect("the worker has left").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a report: {other:?}"),
            }
        }
    }

    /// All reports up to the first that `wanted` takes, and what it made of that.
    pub(crate) async fn until<T>(
        &mut self,
        wanted: impl Fn(&Report) -> Option<T>,
    ) -> (Vec<Report>, T) {
        let mut reports = Vec::new();
        loop {
            let report = self.report().await;
            if let Some(found) = wanted(&report) {
                return (reports, found);
            }
            reports.push(report);
        }
    }

    /// Waits until the environment is open: plans and devices.
    pub(crate) async fn ready(&mut self) -> (Value, Value) {
        let (before, ready) = self
            .until(|report| match report {
                Report::Ready { plans, devices, .. } => Some((plans.clone(), devices.clone())),
                _ => None,
            })
            .await;
        assert!(matches!(before[..], [Report::Hello { version: VERSION, .. }]), "{before:?}");
        ready
    }

    pub(crate) async fn order(&mut self, order: Order) {
        let epoch = self.epoch;
        self.send(&Command { epoch, order }).await;
    }

    pub(crate) async fn send(&mut self, command: &Command) {
        let text = serde_json::to_string(command).unwrap();
        within(self.socket.send(Message::text(text))).await.unwrap();
    }

    /// Runs a plan to its end, each as another item: all reports before that, and how it ended.
    pub(crate) async fn run(&mut self, mut plan: PlanCall) -> (Vec<Report>, PlanOutcome) {
        self.plans += 1;
        if self.plans > 1 {
            plan.item_uid = format!("{}-{}", plan.item_uid, self.plans);
        }
        self.order(Order::RunPlan { plan }).await;
        self.until(finished).await
    }

    /// Drops the connection without a word.
    pub(crate) async fn hang_up(self) -> Result<(), WorkerError> {
        drop(self.socket);
        within(self.worker).await.unwrap()
    }

    /// Reads to the end of the connection: what the worker still said, and how it ended.
    pub(crate) async fn end(mut self) -> (Vec<Report>, Result<(), WorkerError>) {
        let mut reports = Vec::new();
        while let Some(Ok(frame)) = within(self.socket.next()).await {
            if let Message::Text(text) = frame {
                reports.push(serde_json::from_str(&text).unwrap());
            }
        }
        (reports, within(self.worker).await.unwrap())
    }
}

/// Takes a worker in; its authorization.
async fn accept(listener: &TcpListener) -> (WebSocketStream<TcpStream>, String) {
    let (stream, _) = within(listener.accept()).await.unwrap();
    let (mut authorization, mut path) = (String::new(), String::new());
    #[allow(clippy::result_large_err, reason = "the signature is the library's")]
    let look = |request: &Request, response: Response| {
        let header = |name| request.headers()[name].to_str().unwrap().to_owned();
        authorization = format!("{} {}", header("authorization"), header(INSTANCE));
        path = request.uri().path().to_owned();
        Ok(response)
    };
    let socket = within(accept_hdr_async(stream, look)).await.unwrap();
    assert_eq!(path, PATH);
    (socket, authorization)
}

/// Breaks a connection without a word, then takes a worker in.
async fn accept_after(
    broken: &mut WebSocketStream<TcpStream>,
    listener: &TcpListener,
) -> (WebSocketStream<TcpStream>, String) {
    // The worker may have been faster.
    let _ = within(broken.get_mut().shutdown()).await;
    accept(listener).await
}

/// How a plan ended, if the report says so.
pub(crate) fn finished(report: &Report) -> Option<PlanOutcome> {
    match report {
        Report::PlanFinished { outcome } => Some(outcome.clone()),
        _ => None,
    }
}

/// The documents among reports.
pub(crate) fn documents(reports: &[Report]) -> Vec<Value> {
    reports
        .iter()
        .filter_map(|report| match report {
            Report::Document { name, doc } => Some(json!([name, doc])),
            _ => None,
        })
        .collect()
}
