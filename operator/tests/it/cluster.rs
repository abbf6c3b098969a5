//! The operator as on a cluster: leader and standby, all namespaces. (The API of one machine has no
//! Deployments; pods are tested on a real cluster.)

use std::time::Duration;

use crds::conditions::types::READY;
use crds::{Beamline as Kind, BeamlineSpec, Device, ProcessVariable};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use operator::{ClusterSettings, RunError, Server};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::beamline::Beamline;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Replica {
    url: String,
    stop: CancellationToken,
    running: JoinHandle<Result<(), RunError>>,
}

impl Replica {
    pub(crate) async fn start(beamline: &Beamline, name: &str, watch: &str) -> Self {
        Self::start_on(&beamline.client, name, watch).await
    }

    /// A replica that talks to the API through `client`.
    pub(crate) async fn start_on(client: &Client, name: &str, watch: &str) -> Self {
        Self::start_in("default", client, name, watch).await
    }

    /// A replica of the operator in that namespace.
    async fn start_in(operator: &str, client: &Client, name: &str, watch: &str) -> Self {
        let settings = ClusterSettings {
            watch_namespace: watch.to_owned(),
            operator_namespace: operator.to_owned(),
            pod_name: Some(name.to_owned()),
            image: Some("localhost/beamline:dev".to_owned()),
            listen: "127.0.0.1:0".to_owned(),
        };
        let server = Server::bind(settings).await.unwrap();
        let url = format!("http://{}", server.addr());
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.serve(client.clone(), stop.clone()));
        Self { url, stop, running }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn wait_for(&self, path: &str, holds: impl Fn(u16, &Value) -> bool) -> Value {
        let answered = async {
            loop {
                let (status, body) = self.get(path).await;
                if holds(status, &body) {
                    return body;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.unwrap()
    }

    pub(crate) async fn end(self) -> Result<(), RunError> {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running).await.unwrap().unwrap()
    }
}

fn device(name: &str) -> Device {
    serde_json::from_value(json!({
        "apiVersion": "beamline.dev/v1alpha1", "kind": "Device", "metadata": {"name": name},
        "spec": {"name": name, "deviceClass": "x.Y", "pvs": {"v": "P:v"}},
    }))
    .unwrap()
}

async fn create_and_wait(beamline: &Beamline, namespace: &str, name: &str) {
    let api: Api<Device> = Api::namespaced(beamline.client.clone(), namespace);
    api.create(&PostParams::default(), &device(name)).await.unwrap();
    let is_ready = |found: Option<&Device>| {
        let conditions = found.and_then(|one| one.status.as_ref()).map(|one| &one.conditions);
        conditions.into_iter().flatten().any(|one| one.type_ == READY && one.status == "True")
    };
    tokio::time::timeout(PATIENCE, await_condition(api, name, is_ready)).await.unwrap().unwrap();
}

async fn namespace(beamline: &Beamline, name: &str) {
    let object: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    Api::all(beamline.client.clone()).create(&PostParams::default(), &object).await.unwrap();
}

#[tokio::test]
async fn a_standby_knows_everything_and_takes_over_in_all_namespaces_when_the_leader_goes() {
    let beamline = Beamline::without_operator(crds::all()).await;
    namespace(&beamline, "hall-a").await;
    namespace(&beamline, "hall-b").await;
    let first = Replica::start(&beamline, "first", "").await;
    first.wait_for("/ready", |status, body| status == 200 && body["status"] == "ready").await;
    let second = Replica::start(&beamline, "second", "").await;
    second.wait_for("/ready", |status, body| status == 200 && body["status"] == "standby").await;
    let state = second.wait_for("/diagnostics", |_, body| body["role"] == "standby").await;
    assert_eq!(state["leader"], "first");
    assert_eq!(state["watches"]["device watch"]["known"], true);
    // The same device in two namespaces is no conflict.
    create_and_wait(&beamline, "hall-a", "same").await;
    create_and_wait(&beamline, "hall-b", "same").await;
    let (_, state) = second.get("/diagnostics").await;
    assert_eq!(state["controllers"], json!({}), "a standby reconciles nothing");
    first.end().await.unwrap();
    second.wait_for("/ready", |_, body| body["status"] == "ready").await;
    create_and_wait(&beamline, "hall-a", "later").await;
    second.end().await.unwrap();
}

#[tokio::test]
async fn an_operator_of_one_namespace_leaves_the_others_alone() {
    let beamline = Beamline::without_operator(crds::all()).await;
    namespace(&beamline, "hall-a").await;
    namespace(&beamline, "hall-b").await;
    let only = Replica::start(&beamline, "only", "hall-a").await;
    let other: Api<Device> = Api::namespaced(beamline.client.clone(), "hall-b");
    other.create(&PostParams::default(), &device("left-alone")).await.unwrap();
    create_and_wait(&beamline, "hall-a", "cared-for").await;
    let status = other.get("left-alone").await.unwrap().status.unwrap_or_default();
    assert_eq!((status.observed_generation, status.conditions), (Some(-1), vec![]));
    only.end().await.unwrap();
}

#[tokio::test]
async fn of_two_operators_one_looks_after_a_beamline_and_the_other_when_that_one_is_gone() {
    let beamline = Beamline::without_operator(crds::all()).await;
    for name in ["hall-a", "ops-a", "ops-b"] {
        namespace(&beamline, name).await;
    }
    let api: Api<Kind> = Api::namespaced(beamline.client.clone(), "hall-a");
    let object = Kind::new("bl01", BeamlineSpec::default());
    api.create(&PostParams::default(), &object).await.unwrap();
    let claimed_by = async |operator: &str| {
        let is = |found: Option<&Kind>| {
            let status = found.and_then(|one| one.status.as_ref());
            status.and_then(|status| status.operator.as_deref()) == Some(operator)
        };
        let wait = await_condition(api.clone(), "bl01", is);
        tokio::time::timeout(PATIENCE, wait).await.unwrap().unwrap();
    };
    let first = Replica::start_in("ops-a", &beamline.client, "first", "").await;
    claimed_by("ops-a").await;
    let second = Replica::start_in("ops-b", &beamline.client, "second", "").await;
    let failing = "/controllers/beamline/failing/hall-a~1bl01";
    let state = second.wait_for("/diagnostics", |_, body| body.pointer(failing).is_some()).await;
    let said = state.pointer(failing).unwrap().to_string();
    assert!(said.contains("the operator in namespace 'ops-a' looks after it"), "{said}");

    // The annotation hands it over, and the first lets go.
    let ask = |operator: &str| {
        Patch::Merge(json!({"metadata": {"annotations": {"beamline.dev/operator": operator}}}))
    };
    api.patch("bl01", &PatchParams::default(), &ask("ops-b")).await.unwrap();
    claimed_by("ops-b").await;
    first.wait_for("/diagnostics", |_, body| body.pointer(failing).is_some()).await;

    // Without it, the lease of the one that is gone decides.
    second.end().await.unwrap();
    let leases: Api<Lease> = Api::namespaced(beamline.client.clone(), "ops-b");
    let mut lease = leases.get("beamline-operator").await.unwrap();
    let long_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    lease.spec.as_mut().unwrap().renew_time = Some(MicroTime(long_ago));
    leases.replace("beamline-operator", &PostParams::default(), &lease).await.unwrap();
    let nobody = Patch::Merge(json!({"metadata": {"annotations": null}}));
    api.patch("bl01", &PatchParams::default(), &nobody).await.unwrap();
    claimed_by("ops-a").await;
    first.end().await.unwrap();
}

#[tokio::test]
async fn an_operator_whose_lease_another_takes_ends_with_an_error() {
    let beamline = Beamline::without_operator(crds::all()).await;
    let replica = Replica::start(&beamline, "robbed", "").await;
    replica.wait_for("/ready", |_, body| body["status"] == "ready").await;
    let leases: Api<Lease> = Api::namespaced(beamline.client.clone(), "default");
    let mut lease = leases.get("beamline-operator").await.unwrap();
    lease.spec.as_mut().unwrap().holder_identity = Some("thief".to_owned());
    leases.replace("beamline-operator", &PostParams::default(), &lease).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, replica.running).await.unwrap().unwrap();
    assert!(matches!(ended, Err(RunError::LeaseLost(_))), "{ended:?}");
}

#[tokio::test]
async fn readiness_names_every_kind_that_is_not_installed() {
    let without: Vec<_> =
        crds::all().into_iter().filter(|crd| crd.spec.names.kind != "ProcessVariable").collect();
    let beamline = Beamline::without_operator(without).await;
    let replica = Replica::start(&beamline, "early", "").await;
    let body = replica
        .wait_for("/ready", |status, body| {
            status == 503 && body["pending"].as_array().is_some_and(|all| all.len() == 1)
        })
        .await;
    let pending = body["pending"][0].as_str().unwrap();
    assert!(pending.starts_with("process variable watch: "), "{pending}");
    let health = replica.get("/health").await;
    assert_eq!(health.0, 200);
    // The other kinds are looked after all the same.
    create_and_wait(&beamline, "default", "one").await;
    let pvs: Api<ProcessVariable> = Api::namespaced(beamline.client.clone(), "default");
    assert!(pvs.list(&Default::default()).await.is_err());
    replica.end().await.unwrap();
}
