//! The registry at one moment, indexed by device and by PV. Plain data.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crds::DeviceLocksSpec;
use crds::device_class::Behaviour;

use crate::registry::KnownDevice;
use crate::registry::subject::Subject;

/// The registry at one moment. Cheap to clone: the parts are shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The devices by name.
    devices: Arc<DeviceIndex>,
    /// The standalone PVs by name, with what tells whether they are connected.
    standalone: Arc<HashMap<String, Option<Arc<Subject>>>>,
    /// The lock table.
    locks: Arc<DeviceLocksSpec>,
}

/// Devices by name, and the devices that list a PV.
#[derive(Debug, Default)]
pub(crate) struct DeviceIndex {
    by_name: BTreeMap<String, Arc<KnownDevice>>,
    /// For each PV the devices that list it, the owner first.
    by_pv: HashMap<String, Vec<Arc<KnownDevice>>>,
}

impl DeviceIndex {
    /// Indexes `devices`, of which each name must occur once.
    pub(crate) fn new(devices: impl IntoIterator<Item = Arc<KnownDevice>>) -> Self {
        let by_name: BTreeMap<_, _> =
            devices.into_iter().map(|device| (device.name.clone(), device)).collect();
        let mut by_pv: HashMap<String, Vec<Arc<KnownDevice>>> = HashMap::new();
        for device in by_name.values() {
            for pv in device.pvs() {
                let listed = by_pv.entry(pv.to_owned()).or_default();
                if !listed.iter().any(|known| Arc::ptr_eq(known, device)) {
                    listed.push(Arc::clone(device));
                }
            }
        }
        for devices in by_pv.values_mut() {
            devices.sort_by_key(|device| is_compound(device));
        }
        Self { by_name, by_pv }
    }
}

/// A PV belongs to the device that is that one signal before it belongs to a device that has it as
/// a part.
fn is_compound(device: &KnownDevice) -> bool {
    device.listed.behaviour != Behaviour::Signal
}

impl Snapshot {
    /// The device of that name.
    pub(crate) fn device(&self, name: &str) -> Option<&Arc<KnownDevice>> {
        self.devices.by_name.get(name)
    }

    /// The devices that list the PV, its owner first. Empty for a standalone and for an unknown PV.
    pub(crate) fn devices_of(&self, pv: &str) -> &[Arc<KnownDevice>] {
        self.devices.by_pv.get(pv).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the registry knows the PV, as part of a device or alone.
    pub(crate) fn knows_pv(&self, pv: &str) -> bool {
        self.devices.by_pv.contains_key(pv) || self.standalone.contains_key(pv)
    }

    /// What tells of each device and each standalone PV whether it is connected.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = &Arc<Subject>> {
        let devices = self.devices.by_name.values().map(|device| &device.subject);
        devices.chain(self.standalone.values().flatten())
    }

    /// The lock table.
    pub(crate) fn locks(&self) -> &DeviceLocksSpec {
        &self.locks
    }

    /// The same with other devices.
    pub(crate) fn with_devices(mut self, devices: DeviceIndex) -> Self {
        self.devices = Arc::new(devices);
        self
    }

    /// The same with other standalone PVs.
    pub(crate) fn with_standalone(
        mut self,
        pvs: impl IntoIterator<Item = (String, Option<Arc<Subject>>)>,
    ) -> Self {
        self.standalone = Arc::new(pvs.into_iter().collect());
        self
    }

    /// The same with another lock table.
    pub(crate) fn with_locks(mut self, locks: DeviceLocksSpec) -> Self {
        self.locks = Arc::new(locks);
        self
    }
}
