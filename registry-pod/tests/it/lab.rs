//! A registry on its own store, and a client that checks what holds for every answer.

use std::sync::Arc;
use std::time::Duration;

use crds::{Device, DeviceSpec};
use embedded::Embedded;
use kube::api::PostParams;
use kube::{Api, Client};
use registry_pod::{RunError, Server, Settings};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::faults::Line;

const NAMESPACE: &str = "default";
/// Longest wait for something that must come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running registry and everything around it.
pub(crate) struct Lab {
    store: Embedded,
    base: String,
    http: reqwest::Client,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
    settings: Settings,
    directory: TempDir,
    line: Arc<Line>,
}

/// A registry beside that of the lab.
pub(crate) struct Another {
    pub(crate) base: String,
    pub(crate) shutdown: CancellationToken,
    pub(crate) server: JoinHandle<Result<(), RunError>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The body, with the status checked.
    #[track_caller]
    pub(crate) fn of(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }

    /// The exact body, with the status checked.
    #[track_caller]
    pub(crate) fn is(self, status: u16, text: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.text, text);
    }
}

pub(crate) fn settings() -> Settings {
    Settings { port: 0, ..Settings::default() }
}

impl Lab {
    /// An empty registry.
    pub(crate) async fn new(settings: Settings) -> Self {
        let directory = TempDir::new().unwrap();
        Self::begin(directory, settings, Vec::new()).await
    }

    /// A registry that finds these devices at its first start.
    pub(crate) async fn with(specs: Vec<DeviceSpec>) -> Self {
        Self::begin(TempDir::new().unwrap(), settings(), specs).await
    }

    /// An empty registry whose API goes away behind so many writes. It may never be ready.
    pub(crate) async fn dying(settings: Settings, writes: usize) -> Self {
        Self::start(TempDir::new().unwrap(), settings, Vec::new(), writes).await
    }

    async fn begin(directory: TempDir, settings: Settings, specs: Vec<DeviceSpec>) -> Self {
        let lab = Self::start(directory, settings, specs, usize::MAX).await;
        lab.until(async || lab.is_ready().await).await;
        lab
    }

