//! Reading the devices of the registry to compare them with those of the profile, and bringing them up to date (contract queue-server
//! §5.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::device_locks::OBJECT_NAME;
use crds::resolve::Catalogue;
use crds::{Device, DeviceClass, DeviceLocks, DeviceLocksSpec};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use service::lease::Tenure;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::store::{DEADLINE, MANAGER, SIDE_BY_SIDE, list_all};
use crate::console::{Console, Level};
use crate::desk::now;
use crate::inventory::{Change, Difference, Inventory, ProfileDevices, Strategy};
use crate::machine::Comparison;
use crate::methods::{Refusal, Reply, success};

/// `error_kind` of a reply when the registry is out of reach.
pub(crate) const UNREACHABLE: &str = "config_service_unreachable";

/// Compares profiles with the registry, under one tenure. Clones share the turn.
#[derive(Clone, Debug)]
pub(super) struct Inventories {
    devices: Api<Device>,
    classes: Api<DeviceClass>,
    tables: Api<DeviceLocks>,
    tenure: Tenure,
    /// One at a time reads or changes the whole registry.
    turn: Arc<Mutex<()>>,
}

/// The registry as it was read.
struct Found {
    devices: Vec<Device>,
    catalogue: Catalogue,
    locks: Option<DeviceLocksSpec>,
}

/// Nothing could be found out, or not everything done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("configuration-service is unreachable: {0}")]
    Unreachable(String),
    #[error("{0}")]
    Refused(#[from] kube::Error),
    /// Nothing was written, since these devices must not be touched.
    #[error("{}", failed(.0))]
    Forbidden(BTreeMap<String, String>),
    /// Of what was to be written, these devices failed.
    #[error("{}", failed(.0))]
    Devices(BTreeMap<String, String>),
}

fn failed(reasons: &BTreeMap<String, String>) -> String {
    let each: Vec<_> = reasons.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    format!("device-diff apply failed for {} device(s): {}", each.len(), each.join(", "))
}

impl Inventories {
    pub(super) fn new(client: &Client, namespace: &str, tenure: Tenure) -> Self {
        Self {
            devices: Api::namespaced(client.clone(), namespace),
            classes: Api::namespaced(client.clone(), namespace),
            tables: Api::namespaced(client.clone(), namespace),
            tenure,
            turn: Arc::default(),
        }
    }

    /// The answer for the user, and how bringing the registry up to date went, if it was tried.
    pub(super) async fn answer(
        &self,
        comparison: Comparison,
        console: &Console,
    ) -> (Reply, Option<Result<(), String>>) {
        let _turn = self.turn.lock().await;
        let Comparison { method, profile, strategy } = comparison;
        let answer = match &strategy {
            None => self.compare(&profile).await,
            Some(strategy) => self.sync(&profile, strategy, console).await,
        };
        let outcome = match (&strategy, &answer) {
            (None, _) | (_, Err(Failure::Forbidden(_))) => None,
            (Some(_), Ok(_)) => Some(Ok(())),
            (Some(_), Err(failure)) => Some(Err(failure.to_string())),
        };
        let reply = answer.unwrap_or_else(|failure| {
            let refusal = Refusal::plain(failure.to_string());
            method.refuse(match failure {
                Failure::Unreachable(_) => refusal.with("error_kind", UNREACHABLE),
                _ => refusal,
            })
        });
        (reply, outcome)
    }

    async fn compare(&self, profile: &ProfileDevices) -> Result<Reply, Failure> {
        let found = self.read().await?;
        Ok(success([("diff", json!(found.difference(profile)))]))
    }

