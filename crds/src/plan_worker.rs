//! `PlanWorker`: one open worker environment. The operator turns it into a process or a pod.

#![allow(unreachable_pub, reason = "KubeSchema derives a hidden twin of the spec")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::Profile;
use crate::publishers::Publishers;
use crate::schema::conditions;
use crate::suspender::Suspender;

/// One open worker environment: what runs plans, and where it reports to.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "beamline.dev",
    version = "v1alpha1",
    kind = "PlanWorker",
    namespaced,
    shortname = "pw",
    category = "beamline-all",
    cel,
    status = "PlanWorkerStatus",
    derive = "PartialEq",
    doc = "One open worker environment. Created and deleted by the queue server, run by the operator.",
    printcolumn(
        name = "Queue",
        type_ = "string",
        json_path = ".spec.queue",
        description = "Queue that it works for"
    ),
    printcolumn(
        name = "Engine",
        type_ = "string",
        json_path = ".spec.engine",
        description = "What runs the plans"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Started"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is ready or not"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("a worker cannot change: delete it and create another"))]
pub struct PlanWorkerSpec {
    /// `metadata.name` of the queue that it works for.
    #[schemars(length(min = 1, max = 253))]
    pub queue: String,
    /// What runs the plans.
    #[serde(default)]
    pub engine: Engine,
    /// The profile that the bluesky engine opens.
    #[serde(default, skip_serializing_if = "Profile::is_default")]
    pub profile: Profile,
    /// Where the documents of its runs are published.
    #[serde(default, skip_serializing_if = "Publishers::is_default")]
    pub publishers: Publishers,
    /// What makes its plans wait.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub suspenders: Vec<Suspender>,
    /// WebSocket address of the queue pod that the worker connects out to first. Later ones are in the
    /// status of the queue.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^wss?://"))]
    pub connect_to: String,
    /// Name of the Secret whose key `token` admits the worker: the first process that brings it.
    #[schemars(length(min = 1, max = 253))]
    pub token_secret: String,
    /// Epoch of the queue's lease; the worker refuses commands of an older one.
    #[serde(default)]
    pub epoch: i64,
    /// How long the worker goes on with its plan when it has lost its queue server, in seconds. With 0
    /// it stops at once, and no other queue server takes it over.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3600))]
    pub orphan_grace_seconds: i32,
}

impl PlanWorkerSpec {
    /// What the worker reads from its environment of its queue's wishes.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut all = self.profile.environment();
        all.extend(Suspender::environment(&self.suspenders));
        all
    }
}

/// What runs plans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The Rust engine: standard plans over registry devices and simulated ones.
    #[default]
    Native,
    /// The real RunEngine of bluesky, with the Python profile of the site.
    Bluesky,
}

/// What became of a worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PlanWorkerStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: the process or pod was started; its reason says when it ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Process id on one machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Exit code or signal, once it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub exit: Option<String>,
}
