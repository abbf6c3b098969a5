//! A running direct control over the API of one machine, and small clients for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::middleware::{self, Next};
use axum::response::Response;
use channels::PvClient;
use control_pod::{OasSettings, Server, Settings};
use crds::{Device, DeviceLocks, ProcessVariable, names};
use embedded::Embedded;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fake::FakePvs;

/// Longest wait for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Settings of a test: loopback, any port, writes allowed, dead PVs given up quickly.
pub(crate) fn settings() -> Settings {
    Settings {
        host: "127.0.0.1".to_owned(),
        port: 0,
        global_read_only: false,
        command_timeout: Duration::from_secs(20),
        device_connect_timeout: Duration::from_secs(2),
        oas: oas_settings(),
        ..Settings::default()
    }
}

/// Settings of the other API in a test: any port, and no queue server.
pub(crate) fn oas_settings() -> OasSettings {
    OasSettings {
        host: "127.0.0.1".to_owned(),
        port: 0,
        queue_port: Some(1),
        zmq_port: Some(1),
        ..OasSettings::default()
    }
}

/// A running direct control.
pub(crate) struct Control {
    pub(crate) addr: SocketAddr,
    /// The API of ophyd-websocket.
    pub(crate) oas: Option<SocketAddr>,
    pub(crate) pvs: Arc<FakePvs>,
    pub(crate) client: kube::Client,
    http: reqwest::Client,
    shutdown: CancellationToken,
    served: Option<JoinHandle<()>>,
    embedded: Option<Embedded>,
    status_writes: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

/// Counts what is written into the status of any object.
async fn count(
    State(writes): State<Arc<AtomicUsize>>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    if request.method() != axum::http::Method::GET && request.uri().path().ends_with("/status") {
        writes.fetch_add(1, Ordering::SeqCst);
    }
    next.run(request).await
}

impl Control {
    /// With PVs in memory.
    pub(crate) async fn start(settings: Settings) -> Self {
        let pvs = Arc::new(FakePvs::default());
        Self::start_with(settings, Arc::clone(&pvs) as Arc<dyn PvClient>, pvs).await
    }

    pub(crate) async fn start_with(
        settings: Settings,
        client_of_pvs: Arc<dyn PvClient>,
        pvs: Arc<FakePvs>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = embedded::Settings { path: dir.path().join("state.db"), crds: crds::all() };
        let embedded = Embedded::open(state).await.unwrap();
        let status_writes = Arc::new(AtomicUsize::new(0));
        let counted = middleware::from_fn_with_state(Arc::clone(&status_writes), count);
        let client = kube::Client::new(embedded.router().layer(counted), "default");
        let server = Server::bind(settings).await.unwrap();
        let (addr, oas) = (server.addr(), server.oas_addr());
        let shutdown = CancellationToken::new();
        let served = tokio::spawn({
            let (client, shutdown) = (client.clone(), shutdown.clone());
            async move {
                server.serve(client, "default".to_owned(), client_of_pvs, shutdown).await.unwrap();
            }
        });
        let control = Self {
            addr,
            oas,
            pvs,
            client,
            http: reqwest::Client::new(),
            shutdown,
            served: Some(served),
            embedded: Some(embedded),
            status_writes,
            _dir: dir,
        };
        control.until("/ready", |status, _| status == 200).await;
        control
    }

    /// How often the status of any object was written.
    pub(crate) fn status_writes(&self) -> usize {
        self.status_writes.load(Ordering::SeqCst)
    }

    /// Takes the Kubernetes API away.
    pub(crate) async fn lose_the_api(&mut self) {
        self.embedded.take().unwrap().close().await;
    }

