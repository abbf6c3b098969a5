//! The registry of one namespace: what is known, the history, and the way to change both.
//!
//! Everything that a request handler needs, shared by clones of an `Arc`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use crds::{Device, DeviceLocks, ProcessVariable};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use parking_lot::{Mutex, RwLock};
use service::health::Readiness;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::answers::Answers;
use crate::history::journal::Journal;
use crate::index::Index;
use crate::mending::Mender;
use crate::pv_health::PvHealth;
use crate::store::StoreError;
use crate::store::locks::LockTable;

/// Longest wait until a write shows up in the index.
const VISIBLE_WITHIN: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) settings: Settings,
    pub(crate) readiness: Readiness,
    /// Fires when the service stops: streams end then.
    pub(crate) stopping: CancellationToken,
    pub(crate) journal: Journal,
    pub(crate) mender: Mender,
    pub(crate) devices: Api<Device>,
    pub(crate) pvs: Api<ProcessVariable>,
    pub(crate) locks: Api<DeviceLocks>,
    pub(crate) config_maps: Api<ConfigMap>,
    pub(crate) pv_health: Mutex<PvHealth>,
    pub(crate) lock_table: LockTable,
    index: RwLock<Index>,
    /// By version of the index.
    answers: Answers<u64>,
    /// The change feed, by version of the index and of the history.
    pub(crate) feed: Answers<(u64, u64, String)>,
    /// Counts changes of the index.
    revision: watch::Sender<u64>,
    /// Devices whose history may lack a row.
    unrecorded: Mutex<BTreeSet<String>>,
    /// Those that are compared with the history now.
    compared: Mutex<BTreeSet<String>>,
    pub(crate) has_unrecorded: Notify,
    /// Devices that a request is changing: their rows are on the way.
    in_flight: Mutex<BTreeMap<String, usize>>,
    /// All devices are being changed: none is compared with the history until that is done.
    is_upset: AtomicBool,
}

/// The ways to those tasks that write.
#[derive(Debug)]
pub(crate) struct Writers {
    pub(crate) journal: Journal,
    pub(crate) mender: Mender,
    pub(crate) lock_table: LockTable,
}

impl Registry {
    pub(crate) fn new(
        settings: Settings,
        client: &Client,
        namespace: &str,
        writers: Writers,
        stopping: CancellationToken,
        index: Index,
    ) -> Self {
        let Writers { journal, mender, lock_table } = writers;
        Self {
            settings,
            readiness: Readiness::new(),
            stopping,
            journal,
            mender,
            devices: Api::namespaced(client.clone(), namespace),
            pvs: Api::namespaced(client.clone(), namespace),
            locks: Api::namespaced(client.clone(), namespace),
            config_maps: Api::namespaced(client.clone(), namespace),
            pv_health: Mutex::default(),
            lock_table,
            index: RwLock::new(index),
            answers: Answers::default(),
            feed: Answers::default(),
            revision: watch::Sender::new(0),
            unrecorded: Mutex::default(),
            compared: Mutex::default(),
            has_unrecorded: Notify::new(),
            in_flight: Mutex::default(),
            is_upset: AtomicBool::new(false),
        }
    }

    /// Looks something up.
    pub(crate) fn look<T>(&self, question: impl FnOnce(&Index) -> T) -> T {
        question(&self.index.read())
    }

    /// The answer to `request`, which is made of devices and PVs alone: what `look` finds as `write` words it, unless it is known
    /// from before.
    pub(crate) fn answer<T, E>(
        &self,
        request: &str,
        look: impl FnOnce(&Index) -> T,
        write: impl FnOnce(T) -> Result<Vec<u8>, E>,
    ) -> Result<Bytes, E> {
        let now = self.look(Index::version);
        self.answers.get(&now, request, || {
            let (version, found) = self.look(|index| (index.version(), look(index)));
            Ok((version, write(found)?))
        })
    }

    /// Changes the index; `change` answers the devices that it touched.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Index) -> Vec<String>) {
        let touched = change(&mut self.index.write());
        self.revision.send_modify(|revision| *revision += 1);
        self.may_lack_rows(touched);
    }

    /// Counts changes of what [`Registry::look`] sees.
    pub(crate) fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Waits until everything was listed once.
    pub(crate) async fn loaded(&self) {
        let mut revision = self.revision.subscribe();
        revision.wait_for(|_| self.readiness.reason().is_none()).await.ok();
    }

    /// Waits until `seen` holds, for a bounded time. What was written is acknowledged only then.
    ///
    /// # Errors
    /// When it does not hold in time: the API tells what it stored too late.
    pub(crate) async fn wait_until(&self, seen: impl Fn(&Index) -> bool) -> Result<(), StoreError> {
        let mut revision = self.revision.subscribe();
        let wait = revision.wait_for(|_| seen(&self.index.read()));
        match tokio::time::timeout(VISIBLE_WITHIN, wait).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(StoreError::Unseen),
        }
    }

    /// Asks the observer to compare these devices with the history.
    pub(crate) fn may_lack_rows(&self, devices: impl IntoIterator<Item = String>) {
        self.unrecorded.lock().extend(devices);
        self.has_unrecorded.notify_one();
    }

    /// All devices are about to be changed, together with their history; or that is done.
    pub(crate) fn upset(&self, is_upset: bool) {
        self.is_upset.store(is_upset, Ordering::SeqCst);
        self.has_unrecorded.notify_one();
    }

    /// The devices to compare with the history now. Those being changed stay for later.
    pub(crate) fn take_unrecorded(&self) -> BTreeSet<String> {
        if self.is_upset.load(Ordering::SeqCst) {
            return BTreeSet::new();
        }
        let in_flight = self.in_flight.lock();
        let mut unrecorded = self.unrecorded.lock();
        let (later, now) =
            std::mem::take(&mut *unrecorded).into_iter().partition(|n| in_flight.contains_key(n));
        *unrecorded = later;
        self.compared.lock().clone_from(&now);
        now
    }

    /// The devices that were taken are compared, and recorded.
    pub(crate) fn compared(&self) {
        self.compared.lock().clear();
    }

    /// Whether the history may lack a row about the state in which the index has this device.
    pub(crate) fn may_lack_row(&self, device: &str) -> bool {
        self.in_flight.lock().contains_key(device)
            || self.unrecorded.lock().contains(device)
            || self.compared.lock().contains(device)
    }

    /// Marks a device as being changed by a request, which appends the row itself.
    pub(crate) fn changing(&self, device: &str) -> Changing<'_> {
        *self.in_flight.lock().entry(device.to_owned()).or_default() += 1;
        Changing { registry: self, device: device.to_owned() }
    }
}

/// A change in progress; whatever becomes of it, the observer looks afterwards.
#[derive(Debug)]
pub(crate) struct Changing<'a> {
    registry: &'a Registry,
    device: String,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.registry.in_flight.lock();
        if let Some(count) = in_flight.get_mut(&self.device) {
            *count -= 1;
            if *count == 0 {
                in_flight.remove(&self.device);
            }
        }
        drop(in_flight);
        self.registry.may_lack_rows([self.device.clone()]);
    }
}
