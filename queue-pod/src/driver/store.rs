//! The resources: reading all of them, and carrying out writes with their preconditions and a deadline.

use std::time::Duration;

use crds::queue::{QueueLeader, QueueSpec, QueueStatus};
use crds::{Queue, QueueItem};
use futures::{StreamExt, stream};
use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch as JsonPatch, PatchOperation, ReplaceOperation, TestOperation};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::locks::{LockError, Locks};
use super::supply::Supply;
use crate::machine::{Snapshot, Stored, Write, WriteError, Writes};
use crate::manifest;
use crate::queue::Object;
use service::lease::Tenure;

/// Field manager of everything that the queue server writes.
pub(super) const MANAGER: &str = "beamline-queue";
/// Longest time that one write or read may take. Clients of the queue protocol give up after 2 to 5 s.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
/// Writes that are under way at the same time: what API servers like to see from one client.
pub(super) const SIDE_BY_SIDE: usize = 16;
/// Items of one page of a list.
const PAGE: u32 = 500;

/// The resources of one queue, under one tenure.
///
/// Nothing is written without being sure of the lease, and what a leader that is none any more may still have under way does no
/// harm: items are written under the version and uid that were seen last, the spec of the queue under the version that still had
/// this leader in its status, and the API refuses a status of an earlier leader.
#[derive(Clone, Debug)]
pub(super) struct Store {
    items: Api<QueueItem>,
    queues: Api<Queue>,
    queue: String,
    leader: QueueLeader,
    tenure: Tenure,
    locks: Locks,
    supply: Supply,
}