    /// Whether the registry is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        self.get("/ready").await.status == StatusCode::OK
    }

    async fn start(
        directory: TempDir,
        settings: Settings,
        specs: Vec<DeviceSpec>,
        writes: usize,
    ) -> Self {
        let path = directory.path().join("state.db");
        let store = Embedded::open(embedded::Settings { path, crds: crds::all() }).await.unwrap();
        Self::serve(directory, store, settings, specs, writes).await
    }

    async fn serve(
        directory: TempDir,
        store: Embedded,
        settings: Settings,
        specs: Vec<DeviceSpec>,
        writes: usize,
    ) -> Self {
        let devices: Api<Device> = Api::namespaced(store.client(NAMESPACE), NAMESPACE);
        for spec in specs {
            let device = Device::new(&crds::names::object_name(&spec.name), spec);
            devices.create(&PostParams::default(), &device).await.unwrap();
        }
        let shutdown = CancellationToken::new();
        let bound = Server::bind(settings.clone()).await.unwrap();
        let base = format!("http://{}", bound.addr());
        let line = Line::new();
        line.cut_behind(writes);
        let client = Client::new(line.to(store.router()), NAMESPACE);
        let stop = shutdown.clone();
        let server =
            tokio::spawn(async move { bound.serve(client, NAMESPACE, stop).await.unwrap() });
        let http = reqwest::Client::new();
        Self { store, base, http, shutdown, server, settings, directory, line }
    }

    /// Stops everything; afterwards nothing remains but the file.
    async fn stop(self) -> (TempDir, Settings) {
        self.shutdown.cancel();
        self.server.await.unwrap();
        self.store.close().await;
        (self.directory, self.settings)
    }

    /// Stops everything and starts again on the same file; `meanwhile` changes it in between.
    pub(crate) async fn restart(self, meanwhile: impl AsyncFnOnce(Client)) -> Self {
        let (directory, settings) = self.stop().await;
        let path = directory.path().join("state.db");
        let store = Embedded::open(embedded::Settings { path, crds: crds::all() }).await.unwrap();
        meanwhile(store.client(NAMESPACE)).await;
        store.close().await;
        Self::begin(directory, settings, Vec::new()).await
    }

    /// Starts again on the same file with other settings.
    pub(crate) async fn restart_with(self, settings: Settings) -> Self {
        let (directory, _) = self.stop().await;
        Self::begin(directory, settings, Vec::new()).await
    }

    /// The same, and the API goes away again behind so many writes. It may be ready or not.
    pub(crate) async fn crash_again(self, writes: usize) -> Self {
        self.line.cut(true);
        self.shutdown.cancel();
        self.server.await.unwrap();
        let (directory, settings) = (self.directory, self.settings);
        let lab = Self::serve(directory, self.store, settings, Vec::new(), writes).await;
        lab.until(async || lab.line.has_refused() || lab.is_ready().await).await;
        lab
    }

    /// A client of the store.
    pub(crate) fn client(&self) -> Client {
        self.store.client(NAMESPACE)
    }

    /// What lies between the registry and its API.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// The registry ends where it stands, and is started again on what it left.
    pub(crate) async fn crash(self) -> Self {
        let lab = self.crash_again(usize::MAX).await;
        lab.until(async || lab.is_ready().await).await;
        lab
    }

    /// A second registry on the same store.
    pub(crate) async fn replica(&self) -> (String, CancellationToken) {
        let bound = Server::bind(settings()).await.unwrap();
        let base = format!("http://{}", bound.addr());
        let (client, stop) = (self.store.client(NAMESPACE), self.shutdown.child_token());
        let token = stop.clone();
        tokio::spawn(async move { bound.serve(client, NAMESPACE, token).await.unwrap() });
        self.until(async || {
            let ready = self.http.get(format!("{base}/ready")).send().await;
            ready.is_ok_and(|ready| ready.status() == StatusCode::OK)
        })
        .await;
        (base, stop)
    }

    /// Where the registry answers.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The API that the registry writes to.
    pub(crate) fn api(&self) -> axum::Router {
        self.store.router()
    }

    /// Another registry, whose API is not quite that of the store. It may not be ready yet.
    pub(crate) async fn another_on(&self, api: axum::Router) -> Another {
        let bound = Server::bind(settings()).await.unwrap();
        let base = format!("http://{}", bound.addr());
        let (client, shutdown) = (Client::new(api, NAMESPACE), CancellationToken::new());
        let server = tokio::spawn(bound.serve(client, NAMESPACE, shutdown.clone()));
        Another { base, shutdown, server }
    }

    /// The store, past the registry: what `kubectl` does.
    pub(crate) fn objects<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.store.client(NAMESPACE), NAMESPACE)
    }

    pub(crate) async fn until(&self, holds: impl AsyncFn() -> bool) {
        let wait = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("did not come true in time");
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.send_to(&self.base, method, path, body).await
    }

    pub(crate) async fn send_to(
        &self,
        base: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.http.request(method, format!("{base}{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        assert!(headers["vary"].to_str().unwrap().eq_ignore_ascii_case("origin"));
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get_from(&self, base: &str, path: &str) -> Answer {
        self.send_to(base, Method::GET, path, None).await
    }

    /// An answer whose body is still to come.
    pub(crate) async fn open(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let request = self.http.get(format!("{}{path}", self.base));
        let request = headers.iter().fold(request, |all, (name, value)| all.header(*name, *value));
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str) -> Answer {
        self.send(Method::PATCH, path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Operation and device of all history rows, oldest first.
    pub(crate) async fn history(&self) -> Vec<(String, String)> {
        let rows = self.get("/api/v1/devices/history?limit=10000").await.of(200);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rows = rows.as_array().unwrap().iter().rev();
        rows.map(|row| (text(&row["operation"]), text(&row["device_name"]))).collect()
    }
}

/// A device for `POST /api/v1/devices`.
pub(crate) fn new_device(name: &str, pv: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "device_label": "signal", "ophyd_class": "EpicsSignal",
            "is_readable": true, "is_movable": true, "pvs": { "readback": pv },
        },
        "instantiation_spec": {
            "name": name, "device_class": "ophyd.signal.EpicsSignal", "args": [pv],
            "kwargs": { "name": name },
        },
    })
}

pub(crate) fn spec(spec: Value) -> DeviceSpec {
    serde_json::from_value(spec).unwrap()
}

/// The three devices that the recorded answers of the Python service are about.
pub(crate) fn mock() -> Vec<DeviceSpec> {
    vec![
        spec(json!({
            "name": "sample_x", "deviceClass": "ophyd.EpicsMotor", "args": ["BL01:SAMPLE:X"],
            "kwargs": { "name": "sample_x" }, "ophydClass": "EpicsMotor", "deviceLabel": "motor",
            "module": "ophyd.epics_motor",
            "capabilities": {
                "movable": true, "readable": true, "triggerable": true, "stageable": true,
                "configurable": true, "stoppable": true, "subscribable": true, "checkable": true,
            },
            "pvs": {
                "user_readback": "BL01:SAMPLE:X.RBV", "user_setpoint": "BL01:SAMPLE:X",
                "velocity": "BL01:SAMPLE:X.VELO",
            },
            "hints": { "fields": ["sample_x"] },
            "readAttrs": ["user_readback", "user_setpoint"],
            "configurationAttrs": ["velocity", "acceleration"],
        })),
        spec(json!({
            "name": "det1", "deviceClass": "ophyd.EpicsScaler", "args": ["BL01:DET1:"],
            "kwargs": { "name": "det1" }, "deviceLabel": "detector", "module": "ophyd.scaler",
            "pvs": { "count": "BL01:DET1:CNT", "preset_time": "BL01:DET1:PRESET" },
        })),
        spec(json!({
            "name": "cam1", "deviceClass": "ophyd.areadetector.detectors.SimDetector",
            "args": ["BL01:CAM1:"], "kwargs": { "name": "cam1" }, "deviceLabel": "detector",
            "pvs": {
                "image": "BL01:CAM1:image1:ArrayData",
                "image.array_size.width": "BL01:CAM1:image1:ArraySize0",
                "stats.total": "BL01:CAM1:Stats1:Total_RBV",
            },
        })),
    ]
}

/// The devices of the mini beamline.
pub(crate) fn mini_beamline() -> Vec<DeviceSpec> {
    let database = include_str!("../../../examples/mini-beamline/happi_db.json");
    crds::happi::devices(database).unwrap().into_iter().map(|device| device.spec).collect()
}
