//! From objects to the registry, one change at a time. Pure: it is fed with objects, and answers with a [`Snapshot`].

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crds::claimants::Claimants;
use crds::resolve::Catalogue;
use crds::{Device, DeviceClassSpec, DeviceLocksSpec, ProcessVariable};
use kube::ResourceExt;

use crate::registry::subject::Subject;
use crate::registry::{KnownDevice, Snapshot};

/// The objects and what they amount to.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The classes that come with the product; a class of the same path in the namespace wins.
    shipped: Vec<DeviceClassSpec>,
    /// The classes of the namespace by `metadata.name`.
    classes: BTreeMap<String, DeviceClassSpec>,
    /// Whether the catalogue lacks changes of classes.
    is_outdated: bool,
    catalogue: Catalogue,
    devices: Claimants<Device>,
    standalone: Claimants<ProcessVariable>,
    snapshot: Snapshot,
}

impl State {
    pub(super) fn new(shipped: Vec<DeviceClassSpec>) -> Self {
        Self { shipped, is_outdated: true, ..Self::default() }
    }

    /// The registry now.
    pub(super) fn snapshot(&mut self) -> &Snapshot {
        self.complete_devices();
        &self.snapshot
    }

    pub(super) fn apply_device(&mut self, device: Device) {
        let names = self.devices.apply(device);
        self.settle_devices(&names);
    }

    pub(super) fn delete_device(&mut self, object: &str) {
        let names = self.devices.delete(object);
        self.settle_devices(&names);
    }

    /// Forgets all devices but the `listed` objects.
    pub(super) fn retain_devices(&mut self, listed: &HashSet<String>) {
        let names = self.devices.retain(listed);
        self.settle_devices(&names);
    }

    /// Of several objects with one name only its owner is the device.
    fn settle_devices(&mut self, names: &[String]) {
        for name in names {
            match self.devices.owner(name) {
                None => self.snapshot.remove_device(name),
                // What others write into the status changes nothing here.
                Some(owner) if self.snapshot.device(name).is_some_and(|k| is_made_of(k, owner)) => {
                }
                Some(owner) => {
                    let known = KnownDevice::new(owner, &self.catalogue);
                    self.snapshot.put_device(Arc::new(known));
                }
            }
        }
    }

    pub(super) fn apply_pv(&mut self, pv: ProcessVariable) {
        let names = self.standalone.apply(pv);
        self.settle_standalone(names);
    }

    pub(super) fn delete_pv(&mut self, object: &str) {
        let names = self.standalone.delete(object);
        self.settle_standalone(names);
    }

    /// Forgets all standalone PVs but the `listed` objects.
    pub(super) fn retain_pvs(&mut self, listed: &HashSet<String>) {
        let names = self.standalone.retain(listed);
        self.settle_standalone(names);
    }

    fn settle_standalone(&mut self, names: Vec<String>) {
        for name in names {
            let Some(owner) = self.standalone.owner(&name) else {
                self.snapshot.remove_standalone(&name);
                continue;
            };
            let subject = Subject::of_pv(owner);
            if self.snapshot.standalone(&name) != Some(&subject) {
                self.snapshot.put_standalone(&name, Arc::new(subject));
            }
        }
    }

    /// Takes a class; the devices of it follow with the next [`Self::snapshot`].
    pub(super) fn apply_class(&mut self, object: String, class: DeviceClassSpec) {
        self.is_outdated |= self.classes.get(&object) != Some(&class);
        self.classes.insert(object, class);
    }

    pub(super) fn delete_class(&mut self, object: &str) {
        self.is_outdated |= self.classes.remove(object).is_some();
    }

    /// Forgets all classes of the namespace but the `listed` objects.
    pub(super) fn retain_classes(&mut self, listed: &HashSet<String>) {
        let before = self.classes.len();
        self.classes.retain(|object, _| listed.contains(object));
        self.is_outdated |= self.classes.len() != before;
    }

    /// Resolves those devices anew whose class is another now.
    fn complete_devices(&mut self) {
        if !std::mem::take(&mut self.is_outdated) {
            return;
        }
        let classes = self.shipped.iter().chain(self.classes.values());
        let before = std::mem::replace(&mut self.catalogue, Catalogue::new(classes.cloned()));
        let differing = self.catalogue.differing(&before);
        let concerned =
            self.snapshot.devices().filter(|known| differing.contains(&known.class_path));
        let names: Vec<String> = concerned.map(|known| known.name.clone()).collect();
        for name in names {
            if let Some(owner) = self.devices.owner(&name) {
                let known = KnownDevice::new(owner, &self.catalogue);
                self.snapshot.put_device(Arc::new(known));
            }
        }
    }

    pub(super) fn set_locks(&mut self, locks: DeviceLocksSpec) {
        self.snapshot.set_locks(locks);
    }
}

/// Whether `known` was made of this very state of the object: its uid, its generation, and whether it is switched on.
fn is_made_of(known: &KnownDevice, object: &Device) -> bool {
    let subject = &known.subject;
    object.uid().as_deref().unwrap_or_default() == subject.uid
        && object.metadata.generation == subject.generation
        && object.is_active() == subject.active
}

#[cfg(test)]
mod tests;
