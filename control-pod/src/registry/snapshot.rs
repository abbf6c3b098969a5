//! The registry at one moment, indexed by device and by PV. Plain data.
//!
//! The maps are persistent: a changed registry shares with the one before all that did not change. So a change costs what it
//! concerns, and whoever reads keeps a registry that is consistent, and never waits.

use std::sync::Arc;

use channels::split_scheme;
use crds::DeviceLocksSpec;
use crds::device_class::Behaviour;
use rpds::HashTrieMapSync;
use smallvec::SmallVec;

use crate::registry::KnownDevice;
use crate::registry::subject::Subject;

/// Devices that list one PV: hardly ever more than one.
type Listing = SmallVec<[Arc<KnownDevice>; 1]>;

/// The registry at one moment. Cheap to clone: the parts are shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The devices by name.
    devices: HashTrieMapSync<String, Arc<KnownDevice>>,
    /// For each PV, by its EPICS name, the devices that list it, the owner first.
    by_pv: HashTrieMapSync<Arc<str>, Listing>,
    /// The standalone PVs by EPICS name, with what tells whether they are connected.
    standalone: HashTrieMapSync<String, Arc<Subject>>,
    /// The lock table.
    locks: Arc<DeviceLocksSpec>,
}

/// The EPICS name of a PV, whatever protocol it asks for.
fn bare(pv: &str) -> &str {
    split_scheme(pv).1
}

/// A PV belongs to the device that is that one signal before it belongs to a device that has it as
/// a part.
fn precedence(device: &KnownDevice) -> (bool, &str) {
    (device.listed.behaviour != Behaviour::Signal, &device.name)
}

impl Snapshot {
    /// The device of that name.
    pub(crate) fn device(&self, name: &str) -> Option<&Arc<KnownDevice>> {
        self.devices.get(name)
    }

    /// All devices, in no order.
    pub(crate) fn devices(&self) -> impl Iterator<Item = &Arc<KnownDevice>> {
        self.devices.values()
    }

    /// The devices that list the PV, its owner first. Empty for a standalone and for an unknown PV.
    pub(crate) fn devices_of(&self, pv: &str) -> &[Arc<KnownDevice>] {
        self.by_pv.get(bare(pv)).map(SmallVec::as_slice).unwrap_or_default()
    }

    /// Whether the registry knows the PV, as part of a device or alone.
    pub(crate) fn knows_pv(&self, pv: &str) -> bool {
        self.by_pv.contains_key(bare(pv)) || self.standalone.contains_key(bare(pv))
    }

    /// The name under which the PV is searched: with the protocol that it asks for itself, or else that the registry says.
    pub(crate) fn searched_as<'a>(&'a self, pv: &'a str) -> &'a str {
        if split_scheme(pv).0.is_some() {
            return pv;
        }
        let alone = self.standalone.get(pv).and_then(|subject| subject.pvs.first());
        let listed = || self.devices_of(pv).iter().flat_map(|device| device.pvs());
        alone
            .map(String::as_str)
            .or_else(|| listed().find(|listed| bare(listed) == pv))
            .unwrap_or(pv)
    }

    /// What tells of each device and each standalone PV whether it is connected.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = &Arc<Subject>> {
        let devices = self.devices.values().map(|device| &device.subject);
        devices.chain(self.standalone.values())
    }

    /// Whether the devices and the standalone PVs are the same; then so are [`Self::subjects`].
    pub(crate) fn is_of_same_objects(&self, other: &Self) -> bool {
        self.devices.ptr_eq(&other.devices) && self.standalone.ptr_eq(&other.standalone)
    }

    /// The lock table.
    pub(crate) fn locks(&self) -> &DeviceLocksSpec {
        &self.locks
    }

    /// Takes a device, in place of the one that had its name.
    pub(crate) fn put_device(&mut self, device: Arc<KnownDevice>) {
        self.remove_device(&device.name);
        for pv in device.pvs().map(bare) {
            match self.by_pv.get_mut(pv) {
                Some(listing) if listing.iter().any(|known| Arc::ptr_eq(known, &device)) => {}
                Some(listing) => {
                    let place =
                        listing.partition_point(|known| precedence(known) < precedence(&device));
                    listing.insert(place, Arc::clone(&device));
                }
                None => {
                    self.by_pv.insert_mut(pv.into(), SmallVec::from_iter([Arc::clone(&device)]))
                }
            }
        }
        self.devices.insert_mut(device.name.clone(), device);
    }

    /// Forgets a device.
    pub(crate) fn remove_device(&mut self, name: &str) {
        let Some(old) = self.devices.get(name).cloned() else { return };
        self.devices.remove_mut(name);
        for pv in old.pvs().map(bare) {
            let Some(listing) = self.by_pv.get_mut(pv) else { continue };
            listing.retain(|known| !Arc::ptr_eq(known, &old));
            if listing.is_empty() {
                self.by_pv.remove_mut(pv);
            }
        }
    }

    /// Takes a standalone PV.
    pub(crate) fn put_standalone(&mut self, pv: &str, subject: Arc<Subject>) {
        self.standalone.insert_mut(bare(pv).to_owned(), subject);
    }

    /// Forgets a standalone PV.
    pub(crate) fn remove_standalone(&mut self, pv: &str) {
        self.standalone.remove_mut(bare(pv));
    }

    /// What tells of a standalone PV, if it is one, whether it is connected.
    pub(crate) fn standalone(&self, pv: &str) -> Option<&Subject> {
        self.standalone.get(bare(pv)).map(|subject| &**subject)
    }

    /// Takes the lock table.
    pub(crate) fn set_locks(&mut self, locks: DeviceLocksSpec) {
        self.locks = Arc::new(locks);
    }
}