/// Why the resources could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// The API refused.
    #[error("the Kubernetes API refused: {0}")]
    Refused(#[from] kube::Error),
    /// The API did not answer.
    #[error("the Kubernetes API did not answer in time")]
    TimedOut(#[from] tokio::time::error::Elapsed),
    /// The queue has had a leader of a later epoch.
    #[error("a queue server of the later epoch {0} has led already")]
    Behind(i64),
}

impl Store {
    pub(super) fn new(
        client: &Client,
        namespace: &str,
        queue: &str,
        leader: QueueLeader,
        tenure: Tenure,
        locks: Locks,
        supply: Supply,
    ) -> Self {
        Self {
            items: Api::namespaced(client.clone(), namespace),
            queues: Api::namespaced(client.clone(), namespace),
            queue: queue.to_owned(),
            leader,
            tenure,
            locks,
            supply,
        }
    }

    /// Everything that is stored. The queue is created when it does not exist, and says who leads it before anything else is read.
    pub(super) async fn load(&self) -> Result<Snapshot, LoadError> {
        let queue = tokio::time::timeout(DEADLINE, self.led_queue()).await??;
        let locked = tokio::time::timeout(DEADLINE, self.locks.items()).await??;
        let mut items = Vec::new();
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = tokio::time::timeout(DEADLINE, self.items.list(&params)).await??;
            items.extend(page.items.into_iter().filter(|item| item.spec.queue == self.queue));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(Snapshot { items, queue, awaited: None, locked }),
            }
        }
    }

    /// The queue, with us as its leader.
    async fn led_queue(&self) -> Result<Queue, LoadError> {
        let queue = self.queue().await?;
        let led = queue.status.as_ref().and_then(|status| status.leader.as_ref());
        match led {
            Some(led) if *led == self.leader => Ok(queue),
            Some(led) if led.epoch >= self.leader.epoch => Err(LoadError::Behind(led.epoch)),
            _ => {
                let patch = Patch::Merge(json!({ "status": { "leader": self.leader } }));
                count("leader");
                Ok(self.queues.patch_status(&self.queue, &params(), &patch).await?)
            }
        }
    }

    async fn queue(&self) -> Result<Queue, kube::Error> {
        if let Some(queue) = self.queues.get_opt(&self.queue).await? {
            return Ok(queue);
        }
        let fresh = Queue::new(&self.queue, QueueSpec::default());
        self.queues.create(&post(), &fresh).await
    }

    /// Carries out the stages one after the other. All writes of a stage are carried out even when one of them fails.
    pub(super) async fn write(&self, writes: Writes) -> Result<Vec<Stored>, WriteError> {
        let mut all = Vec::new();
        for mut stage in writes {
            stage.iter_mut().for_each(|write| follow_on(write, &all));
            let outcomes: Vec<_> = stream::iter(stage)
                .map(|write| self.write_one(write))
                .buffered(SIDE_BY_SIDE)
                .collect()
                .await;
            for outcome in outcomes {
                all.push(outcome?);
            }
        }
        Ok(all)
    }

    async fn write_one(&self, write: Write) -> Result<Stored, WriteError> {
        let (_, name) = describe(&write, &self.queue);
        if !self.tenure.is_sure() {
            let text = format!("{name} was not stored: this queue server may not lead any more");
            return Err(WriteError { text, ..WriteError::default() });
        }
        let written = tokio::time::timeout(DEADLINE, self.perform(write)).await;
        match written {
            Ok(Ok(stored)) => Ok(stored),
            Ok(Err(PerformError::NotNow(text))) => {
                Err(WriteError { not_now: true, text, ..WriteError::default() })
            }
            Ok(Err(PerformError::Refused(kube::Error::Api(status)))) if status.code == 409 => {
                let text = format!("{name} was changed by somebody else; please repeat");
                Err(WriteError { conflict: true, text, ..WriteError::default() })
            }
            Ok(Err(PerformError::Refused(kube::Error::Api(status)))) => {
                let text = format!("{name} could not be stored: {}", status.message);
                Err(WriteError { conflict: status.code == 404, text, ..WriteError::default() })
            }
            Ok(Err(PerformError::Refused(error))) => {
                let text = format!("{name} could not be stored: {error}");
                Err(WriteError { text, ..WriteError::default() })
            }
            Err(_) => {
                let text = format!("{name} was not stored in time; it may still appear");
                Err(WriteError { text, ..WriteError::default() })
            }
        }
    }

    async fn perform(&self, write: Write) -> Result<Stored, PerformError> {
        match write {
            Write::Supply(worker) => {
                let told = self.supply.update(&worker).await;
                told.map_err(|error| {
                    PerformError::NotNow(format!("staleness check failed: {error}"))
                })?;
                Ok(Stored::default())
            }
            Write::Lock(claim) => {
                self.locks.take(&claim).await?;
                Ok(Stored::default())
            }
            Write::Unlock(item_uid) => {
                self.locks.give_back(&item_uid).await?;
                Ok(Stored::default())
            }
            write => {
                count(describe(&write, &self.queue).0);
                Ok(self.store(write).await?)
            }
        }
    }

    async fn store(&self, write: Write) -> Result<Stored, kube::Error> {
        match write {
            Write::Supply(_) | Write::Lock(_) | Write::Unlock(_) => Ok(Stored::default()),
            Write::Create(item) => self.create(&item).await,
            Write::Spec(object, spec) => {
                let spec = serde_json::to_value(&spec).map_err(kube::Error::SerdeError)?;
                let patch = Patch::Json::<()>(spec_patch(&object, spec));
                Ok(stored(&self.items.patch(&object.name, &PatchParams::default(), &patch).await?))
            }
            Write::Status(object, mut status) => {
                status.observed_generation = object.generation;
                let patch = Patch::Merge(json!({
                    "metadata": preconditions(&object),
                    "status": status,
                }));
                match self.items.patch_status(&object.name, &params(), &patch).await {
                    Ok(item) => Ok(stored(&item)),
                    // Somebody deleted an item that runs or ended: there is nothing left to mark.
                    Err(kube::Error::Api(answer))
                        if answer.code == 404 && status.state.is_final() =>
                    {
                        Ok(Stored { object, created: 0 })
                    }
                    Err(error) => Err(error),
                }
            }
            Write::Delete(object) => self.delete(object).await,
            Write::QueueSpec(spec) => {
                // A spec has no place for the leader, so it is changed only as long as the status that was read with it is there.
                let queue = self.queue().await?;
                let led = queue.status.as_ref().and_then(|status| status.leader.as_ref());
                if led != Some(&self.leader) {
                    return Err(not_the_leader());
                }
                let metadata = json!({ "resourceVersion": queue.metadata.resource_version });
                let patch = Patch::Merge(json!({ "metadata": metadata, "spec": spec }));
                let queue = self.queues.patch(&self.queue, &params(), &patch).await?;
                let generation = queue.metadata.generation;
                Ok(Stored { object: Object { generation, ..Object::default() }, created: 0 })
            }
            Write::QueueStatus(mut status) => {
                status["leader"] = json!(self.leader);
                let patch = Patch::Merge(json!({ "status": status }));
                self.queues.patch_status(&self.queue, &params(), &patch).await?;
                Ok(Stored::default())
            }
        }
    }

    /// Creates an item; one that is there already with the same uid is the first attempt of the same wish.
    async fn create(&self, item: &QueueItem) -> Result<Stored, kube::Error> {
        match self.items.create(&post(), item).await {
            Ok(item) => Ok(stored(&item)),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let name = item.metadata.name.as_deref().unwrap_or_default();
                let found = self.items.get(name).await?;
                match found.spec.item_uid == item.spec.item_uid {
                    true => Ok(stored(&found)),
                    false => Err(kube::Error::Api(status)),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, object: Object) -> Result<Stored, kube::Error> {
        let uid = Some(object.uid.clone()).filter(|uid| !uid.is_empty());
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid, resource_version: None }),
            ..DeleteParams::default()
        };
        match self.items.delete(&object.name, &params).await {
            Ok(_) => Ok(Stored { object, created: 0 }),
            // Gone, or gone and another of the same name came: either way this one is deleted.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                Ok(Stored { object, created: 0 })
            }
            Err(error) => Err(error),
        }
    }

    /// Merges into the status of the queue what is reported, never what is decided.
    pub(super) async fn report(&self, status: &QueueStatus) -> Result<(), LoadError> {
        let patch = Patch::Merge(json!({ "status": {
            "observedGeneration": status.observed_generation,
            "managerState": status.manager_state,
            "workerEnvironmentState": status.worker_environment_state,
            "conditions": status.conditions,
            "leader": self.leader,
        } }));
        if !self.tenure.is_sure() {
            return Ok(());
        }
        count("report");
        let params = params();
        let written = self.queues.patch_status(&self.queue, &params, &patch);
        tokio::time::timeout(DEADLINE, written).await??;
        Ok(())
    }
}

