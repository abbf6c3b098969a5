//! Thousands of devices: what happens costs what it concerns, not what there is. `make bench-cluster` has ten thousand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use crds::conditions::{is_true, types::READY};
use crds::{Device, DeviceClass};
use embedded::Embedded;
use futures::{StreamExt, stream};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::cluster::Replica;

const DEVICES: usize = 2_000;
/// A debug build on a busy machine takes a minute for all of them.
const PATIENCE: Duration = Duration::from_secs(600);

/// Counts the writes to the status of devices.
async fn count(State(writes): State<Arc<AtomicUsize>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_status = path.contains("/devices/") && path.ends_with("/status");
    if is_status && request.method() != Method::GET {
        writes.fetch_add(1, Ordering::SeqCst);
    }
    next.run(request).await
}

fn device(name: &str) -> Device {
    let spec = json!({"name": name, "deviceClass": "lab.Stage", "prefix": format!("LAB:{name}")});
    Device::new(name, serde_json::from_value(spec).unwrap())
}

fn class(path: &str, label: &str) -> DeviceClass {
    let spec = json!({
        "classPath": path, "deviceLabel": label, "behaviour": "Composite",
        "components": [{"name": "x", "suffix": ":X"}],
    });
    DeviceClass::new(&path.to_lowercase(), serde_json::from_value(spec).unwrap())
}

struct World {
    _folder: tempfile::TempDir,
    _embedded: Embedded,
    client: Client,
    counted: Client,
    writes: Arc<AtomicUsize>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let settings = embedded::Settings { path, crds: crds::all() };
        let embedded = Embedded::open(settings).await.unwrap();
        let writes = Arc::new(AtomicUsize::new(0));
        let counter = middleware::from_fn_with_state(Arc::clone(&writes), count);
        let counted = Client::new(embedded.router().layer(counter), "default");
        let client = embedded.client("default");
        Self { _folder: folder, _embedded: embedded, client, counted, writes }
    }

    fn devices(&self) -> Api<Device> {
        Api::namespaced(self.client.clone(), "default")
    }

    fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    async fn ready(&self) -> usize {
        let all = self.devices().list(&ListParams::default()).await.unwrap();
        let is_ready = |device: &&Device| {
            device.status.as_ref().is_some_and(|status| is_true(&status.conditions, READY))
        };
        all.iter().filter(is_ready).count()
    }

    async fn wait(&self, name: &str, holds: impl Fn(&Device) -> bool) {
        let is = |found: Option<&Device>| found.is_some_and(&holds);
        let waiting = await_condition(self.devices(), name, is);
        tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    }
}

/// Reconciles of devices so far, once there were none for a moment.
async fn settled(operator: &Replica) -> u64 {
    let reconciles = async || {
        let (_, state) = operator.get("/diagnostics").await;
        state["controllers"]["device"]["reconciles"].as_u64().unwrap_or_default()
    };
    let mut before = reconciles().await;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = reconciles().await;
        if now == before {
            return now;
        }
        before = now;
    }
}

fn is_leading(status: u16, body: &Value) -> bool {
    status == 200 && body["status"] == "ready"
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_thousands_of_devices_is_written_once_and_a_change_costs_what_it_concerns() {
    let world = World::new().await;
    let classes: Api<DeviceClass> = Api::namespaced(world.client.clone(), "default");
    let params = PostParams::default();
    classes.create(&params, &class("lab.Stage", "motor")).await.unwrap();
    let operator = Replica::start_on(&world.counted, "first", "default").await;
    operator.wait_for("/ready", is_leading).await;
    let devices = world.devices();
    let created = stream::iter(0..DEVICES).map(|number| {
        let (devices, params) = (devices.clone(), PostParams::default());
        async move { devices.create(&params, &device(&format!("d{number}"))).await.map(drop) }
    });
    let created: Vec<_> = created.buffer_unordered(16).collect().await;
    assert!(created.iter().all(Result::is_ok));
    let all_ready = async {
        while world.writes() < DEVICES || world.ready().await < DEVICES {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_ready).await.unwrap();
    let reconciles = settled(&operator).await;
    assert_eq!(world.writes(), DEVICES, "each is written once");
    // Once when it was made, and once more when its status was written.
    assert!(reconciles <= 2 * DEVICES as u64, "{reconciles} reconciles");

    // One is changed.
    let edit = Patch::Merge(json!({"spec": {"active": false}}));
    devices.patch("d7", &PatchParams::default(), &edit).await.unwrap();
    world.wait("d7", |device| !is_true(&device.status.as_ref().unwrap().conditions, READY)).await;
    // One comes that claims a name that is taken, and goes again with its owner.
    let mut rival = device("d8");
    rival.metadata.name = Some("rival".to_owned());
    devices.create(&params, &rival).await.unwrap();
    let is_judged = |device: &Device| {
        let status = device.status.as_ref().unwrap();
        status.observed_generation == device.metadata.generation
    };
    world.wait("rival", is_judged).await;
    devices.delete("d8", &DeleteParams::default()).await.unwrap();
    world.wait("rival", |device| is_true(&device.status.as_ref().unwrap().conditions, READY)).await;
    // A class comes that nobody uses.
    classes.create(&params, &class("lab.Other", "motor")).await.unwrap();
    let few = settled(&operator).await - reconciles;
    assert!(few <= 12, "{few} reconciles of {DEVICES} devices");
    assert_eq!(world.writes() - DEVICES, 3);
    operator.end().await.unwrap();

    // Another operator finds nothing to do.
    let before = world.writes();
    let operator = Replica::start_on(&world.counted, "second", "default").await;
    operator.wait_for("/ready", is_leading).await;
    let all_seen = |_: u16, state: &Value| {
        state["controllers"]["device"]["reconciles"].as_u64() >= Some(DEVICES as u64)
    };
    operator.wait_for("/diagnostics", all_seen).await;
    settled(&operator).await;
    assert_eq!(world.writes(), before);
    // The class of all of them is changed: now each is concerned, once.
    let label = Patch::Merge(json!({"spec": {"deviceLabel": "detector"}}));
    classes.patch("lab.stage", &PatchParams::default(), &label).await.unwrap();
    let is_detector = |device: &Device| {
        let label = device.status.as_ref().and_then(|status| status.device_label);
        label.is_some_and(|label| label.as_str() == "detector")
    };
    for name in ["d0", "d7", "d1999", "rival"] {
        world.wait(name, is_detector).await;
    }
    settled(&operator).await;
    assert_eq!(world.writes() - before, DEVICES);
    operator.end().await.unwrap();
}