    /// Makes the changes of `strategy`: none when one of them must not be made.
    async fn sync(
        &self,
        profile: &ProfileDevices,
        strategy: &Strategy,
        console: &Console,
    ) -> Result<Reply, Failure> {
        let found = self.read().await?;
        let changes = Inventory::new(profile, &found.devices, &found.catalogue).changes(strategy);
        let time = Timestamp::now();
        let refused = |change: &Change| {
            let why = change.refusal(found.locks.as_ref(), time)?;
            Some((change.device().spec.name.clone(), why))
        };
        let refusals: BTreeMap<_, _> = changes.iter().filter_map(refused).collect();
        if !refusals.is_empty() {
            return Err(Failure::Forbidden(refusals));
        }
        // A device under a new name is there before it goes under the old one.
        let (kept, gone): (Vec<_>, Vec<_>) = changes.into_iter().partition(Change::keeps);
        let (upserted, mut failures) = self.write_all(kept).await;
        let (deleted, more) = self.write_all(gone).await;
        failures.extend(more);
        let line = format!(
            "The registry follows the profile: {} devices new or changed, {} removed, {} failed",
            upserted.len(),
            deleted.len(),
            failures.len()
        );
        console.say(now(), Level::Info, &line);
        if !failures.is_empty() {
            return Err(Failure::Devices(failures));
        }
        let applied = json!({ "upserted": upserted, "deleted": deleted });
        let after = self.read().await?.difference(profile);
        Ok(success([("applied", applied), ("diff_after", json!(after))]))
    }

    async fn read(&self) -> Result<Found, Failure> {
        let devices = bounded(list_all(&self.devices)).await?;
        let classes = bounded(list_all(&self.classes)).await?;
        let table = bounded(self.tables.get_opt(OBJECT_NAME)).await?;
        let catalogue = Catalogue::new(classes.into_iter().map(|class| class.spec));
        Ok(Found { devices, catalogue, locks: table.map(|table| table.spec) })
    }

    /// Writes all of them, even when one fails; the names of those that were written, in order, and why others were not.
    async fn write_all(&self, changes: Vec<Change>) -> (Vec<String>, BTreeMap<String, String>) {
        let outcomes: Vec<_> = stream::iter(changes)
            .map(|change| async move {
                let written = self.write(&change).await;
                (change.device().spec.name.clone(), written)
            })
            .buffered(SIDE_BY_SIDE)
            .collect()
            .await;
        let (mut written, mut failures) = (Vec::new(), BTreeMap::new());
        for (name, outcome) in outcomes {
            match outcome {
                Ok(()) => written.push(name),
                Err(failure) => {
                    failures.insert(name, failure.to_string());
                }
            }
        }
        written.sort_unstable();
        (written, failures)
    }

    async fn write(&self, change: &Change) -> Result<(), Failure> {
        if !self.tenure.is_sure() {
            let why = "this queue server may not lead any more";
            return Err(Failure::Unreachable(why.to_owned()));
        }
        let params =
            PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let object = change.device().name_any();
        match change {
            Change::Create(device) => {
                bounded(self.devices.create(&params, device)).await?;
            }
            Change::Replace(device) | Change::Enable(device) => {
                bounded(self.devices.replace(&object, &params, device)).await?;
            }
            Change::Delete(device) => {
                let preconditions = Preconditions {
                    uid: device.uid(),
                    resource_version: device.resource_version(),
                };
                let params = DeleteParams::default().preconditions(preconditions);
                bounded(self.devices.delete(&object, &params)).await?;
            }
        }
        metrics::counter!("queue_writes_total", "kind" => "device").increment(1);
        Ok(())
    }
}

impl Found {
    fn difference(&self, profile: &ProfileDevices) -> Difference {
        Inventory::new(profile, &self.devices, &self.catalogue).difference()
    }
}

/// One request to the API, which has to answer in time.
async fn bounded<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failure> {
    match timeout(DEADLINE, request).await {
        Ok(Ok(answer)) => Ok(answer),
        // It understood, and does not want to.
        Ok(Err(kube::Error::Api(status))) if status.code < 500 => {
            Err(Failure::Refused(kube::Error::Api(status)))
        }
        Ok(Err(error)) => Err(Failure::Unreachable(error.to_string())),
        Err(_) => Err(Failure::Unreachable("the Kubernetes API did not answer in time".to_owned())),
    }
}
