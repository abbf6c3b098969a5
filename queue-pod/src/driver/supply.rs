//! The devices of the registry for a worker that wants them (contract queue-server §5.6): told when it connects, when they change, and
//! before each plan, so that a plan never runs with a device as it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::Device;
use kube::{Api, Client};
use plan_worker::protocol::{Command, DeviceRecipe, Order};
use service::lease::Tenure;
use tokio::sync::Mutex;

use super::door::Door;
use super::registry::Registry;
use super::store::{DEADLINE, list_all};
use crate::inventory::owning;

/// Tells workers the devices of the registry. Clones share what was told.
#[derive(Clone, Debug)]
pub(super) struct Supply {
    devices: Api<Device>,
    door: Door,
    tenure: Tenure,
    registry: Registry,
    told: Arc<Mutex<Option<Told>>>,
}

#[derive(Debug)]
struct Told {
    worker: String,
    devices: Vec<DeviceRecipe>,
    /// Revision of the registry before it was read.
    revision: u64,
}

/// The worker was not told.
#[derive(Debug, thiserror::Error)]
pub(super) enum SupplyError {
    /// The registry was not read.
    #[error("the registry cannot be read: {0}")]
    Refused(#[from] kube::Error),
    /// The registry was not read in time.
    #[error("the registry cannot be read: the Kubernetes API did not answer in time")]
    TimedOut(#[from] tokio::time::error::Elapsed),
    /// There is nobody to tell.
    #[error("the worker is out of reach")]
    NoWorker,
}

impl Supply {
    pub(super) fn new(
        client: &Client,
        namespace: &str,
        registry: Registry,
        door: Door,
        tenure: Tenure,
    ) -> Self {
        let devices = Api::namespaced(client.clone(), namespace);
        Self { devices, door, tenure, registry, told: Arc::default() }
    }

    /// Nobody knows what that worker has heard: one that has just connected.
    pub(super) async fn forget(&self) {
        *self.told.lock().await = None;
    }

    /// Tells the worker if it was told otherwise last.
    pub(super) async fn update(&self, worker: &str) -> Result<(), SupplyError> {
        let mut told = self.told.lock().await;
        let revision = self.registry.revision();
        let found = tokio::time::timeout(DEADLINE, list_all(&self.devices)).await??;
        let devices = recipes(&found);
        let is_known =
            told.as_ref().is_some_and(|told| told.worker == worker && told.devices == devices);
        if !is_known {
            let order = Order::Devices { devices: devices.clone() };
            let command = Command { epoch: self.tenure.epoch(), order };
            if !self.door.send(worker, command) {
                return Err(SupplyError::NoWorker);
            }
            tracing::info!(worker, devices = devices.len(), "told the worker its devices");
        }
        *told = Some(Told { worker: worker.to_owned(), devices, revision });
        Ok(())
    }

    /// Tells the worker what has changed since it was told; nothing comes of it when nothing has. Never in the way: whoever is at it
    /// already does so.
    pub(super) async fn follow(&self, worker: &str) -> Option<Result<(), String>> {
        let is_stale = match self.told.try_lock().as_deref() {
            Ok(Some(told)) => told.worker == worker && told.revision != self.registry.revision(),
            Ok(None) | Err(_) => false,
        };
        if !is_stale {
            return None;
        }
        let told = self.update(worker).await;
        if let Err(error) = &told {
            tracing::warn!(worker, %error, "cannot tell the worker its devices");
        }
        Some(told.map_err(|error| error.to_string()))
    }
}

/// How the active ones that own their names are made, by name.
fn recipes(devices: &[Device]) -> Vec<DeviceRecipe> {
    let mut active: Vec<_> = owning(devices).filter(|device| device.is_active()).collect();
    active.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
    active
        .into_iter()
        .map(|device| DeviceRecipe {
            name: device.spec.name.clone(),
            device_class: device.spec.device_class.clone(),
            args: device.spec.rendered_args(),
            kwargs: device.spec.rendered_kwargs().into_iter().collect(),
            pvs: BTreeMap::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn device(object: &str, spec: serde_json::Value) -> Device {
        Device::new(object, serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn a_worker_hears_of_active_devices_with_their_templates_filled_in() {
        let told = recipes(&[
            device("off", json!({"name": "off", "deviceClass": "a.B", "active": false})),
            device("m2", json!({"name": "m", "deviceClass": "x.Y", "prefix": "second"})),
            device(
                "m1",
                json!({"name": "m", "deviceClass": "x.Y", "prefix": "p:",
                       "kwargs": {"name": "{{name}}", "labels": ["motors"]}}),
            ),
        ]);
        assert_eq!(
            json!(told),
            json!([{"name": "m", "device_class": "x.Y", "args": ["p:"],
                    "kwargs": {"name": "m", "labels": ["motors"]}}])
        );
    }
}
