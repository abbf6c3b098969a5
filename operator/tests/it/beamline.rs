//! An API of one machine with an operator on it, for one test.

use std::fmt::Debug;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crds::conditions::types::READY;
use embedded::Embedded;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DeleteParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Client, Resource, ResourceExt};
use operator::{Program, RunError, Settings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The namespace of every test.
pub(crate) const NAMESPACE: &str = "default";
/// Longest wait for a condition; a healthy machine needs a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time that a worker is given to end, in tests.
const GRACE: Duration = Duration::from_secs(1);

/// The API, and the operator while it runs.
pub(crate) struct Beamline {
    pub(crate) client: Client,
    pub(crate) folder: TempDir,
    _embedded: Embedded,
    operator: Option<(CancellationToken, JoinHandle<Result<(), RunError>>)>,
}

impl Beamline {
    /// An API and an operator whose workers run `script`, a shell script.
    pub(crate) async fn start(script: &str) -> Self {
        let mut beamline = Self::without_operator(crds::all()).await;
        beamline.start_operator(script);
        beamline
    }

    /// Only an API, with those kinds.
    pub(crate) async fn without_operator(crds: Vec<CustomResourceDefinition>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = embedded::Settings { path: folder.path().join("state.db"), crds };
        let embedded = Embedded::open(settings).await.unwrap();
        Self { client: embedded.client(NAMESPACE), folder, _embedded: embedded, operator: None }
    }

    /// Starts an operator whose workers run `script`, with the argument `worker` or `bluesky`.
    pub(crate) fn start_operator(&mut self, script: &str) {
        let path = self.write_script(script);
        let environment = [("FOLDER".to_owned(), self.folder.path().display().to_string())].into();
        let worker = Program { path, args: vec!["worker".to_owned()], environment };
        let bluesky = Program { args: vec!["bluesky".to_owned()], ..worker.clone() };
        self.start_operator_with(Settings { grace: GRACE, ..Settings::new(worker, bluesky) });
    }

    /// Starts an operator with those settings.
    pub(crate) fn start_operator_with(&mut self, settings: Settings) {
        let stop = CancellationToken::new();
        let running = {
            let (client, stop) = (self.client.clone(), stop.clone());
            tokio::spawn(async move { operator::run(settings, client, NAMESPACE, stop).await })
        };
        self.operator = Some((stop, running));
    }

    fn write_script(&self, script: &str) -> PathBuf {
        let path = self.folder.path().join("worker.sh");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Ends the operator in order.
    pub(crate) async fn stop_operator(&mut self) {
        let (stop, running) = self.operator.take().unwrap();
        stop.cancel();
        tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Creates the object that `yaml` describes.
    pub(crate) async fn create<K>(&self, yaml: &str) -> K
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let object: K = serde_saphyr::from_str(yaml).unwrap();
        self.api().create(&PostParams::default(), &object).await.unwrap()
    }

    /// Asks for the deletion of an object.
    pub(crate) async fn delete<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        self.api::<K>().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until `object` fulfils `condition`, and answers it.
    pub(crate) async fn wait<K>(&self, object: &str, condition: impl Fn(&K) -> bool) -> K
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let fulfilled = |found: Option<&K>| found.is_some_and(&condition);
        let waiting = await_condition(self.api::<K>(), object, fulfilled);
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found.unwrap().unwrap(),
            Err(_) => {
                let found = self.api::<K>().get_opt(object).await;
                panic!("in vain; the object is {found:#?}");
            }
        }
    }

    /// Waits until `object` does not exist.
    pub(crate) async fn wait_gone<K>(&self, object: &str)
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let waiting = await_condition(self.api::<K>(), object, |found: Option<&K>| found.is_none());
        tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    }

    /// Waits until a worker has written that file, and answers its content.
    pub(crate) async fn wait_for_file(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        let written = async {
            loop {
                if let Some(text) = complete(&path) {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, written).await.unwrap()
    }
}

fn complete(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'))
}

/// The `Ready` condition as `(status, reason)`.
pub(crate) fn ready(conditions: &[Condition]) -> Option<(&str, &str)> {
    let condition = conditions.iter().find(|condition| condition.type_ == READY)?;
    Some((&condition.status, &condition.reason))
}

/// `resourceVersion` of an object.
pub(crate) fn version(object: &impl ResourceExt) -> String {
    object.resource_version().unwrap()
}