/// Why a write was not carried out.
enum PerformError {
    Refused(kube::Error),
    /// Devices are locked by others, or nobody knows which there are.
    NotNow(String),
}

impl From<kube::Error> for PerformError {
    fn from(error: kube::Error) -> Self {
        Self::Refused(error)
    }
}

impl From<LockError> for PerformError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Refused(error) => Self::Refused(error),
            LockError::Taken(text) => Self::NotNow(text),
        }
    }
}

/// All objects, page by page.
pub(super) async fn list_all<K>(api: &Api<K>) -> Result<Vec<K>, kube::Error>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let mut all = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}

fn not_the_leader() -> kube::Error {
    let text = "another queue server leads";
    kube::Error::Api(Box::new(kube::core::Status::failure(text, "Conflict").with_code(409)))
}

fn count(kind: &'static str) {
    metrics::counter!("queue_writes_total", "kind" => kind).increment(1);
}

/// A write that follows another of the same resource is under the version that that one has made.
fn follow_on(write: &mut Write, before: &[Stored]) {
    if let Write::Status(object, _) | Write::Spec(object, _) = write
        && object.version.is_empty()
        && let Some(made) = before.iter().rev().find(|made| made.object.name == object.name)
    {
        *object = made.object.clone();
    }
}

fn describe(write: &Write, queue: &str) -> (&'static str, String) {
    match write {
        Write::Create(item) => {
            ("create", format!("QueueItem {}", item.metadata.name.as_deref().unwrap_or_default()))
        }
        Write::Spec(object, _) => ("spec", format!("QueueItem {}", object.name)),
        Write::Status(object, _) => ("status", format!("QueueItem {}", object.name)),
        Write::Delete(object) => ("delete", format!("QueueItem {}", object.name)),
        Write::QueueSpec(_) | Write::QueueStatus(_) => ("queue", format!("Queue {queue}")),
        Write::Supply(_) => ("supply", "The devices of the worker".to_owned()),
        Write::Lock(_) | Write::Unlock(_) => ("locks", "DeviceLocks".to_owned()),
    }
}

fn stored(item: &QueueItem) -> Stored {
    Stored { object: manifest::object(item), created: manifest::created(item) }
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

fn post() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

fn preconditions(object: &Object) -> Value {
    let mut metadata = json!({});
    if !object.uid.is_empty() {
        metadata["uid"] = json!(object.uid);
    }
    if !object.version.is_empty() {
        metadata["resourceVersion"] = json!(object.version);
    }
    metadata
}

/// Replaces the whole spec, under the version that was last seen: a merge would mix old arguments into new ones.
fn spec_patch(object: &Object, spec: Value) -> JsonPatch {
    let path =
        |parts: [&str; 2]| PointerBuf::from_tokens(parts.into_iter().filter(|p| !p.is_empty()));
    let mut operations = Vec::new();
    if !object.uid.is_empty() {
        operations.push(PatchOperation::Test(TestOperation {
            path: path(["metadata", "uid"]),
            value: json!(object.uid),
        }));
    }
    if !object.version.is_empty() {
        operations.push(PatchOperation::Replace(ReplaceOperation {
            path: path(["metadata", "resourceVersion"]),
            value: json!(object.version),
        }));
    }
    operations
        .push(PatchOperation::Replace(ReplaceOperation { path: path(["spec", ""]), value: spec }));
    JsonPatch(operations)
}
