//! Which names are devices of the registry, and whether any is another one now: kept by watch, asked when a plan starts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// The device by the name of its object.
    known: Arc<RwLock<HashMap<String, Known>>>,
    /// Goes up whenever a device is another one.
    revision: Arc<AtomicU64>,
    filled: watch::Sender<bool>,
}

/// An active device.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    name: String,
    generation: Option<i64>,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self { known: Arc::default(), revision: Arc::default(), filled: watch::Sender::new(false) }
    }

    /// A number that is another one after a device was added, changed or removed.
    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Changes what is known.
    fn change(&self, change: impl FnOnce(&mut HashMap<String, Known>) -> bool) {
        if change(&mut self.known.write()) {
            self.revision.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Follows the devices of `namespace`. Never returns.
    pub(super) async fn follow(self, client: Client, namespace: &str) {
        let api: Api<Device> = Api::namespaced(client, namespace);
        let mut stream = watcher::watcher(api, config()).backoff(service::watch::backoff()).boxed();
        let mut seen = HashMap::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(Watched::Init) => seen.clear(),
                Ok(Watched::InitApply(device)) => {
                    note(&mut seen, &device);
                }
                Ok(Watched::InitDone) => {
                    let seen = std::mem::take(&mut seen);
                    self.change(|known| std::mem::replace(known, seen.clone()) != seen);
                    self.filled.send_replace(true);
                }
                Ok(Watched::Apply(device)) => self.change(|known| note(known, &device)),
                Ok(Watched::Delete(device)) => {
                    self.change(|known| known.remove(&device.name_any()).is_some());
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
        let known = self.known.read();
        let devices: HashSet<&String> = known.values().map(|device| &device.name).collect();
        Some(candidates.iter().filter(|name| devices.contains(name)).cloned().collect())
    }
}

/// Takes note of a device; whether it is another one now.
fn note(known: &mut HashMap<String, Known>, device: &Device) -> bool {
    if !device.is_active() {
        return known.remove(&device.name_any()).is_some();
    }
    let now = Known { name: device.spec.name.clone(), generation: device.metadata.generation };
    known.insert(device.name_any(), now.clone()) != Some(now)
}