    /// Asks for the service to stop and waits until it has.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(served) = self.served.take() {
            tokio::time::timeout(PATIENCE, served).await.unwrap().unwrap();
        }
    }

    pub(crate) fn ask_to_stop(&self) {
        self.shutdown.cancel();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.http.get(self.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    pub(crate) async fn get_raw(&self, path: &str, accept: Option<&str>) -> reqwest::Response {
        let mut request = self.http.get(self.url(path));
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let response = self.http.post(self.url(path)).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    pub(crate) async fn post_text(&self, path: &str, body: &str) -> (u16, Value) {
        let request = self.http.post(self.url(path)).header("content-type", "application/json");
        let response = request.body(body.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    /// Asks until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(u16, &Value) -> bool) -> Value {
        let ask = async {
            loop {
                let (status, body) = self.get(path).await;
                if wanted(status, &body) {
                    return body;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ask).await.expect("the wanted answer")
    }

    /// Registers a device and waits until direct control knows it.
    pub(crate) async fn device(&self, spec: Value) {
        let name = spec["name"].as_str().unwrap().to_owned();
        let device = Device {
            metadata: ObjectMeta { name: Some(names::object_name(&name)), ..ObjectMeta::default() },
            spec: serde_json::from_value(spec).unwrap(),
            status: None,
        };
        let devices: Api<Device> = Api::namespaced(self.client.clone(), "default");
        devices.create(&PostParams::default(), &device).await.unwrap();
        self.known(&name).await;
    }

    async fn known(&self, address: &str) {
        let ask = async {
            loop {
                let body = json!({ "addresses": [address] });
                let (_, answer) = self.post("/api/v1/devices/resolve", body).await;
                if answer["resolved"][0]["outcome"] != "device_not_found" {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ask).await.expect("the device");
    }

    /// One signal.
    pub(crate) async fn signal(&self, name: &str, pv: &str) {
        self.device(json!({
            "name": name, "deviceClass": "ophyd.signal.EpicsSignal", "prefix": pv,
        }))
        .await;
    }

    /// A PV without a device.
    pub(crate) async fn standalone(&self, pv: &str) {
        let object = ProcessVariable {
            metadata: ObjectMeta { name: Some(names::object_name(pv)), ..ObjectMeta::default() },
            spec: serde_json::from_value(json!({ "pvName": pv })).unwrap(),
            status: None,
        };
        let pvs: Api<ProcessVariable> = Api::namespaced(self.client.clone(), "default");
        pvs.create(&PostParams::default(), &object).await.unwrap();
        let path = format!("/api/v1/pv/{pv}/value?timeout=0.01&connection_timeout=0.01");
        self.until(&path, |status, body| status == 200 || !unknown(body)).await;
    }

    pub(crate) async fn set_active(&self, name: &str, active: bool) {
        let devices: Api<Device> = Api::namespaced(self.client.clone(), "default");
        let patch = json!({ "spec": { "active": active } });
        let params = PatchParams::default();
        devices.patch(&names::object_name(name), &params, &Patch::Merge(patch)).await.unwrap();
    }

    /// Makes the lock table say that a plan holds `devices`, and nothing else.
    pub(crate) async fn lock(&self, devices: &[&str], lock_all: bool) {
        let locks: serde_json::Map<String, Value> = devices
            .iter()
            .map(|name| {
                let lock = json!({
                    "lockId": "l", "itemId": "i", "planName": "count",
                    "lockedByService": "bluesky-queueserver",
                    "lockedAt": "2026-11-21T01:35:28.544336+00:00",
                });
                ((*name).to_owned(), lock)
            })
            .collect();
        let name = crds::device_locks::OBJECT_NAME;
        let spec = json!({ "epoch": "e", "version": 1, "lockAll": lock_all, "locks": locks });
        let table = DeviceLocks {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            spec: serde_json::from_value(spec).unwrap(),
        };
        let api: Api<DeviceLocks> = Api::namespaced(self.client.clone(), "default");
        match api.get_opt(name).await.unwrap() {
            None => {
                api.create(&PostParams::default(), &table).await.unwrap();
            }
            Some(mut known) => {
                known.spec = table.spec;
                api.replace(name, &PostParams::default(), &known).await.unwrap();
            }
        }
    }
}

fn unknown(body: &Value) -> bool {
    body["detail"].as_str().is_some_and(|detail| detail.ends_with("not found in the registry"))
}

/// A device of two signals, `mini:ph:det` and `mini:ph:exp`.
pub(crate) async fn pinhole(control: &Control) {
    let spec = json!({"name": "pinhole", "deviceClass": "localdevs.Det", "prefix": "mini:ph"});
    control.device(spec).await;
}

/// `{"pv_name", "value"}` for `/api/v1/pv/set`.
pub(crate) fn put(pv: &str, value: impl Into<Value>) -> Value {
    json!({ "pv_name": pv, "value": value.into() })
}
