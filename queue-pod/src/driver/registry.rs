//! Which names are devices of the registry: kept by watch, asked when a plan starts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crds::Device;
use futures::StreamExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event as Watched};
use kube::{Api, Client, ResourceExt};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::watch::config;

/// Longest wait for the first look at the registry.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// The names of the registry's active devices. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Registry {
    /// Name of the device by the name of its object.
    names: Arc<RwLock<HashMap<String, String>>>,
    filled: watch::Sender<bool>,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self { names: Arc::default(), filled: watch::Sender::new(false) }
    }

    /// Follows the devices of `namespace`. Never returns.
    pub(super) async fn follow(self, client: Client, namespace: &str) {
        let api: Api<Device> = Api::namespaced(client, namespace);
        let mut stream = watcher::watcher(api, config()).backoff(service::watch::backoff()).boxed();
        let mut seen = HashMap::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(Watched::Init) => seen.clear(),
                Ok(Watched::InitApply(device)) => note(&mut seen, &device),
                Ok(Watched::InitDone) => {
                    *self.names.write() = std::mem::take(&mut seen);
                    self.filled.send_replace(true);
                }
                Ok(Watched::Apply(device)) => note(&mut self.names.write(), &device),
                Ok(Watched::Delete(device)) => {
                    self.names.write().remove(&device.name_any());
                }
                Err(error) => tracing::warn!(%error, "the watch of the devices is interrupted"),
            }
        }
    }

    /// Those of `candidates` that are active devices; none when the registry could not be read yet.
    pub(super) async fn active(&self, candidates: &[String]) -> Option<Vec<String>> {
        let mut filled = self.filled.subscribe();
        let filled = tokio::time::timeout(FIRST_LOOK, filled.wait_for(|filled| *filled)).await;
        filled.ok()?.ok()?;
        let names = self.names.read();
        let devices: HashSet<&String> = names.values().collect();
        Some(candidates.iter().filter(|name| devices.contains(name)).cloned().collect())
    }
}

fn note(names: &mut HashMap<String, String>, device: &Device) {
    match device.is_active() {
        true => names.insert(device.name_any(), device.spec.name.clone()),
        false => names.remove(&device.name_any()),
    };
}
