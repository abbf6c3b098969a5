//! A queue server on a fresh embedded API, with somebody in the operator's place.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use crds::{Queue, QueueItem};
use embedded::Embedded;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use queue_pod::{Server, Settings};
use serde_json::{Value, json};
use service::access::Secret;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fake_worker;

/// Long enough for a busy machine; nothing waits for it in a run that passes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const NAMESPACE: &str = "default";

/// What writes of items pass through: counted, and refused once as many as allowed have passed.
#[derive(Debug)]
pub(crate) struct Writes {
    passed: AtomicUsize,
    allowed: AtomicUsize,
    /// Writes of anything but the lease.
    all: AtomicUsize,
    cut: AtomicBool,
}

impl Writes {
    fn new(allowed: usize) -> Arc<Self> {
        Arc::new(Self {
            passed: AtomicUsize::new(0),
            allowed: AtomicUsize::new(allowed),
            all: AtomicUsize::new(0),
            cut: AtomicBool::new(false),
        })
    }

    /// Writes of items so far.
    pub(crate) fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }

    /// Writes of anything but the lease so far.
    pub(crate) fn all(&self) -> usize {
        self.all.load(Ordering::SeqCst)
    }

    /// Whether the API is out of reach.
    pub(crate) fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    /// Refuses everything after that many more writes of items.
    pub(crate) fn allow(&self, more: usize) {
        self.allowed.store(self.passed() + more, Ordering::SeqCst);
    }

    async fn watch(State(writes): State<Arc<Self>>, request: Request, next: Next) -> Response {
        if writes.cut.load(Ordering::SeqCst) {
            return (StatusCode::SERVICE_UNAVAILABLE, Body::empty()).into_response();
        }
        let path = request.uri().path();
        let counts = request.method() != Method::GET && !path.contains("/leases");
        let is_item = path.contains("/queueitems");
        let decides = is_item || path.contains("/queues/");
        let is_write = request.method() != Method::GET;
        if decides && writes.passed() >= writes.allowed.load(Ordering::SeqCst) {
            return (StatusCode::SERVICE_UNAVAILABLE, Body::empty()).into_response();
        }
        let response = next.run(request).await;
        if counts && response.status().is_success() {
            writes.all.fetch_add(1, Ordering::SeqCst);
        }
        if is_item && is_write && response.status().is_success() {
            writes.passed.fetch_add(1, Ordering::SeqCst);
        }
        response
    }
}

/// The API of one machine, in a folder that outlives servers.
pub(crate) struct Machine {
    pub(crate) embedded: Embedded,
    _folder: TempDir,
}

impl Machine {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let embedded = open(folder.path()).await;
        Self { embedded, _folder: folder }
    }

    pub(crate) fn client(&self) -> Client {
        self.embedded.client(NAMESPACE)
    }

    pub(crate) fn items(&self) -> Api<QueueItem> {
        Api::namespaced(self.client(), NAMESPACE)
    }

    /// Merges that into the spec of the queue.
    pub(crate) async fn configure(&self, spec: Value) {
        let queues: Api<Queue> = Api::namespaced(self.client(), NAMESPACE);
        let patch = Patch::Merge(json!({ "spec": spec }));
        queues.patch("main", &PatchParams::default(), &patch).await.unwrap();
    }

    /// A server whose items can be written as often as it likes.
    pub(crate) async fn serve(&self) -> Pod {
        self.serve_with(usize::MAX, alone()).await
    }

    /// A server that the API answers no more after that many writes of items.
    pub(crate) async fn serve_with(&self, allowed: usize, settings: Settings) -> Pod {
        let pod = self.start(allowed, settings).await;
        pod.is_ready().await;
        pod
    }

    /// A server of several: known by that name, its workers go on without it.
    pub(crate) async fn one_of_several(&self, holder: &str) -> Pod {
        let holder = Some(holder.to_owned());
        self.serve_with(usize::MAX, Settings { holder, ..Settings::default() }).await
    }

    /// A server that may not be ready yet.
    async fn start(&self, allowed: usize, settings: Settings) -> Pod {
        let writes = Writes::new(allowed);
        let router = self
            .embedded
            .router()
            .layer(middleware::from_fn_with_state(writes.clone(), Writes::watch));
        Pod::start(Client::new(router, NAMESPACE), writes, settings).await
    }
}

/// Settings of a server whose workers end with it, as on one machine.
pub(crate) fn alone() -> Settings {
    Settings { orphan_grace_s: 0, ..Settings::default() }
}

async fn open(folder: &Path) -> Embedded {
    let settings = embedded::Settings { path: folder.join("state.db"), crds: crds::all() };
    Embedded::open(settings).await.unwrap()
}

/// A running queue server.
pub(crate) struct Pod {
    pub(crate) url: String,
    pub(crate) control: String,
    pub(crate) info: String,
    pub(crate) writes: Arc<Writes>,
    http: reqwest::Client,
    shutdown: CancellationToken,
    server: JoinHandle<Result<(), queue_pod::ServeError>>,
}

