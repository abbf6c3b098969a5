//! The API servers that the suite runs against.

use std::sync::atomic::{AtomicU32, Ordering};

use embedded::{Embedded, Settings};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// One API server and a namespace of the test's own in it.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// Where it listens; absent in process and on a cluster.
    pub(crate) url: Option<String>,
    /// Whether this is a real API server, whose texts and timing may differ in places that are said in the test.
    pub(crate) real: bool,
    own: Option<Own>,
}

struct Own {
    embedded: std::sync::Arc<Embedded>,
    shutdown: CancellationToken,
    serving: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
    _folder: tempfile::TempDir,
}

/// The object as the operator leaves it, with a status. Before, a real API server shows the default of the status without
/// having it, and stores it with the first write, even with one that changes nothing.
pub(crate) async fn observed<K>(api: &Api<K>, name: &str) -> K
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let seen = Patch::Merge(json!({ "status": { "observedGeneration": 1 } }));
    api.patch_status(name, &PatchParams::default(), &seen).await.unwrap()
}

/// A fresh embedded API whose client needs no network.
pub(crate) async fn in_process() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let embedded = open(folder.path()).await;
    let client = embedded.client("test");
    finish(client, None, own(embedded, folder)).await
}

/// A fresh embedded API behind a loopback port.
pub(crate) async fn on_loopback() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let embedded = std::sync::Arc::new(open(folder.path()).await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn({
        let (embedded, shutdown) = (embedded.clone(), shutdown.clone());
        async move { embedded.serve(listener, shutdown).await }
    });
    let mut config = kube::Config::new(url.parse().unwrap());
    config.default_namespace = "test".to_owned();
    let client = Client::try_from(config).unwrap();
    let own = Own { embedded, shutdown, serving: Some(serving), _folder: folder };
    finish(client, Some(url), own).await
}

/// The cluster of `KUBECONFIG`. Installs our definitions there.
pub(crate) async fn on_cluster() -> Server {
    let allowed = std::env::var("BEAMLINE_CONFORMANCE_CLUSTER").as_deref() == Ok("1");
    assert!(allowed, "set BEAMLINE_CONFORMANCE_CLUSTER=1 to let the suite change the cluster");
    let client = Client::try_default().await.expect("KUBECONFIG names a cluster");
    install(&client).await;
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let namespace = format!("conformance-{}-{number}", std::process::id());
    create_namespace(&client, &namespace).await;
    Server { client, namespace, url: None, real: true, own: None }
}

async fn install(client: &Client) {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = kube::api::PatchParams::apply("conformance").force();
    for crd in crds::all() {
        let name = crd.metadata.name.clone().unwrap();
        api.patch(&name, &params, &kube::api::Patch::Apply(&crd)).await.unwrap();
        let established = kube::runtime::conditions::is_crd_established();
        kube::runtime::wait::await_condition(api.clone(), &name, established).await.unwrap();
    }
}

/// Opens the API in a folder.
pub(crate) async fn open(folder: &std::path::Path) -> Embedded {
    let path = folder.join("state.db");
    Embedded::open(Settings { path, crds: crds::all() }).await.unwrap()
}

fn own(embedded: Embedded, folder: tempfile::TempDir) -> Own {
    Own {
        embedded: std::sync::Arc::new(embedded),
        shutdown: CancellationToken::new(),
        serving: None,
        _folder: folder,
    }
}

async fn create_namespace(client: &Client, name: &str) {
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    let api: Api<Namespace> = Api::all(client.clone());
    api.create(&PostParams::default(), &namespace).await.unwrap();
}

async fn finish(client: Client, url: Option<String>, own: Own) -> Server {
    create_namespace(&client, "test").await;
    Server { client, namespace: "test".to_owned(), url, real: false, own: Some(own) }
}

impl Server {
    /// A typed API in the test's namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Shuts it down, or removes the namespace on a cluster. The listener must end by itself.
    pub(crate) async fn end(self) {
        match self.own {
            None => {
                let api: Api<Namespace> = Api::all(self.client);
                api.delete(&self.namespace, &DeleteParams::default()).await.unwrap();
            }
            Some(Own { embedded, shutdown, serving, _folder }) => {
                shutdown.cancel();
                if let Some(serving) = serving {
                    serving.await.unwrap().unwrap();
                }
                std::sync::Arc::into_inner(embedded).unwrap().close().await;
            }
        }
    }
}

/// Runs one test against every server that there is.
macro_rules! conformance {
    ($($(#[$doc:meta])* async fn $name:ident($server:ident: &Server) $body:block)*) => {$(
        mod $name {
            use super::*;
            use crate::server;

            async fn check($server: &Server) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_process() {
                let server = server::in_process().await;
                check(&server).await;
                server.end().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_loopback() {
                let server = server::on_loopback().await;
                check(&server).await;
                server.end().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs a cluster: KUBECONFIG, BEAMLINE_CONFORMANCE_CLUSTER=1 and --include-ignored"]
            async fn on_a_real_api_server() {
                let server = server::on_cluster().await;
                check(&server).await;
                server.end().await;
            }
        }
    )*};
}
pub(crate) use conformance;

/// The `Status` of a refused request: code and reason.
pub(crate) fn refusal<T: std::fmt::Debug>(result: kube::Result<T>) -> kube::core::Status {
    match result {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("not refused: {other:?}"),
    }
}

/// A valid device.
pub(crate) fn device(name: &str) -> crds::Device {
    let spec = json!({"name": name, "deviceClass": "ophyd.EpicsMotor", "prefix": "sim:mtr1"});
    crds::Device::new(name, serde_json::from_value(spec).unwrap())
}
