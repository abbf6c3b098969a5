//! The devices of running plans in the lock table of the beamline (contract queue-server §5.6, registry-and-direct-control §1.7).
//!
//! A lock is known as that of an item of this queue by its id, which follows from both: so one that a crash has left behind is found,
//! and an attempt whose answer was lost is not made twice.

use std::time::Duration;

use crds::device_locks::{DeviceLock, OBJECT_NAME};
use crds::locking::{self, Claimant};
use crds::{DeviceLocks, DeviceLocksSpec};
use jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use uuid::Uuid;

use super::registry::Registry;
use super::store::MANAGER;
use crate::machine::Claim;

/// Who holds the locks, in the words of the Python queue server.
const SERVICE: &str = "bluesky-queueserver";
/// How often a change is tried against others who change the table.
const ATTEMPTS: u32 = 20;
/// Wait before trying again, longer each time.
const PAUSE: Duration = Duration::from_millis(5);

/// The lock table, for one queue.
#[derive(Clone, Debug)]
pub(super) struct Locks {
    tables: Api<DeviceLocks>,
    registry: Registry,
    /// Namespace and queue.
    scope: String,
}

/// Devices were not locked or given back.
#[derive(Debug)]
pub(super) enum LockError {
    /// The API refused.
    Refused(kube::Error),
    /// Others hold one of them; the sentence for the user.
    Taken(String),
}

impl From<kube::Error> for LockError {
    fn from(error: kube::Error) -> Self {
        Self::Refused(error)
    }
}

impl Locks {
    pub(super) fn new(client: &Client, namespace: &str, queue: &str, registry: Registry) -> Self {
        let tables = Api::namespaced(client.clone(), namespace);
        Self { tables, registry, scope: format!("{namespace}/{queue}") }
    }

    /// Id of the locks of an item.
    fn id(&self, item_uid: &str) -> String {
        let name = format!("{}/{item_uid}", self.scope);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
    }

    /// The items of this queue that hold devices.
    pub(super) async fn items(&self) -> Result<Vec<String>, kube::Error> {
        let Some(table) = self.tables.get_opt(OBJECT_NAME).await? else { return Ok(Vec::new()) };
        let is_ours = |lock: &&DeviceLock| {
            lock.locked_by_service == SERVICE && lock.lock_id == self.id(&lock.item_id)
        };
        let ours = table.spec.locks.into_values();
        let mut items: Vec<_> =
            ours.filter(|lock| is_ours(&lock)).map(|lock| lock.item_id).collect();
        items.sort_unstable();
        items.dedup();
        Ok(items)
    }

    /// Takes the devices of a plan or of an environment, all or none. No write when it uses none of the registry, or has them already.
    pub(super) async fn take(&self, claim: &Claim) -> Result<(), LockError> {
        let failed = match claim.is_of_environment() {
            true => "config-service environment device lock failed",
            false => "config-service per-plan device lock failed",
        };
        let Some(devices) = self.registry.active(&claim.names).await else {
            return Err(LockError::Taken(format!("{failed}: the registry cannot be read")));
        };
        if devices.is_empty() {
            return Ok(());
        }
        let claimant = Claimant {
            item_id: claim.item_uid.clone(),
            plan_name: claim.plan.clone(),
            service: SERVICE.to_owned(),
        };
        let id = self.id(&claim.item_uid);
        self.change(|table| {
            let now = Timestamp::now();
            let held = |device: &String| locking::held(table, device, now);
            if devices.iter().all(|device| held(device).is_some_and(|lock| lock.lock_id == id)) {
                return Ok(None);
            }
            let foreign = |device: &&String| held(device).is_some_and(|lock| lock.lock_id != id);
            if let Some(device) = devices.iter().find(foreign) {
                let plan = held(device).map(|lock| lock.plan_name.as_str()).unwrap_or_default();
                return Err(LockError::Taken(format!(
                    "{failed}: Device '{device}' is locked by plan '{plan}'"
                )));
            }
            Ok(Some(locking::take(table, &devices, &claimant, &id, now, None)))
        })
        .await
    }

    /// Gives back what an item holds. No write when that is nothing.
    pub(super) async fn give_back(&self, item_uid: &str) -> Result<(), LockError> {
        let id = self.id(item_uid);
        self.change(|table| Ok(locking::give_back(table, &id))).await
    }

    /// Changes the table by compare-and-swap.
    async fn change(
        &self,
        decide: impl Fn(&DeviceLocksSpec) -> Result<Option<DeviceLocksSpec>, LockError>,
    ) -> Result<(), LockError> {
        let params =
            PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let mut attempt = 1;
        loop {
            let found = self.tables.get_opt(OBJECT_NAME).await?;
            let is_there = found.is_some();
            let mut table = found.unwrap_or_else(fresh);
            let Some(next) = decide(&table.spec)? else { return Ok(()) };
            table.spec = next;
            metrics::counter!("queue_writes_total", "kind" => "locks").increment(1);
            let written = match is_there {
                true => self.tables.replace(OBJECT_NAME, &params, &table).await,
                false => self.tables.create(&params, &table).await,
            };
            match written {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status))
                    if matches!(status.code, 404 | 409) && attempt < ATTEMPTS =>
                {
                    tokio::time::sleep(PAUSE * attempt).await;
                    attempt += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A table that nobody has locked anything in. Its epoch tells clients that earlier locks are lost.
fn fresh() -> DeviceLocks {
    let epoch = Uuid::new_v4().simple().to_string();
    DeviceLocks::new(OBJECT_NAME, DeviceLocksSpec { epoch, ..DeviceLocksSpec::default() })
}