impl Pod {
    async fn start(client: Client, writes: Arc<Writes>, settings: Settings) -> Self {
        let local = |scheme: &str| format!("{scheme}127.0.0.1:0");
        let settings = Settings {
            http: local(""),
            zmq_control: local("tcp://"),
            zmq_info: local("tcp://"),
            holder: settings.holder.or_else(|| Some("the only one".to_owned())),
            ..settings
        };
        let key = settings.access.single_user_api_key.clone();
        let server = Server::bind(settings).await.unwrap();
        let url = format!("http://{}", server.http_addr());
        let control = format!("tcp://{}", server.zmq_control_addr());
        let info = format!("tcp://{}", server.zmq_info_addr().unwrap());
        let shutdown = CancellationToken::new();
        let served = server.serve(client, NAMESPACE.to_owned(), shutdown.clone());
        Self {
            url,
            control,
            info,
            writes,
            http: http_client(key),
            shutdown,
            server: tokio::spawn(served),
        }
    }

    async fn is_ready(&self) {
        self.until("the server is ready", async |pod| pod.ready().await.is_some()).await;
    }

    /// What a ready server says of itself.
    pub(crate) async fn ready(&self) -> Option<String> {
        let answer = self.http.get(format!("{}/ready", self.url)).send().await.ok()?;
        let answer = answer.error_for_status().ok()?.json::<Value>().await.ok()?;
        answer["status"].as_str().map(str::to_owned)
    }

    /// Status code and body of a request that may be refused as a whole.
    pub(crate) async fn try_get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        let code = StatusCode::from_u16(answer.status().as_u16()).unwrap();
        (code, answer.json().await.unwrap_or_default())
    }

    /// Ends the server in good order.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, &mut self.server).await.unwrap().unwrap().unwrap();
    }

    /// Waits until the server has ended in good order, because somebody asked it to.
    pub(crate) async fn ends_by_itself(mut self) {
        tokio::time::timeout(PATIENCE, &mut self.server).await.unwrap().unwrap().unwrap();
    }

    /// Ends the server as `kill -9` would: nothing of it runs any more.
    pub(crate) async fn kill(mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, json!({})).await
    }

    pub(crate) async fn get_with(&self, path: &str, body: Value) -> Value {
        self.send(Method::GET, path, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.send(Method::POST, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.http.request(method, format!("{}/api{path}", self.url)).json(&body);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A POST that has to succeed.
    pub(crate) async fn must(&self, path: &str, body: Value) -> Value {
        let reply = self.post(path, body).await;
        assert_eq!(reply["success"], true, "{path}: {reply}");
        reply
    }

    pub(crate) async fn status(&self) -> Value {
        self.get("/status").await
    }

    /// Adds a plan of the fake worker and answers its uid.
    pub(crate) async fn add(&self, plan: &str) -> String {
        let reply = self.must("/queue/item/add", json!({ "item": item(plan) })).await;
        reply["item"]["item_uid"].as_str().unwrap().to_owned()
    }

    /// Names of the plans in the queue.
    pub(crate) async fn queued(&self) -> Vec<String> {
        let reply = self.get("/queue/get").await;
        let items = reply["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn history(&self) -> Vec<Value> {
        self.get("/history/get").await["items"].as_array().unwrap().clone()
    }

    /// Waits until the manager is in that state.
    pub(crate) async fn manager(&self, state: &str) {
        self.until(state, async |pod| pod.status().await["manager_state"] == state).await;
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !holds(self).await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(waited.await.is_ok(), "not reached: {what}");
    }
}

/// A client that shows the key of the server, if it has one.
fn http_client(key: Option<Secret>) -> reqwest::Client {
    let mut shown = HeaderMap::new();
    if let Some(key) = key {
        let text = format!("ApiKey {}", key.reveal());
        shown.insert(header::AUTHORIZATION, text.parse().unwrap());
    }
    reqwest::Client::builder().default_headers(shown).build().unwrap()
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A plan item.
pub(crate) fn item(plan: &str) -> Value {
    json!({ "name": plan, "item_type": "plan" })
}

/// A server with an open environment, whose worker runs the plans of [`fake_worker`].
pub(crate) async fn opened(machine: &Machine) -> (Pod, fake_worker::Operator) {
    opened_with(machine, alone()).await
}

/// The same with other settings.
pub(crate) async fn opened_with(
    machine: &Machine,
    settings: Settings,
) -> (Pod, fake_worker::Operator) {
    let pod = machine.serve_with(usize::MAX, settings).await;
    let operator = fake_worker::Operator::start(machine.client());
    pod.must("/environment/open", json!({})).await;
    pod.until("the environment is open", async |pod| {
        pod.status().await["worker_environment_exists"] == true
    })
    .await;
    (pod, operator)
}
