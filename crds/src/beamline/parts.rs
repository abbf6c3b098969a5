//! The parts of a beamline: which of them run, how many times, and their own settings.
//!
//! Settings that have no field here are given as `env`, under their upstream names.

use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements, Volume, VolumeMount};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pod::{Image, Part, PodSettings};
use super::shapes;
use crate::plan_worker::Engine;

/// Settings of the configuration API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Registry {
    /// Whether it runs.
    pub enabled: bool,
    /// Number of pods behind its service.
    #[schemars(range(min = 0, max = 100))]
    pub replicas: i32,
    /// Seconds after which an unrenewed device lock lapses; 0 means never
    /// (`CONFIG_LOCK_LEASE_TTL_SECONDS`).
    #[schemars(range(min = 0))]
    pub lock_lease_ttl_seconds: i32,
    /// What the registry API may do to git-managed devices.
    pub runtime_edits: RuntimeEdits,
    /// What a registry without devices begins with (`CONFIG_LOAD_STRATEGY`).
    pub load_strategy: LoadStrategy,
    /// The profile that it begins with: the source of a volume, such as
    /// `{configMap: {name: profile}}`, with a `happi_db.json` or a `devices.yml`. It is only read
    /// (`CONFIG_PROFILE_PATH`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::volume_source")]
    // Boxed, because a volume is several kilobytes and beamlines are moved through many stack frames.
    pub profile: Option<Box<Volume>>,
    /// Its service, its service account and where its pods run.
    #[serde(flatten)]
    pub part: Part,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            enabled: true,
            replicas: 1,
            lock_lease_ttl_seconds: 0,
            runtime_edits: RuntimeEdits::default(),
            load_strategy: LoadStrategy::default(),
            profile: None,
            part: Part::default(),
        }
    }
}

/// What the registry API may do to git-managed objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RuntimeEdits {
    /// Refuse, and say where to edit.
    #[default]
    Refuse,
    /// Edit; git wins at its next sync.
    Allow,
}

/// What a registry without devices begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LoadStrategy {
    /// What the profile has: a happi database, else a BITS device list. Nothing without a profile.
    #[default]
    Auto,
    /// Nothing.
    Empty,
    /// The happi database of the profile.
    Happi,
    /// The BITS device list of the profile.
    Bits,
    /// Three devices to try things with.
    Mock,
}

impl LoadStrategy {
    /// The word upstream.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Empty => "empty",
            Self::Happi => "happi",
            Self::Bits => "bits",
            Self::Mock => "mock",
        }
    }
}

/// Settings of direct control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Control {
    /// Whether it runs.
    pub enabled: bool,
    /// Number of pods behind its service.
    #[schemars(range(min = 0, max = 100))]
    pub replicas: i32,
    /// Refuse every write (`DIRECT_CONTROL_GLOBAL_READ_ONLY`). On unless switched off, as upstream.
    pub read_only: bool,
    /// Its service, its service account and where its pods run.
    #[serde(flatten)]
    pub part: Part,
}

impl Default for Control {
    fn default() -> Self {
        Self { enabled: true, replicas: 1, read_only: true, part: Part::default() }
    }
}

/// Settings of the queue server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueServer {
    /// Whether it runs.
    pub enabled: bool,
    /// Number of pods: one leads, the others stand by.
    #[schemars(range(min = 0, max = 10))]
    pub replicas: i32,
    /// `metadata.name` of the `Queue` that it serves (`QSERVER_QUEUE`).
    #[schemars(length(min = 1, max = 253))]
    pub queue_name: String,
    /// What runs the plans.
    pub engine: Engine,
    /// The pod of an open worker environment.
    pub worker: Worker,
    /// The container beside the worker that publishes documents, if the `Queue` has `publishers`.
    pub publisher: Publisher,
    /// Its service, its service account and where its pods run.
    #[serde(flatten)]
    pub part: Part,
}

impl Default for QueueServer {
    fn default() -> Self {
        Self {
            enabled: true,
            replicas: 1,
            queue_name: crate::queue::DEFAULT_NAME.to_owned(),
            engine: Engine::default(),
            worker: Worker::default(),
            publisher: Publisher::default(),
            part: Part::default(),
        }
    }
}

/// The pod of an open worker environment. A change holds for the next environment that is opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Worker {
    /// Its image, where it is not that of the other pods.
    pub image: Image,
    /// Name of a PersistentVolumeClaim for the documents of the runs. Without one they are gone with
    /// the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub runs_claim: Option<String>,
    /// Where it runs and what it is given, such as a volume with the profile of the site.
    #[serde(flatten)]
    pub pod: PodSettings,
}

/// The container in the pod of a worker that publishes documents. A change holds for the next
/// environment that is opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Publisher {
    /// Its image, with Python and the package `beamline-worker`; that of the worker when the worker
    /// has one of its own.
    pub image: Image,
    /// CPU and memory of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::resources")]
    pub resources: Option<ResourceRequirements>,
    /// More environment of the container, such as `TILED_API_KEY`; it wins over what the operator sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::environment")]
    pub env: Vec<EnvVar>,
    /// Where the container finds volumes of the worker.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shapes::volume_mounts")]
    pub volume_mounts: Vec<VolumeMount>,
}

/// Settings of the simulated IOC. There is one pod of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SimIoc {
    /// Whether it runs.
    pub enabled: bool,
    /// Its service, its service account and where its pod runs.
    #[serde(flatten)]
    pub part: Part,
}
