//! What the registry knows, in memory: devices, PVs, classes and locks of one namespace.
//!
//! Pure: it is fed with objects and answers questions. Every read of the API is answered here.

mod author;
mod entry;
mod filter;
mod ownership;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crds::claimants::Claimants;
use crds::resolve::Catalogue;
use crds::{Device, DeviceClassSpec, DeviceLocks, ProcessVariable};
use kube::ResourceExt;

use author::author;
use entry::is_alike;
pub(crate) use entry::{Entry, Shown};
pub(crate) use filter::{DeviceFilter, Glob};
pub(crate) use ownership::Owner;
use ownership::Ownership;

use crate::device::words::Words;

/// Everything known. See the module.
#[derive(Debug, Default)]
pub(crate) struct Index {
    catalogue: Catalogue,
    /// Classes that are known without a manifest; a manifest of the same class wins.
    shipped: Vec<DeviceClassSpec>,
    classes: BTreeMap<String, DeviceClassSpec>,
    objects: Claimants<Device>,
    /// Who wrote each device object last.
    authors: HashMap<String, Arc<str>>,
    devices: BTreeMap<String, Arc<Entry>>,
    pv_objects: Claimants<ProcessVariable>,
    standalone: BTreeMap<String, Arc<ProcessVariable>>,
    ownership: Ownership,
    words: Words,
    /// Counts the changes of devices that somebody can see, and of the names of standalone PVs.
    version: u64,
    locks: Option<Arc<DeviceLocks>>,
}

impl Index {
    /// An index that knows nothing but these classes.
    pub(crate) fn new(shipped: Vec<DeviceClassSpec>) -> Self {
        let mut index = Self { shipped, ..Self::default() };
        index.catalogue_changed();
        index
    }

    /// Takes a new or changed device. Answers the device names that look different now.
    pub(crate) fn apply_device(&mut self, device: Device) -> Vec<String> {
        if device.metadata.deletion_timestamp.is_some() {
            return self.delete_device(&device.name_any());
        }
        match author(&device.metadata) {
            Some(author) => self.authors.insert(device.name_any(), self.words.share(&author)),
            None => self.authors.remove(&device.name_any()),
        };
        let names = self.objects.apply(device);
        self.settle(names)
    }

    /// Forgets a device object. Answers the device names that look different now.
    pub(crate) fn delete_device(&mut self, object: &str) -> Vec<String> {
        self.authors.remove(object);
        let names = self.objects.delete(object);
        self.settle(names)
    }

    /// Forgets all device objects but the `listed` ones. Answers the device names that look different now.
    pub(crate) fn retain_devices(&mut self, listed: &HashSet<String>) -> Vec<String> {
        self.authors.retain(|object, _| listed.contains(object));
        let names = self.objects.retain(listed);
        self.settle(names)
    }

    /// Brings the entries of `names` in line with the objects that own them. Answers those that look different now.
    fn settle(&mut self, mut names: Vec<String>) -> Vec<String> {
        names.retain(|name| match self.objects.owner(name).cloned() {
            Some(object) => self.settle_on(name, object),
            None => self.forget_entry(name),
        });
        names
    }

    /// `object` is the device of that name. Answers whether that changes anything for readers.
    fn settle_on(&mut self, name: &str, object: Arc<Device>) -> bool {
        match self.devices.get_mut(name) {
            // Mostly the status changed, which costs no more than this.
            Some(known) if is_alike(&known.object, &object) => {
                *known = Arc::new(Entry { object, shown: Arc::clone(&known.shown) });
                false
            }
            _ => {
                let shown = Shown::new(&object, &self.catalogue, &mut self.words);
                self.show(name, object, shown);
                true
            }
        }
    }

    fn show(&mut self, name: &str, object: Arc<Device>, shown: Shown) {
        self.forget_entry(name);
        let shown = Arc::new(shown);
        self.ownership.claim(&object, &shown);
        self.devices.insert(name.to_owned(), Arc::new(Entry { object, shown }));
        self.version += 1;
    }

    fn forget_entry(&mut self, name: &str) -> bool {
        let Some(old) = self.devices.remove(name) else { return false };
        self.ownership.release(&old.shown);
        self.version += 1;
        true
    }

    /// Who wrote the device object last, where Kubernetes says so.
    pub(crate) fn author(&self, object: &str) -> Option<&str> {
        self.authors.get(object).map(|author| &**author)
    }

    /// Takes a new or changed class. Answers the devices that may look different now.
    pub(crate) fn apply_class(&mut self, object: String, class: DeviceClassSpec) -> Vec<String> {
        self.classes.insert(object, class);
        self.catalogue_changed()
    }

    /// Forgets a class.
    pub(crate) fn delete_class(&mut self, object: &str) -> Vec<String> {
        self.classes.remove(object);
        self.catalogue_changed()
    }

    /// Takes a complete list in place of all classes known so far.
    pub(crate) fn replace_classes(
        &mut self,
        classes: BTreeMap<String, DeviceClassSpec>,
    ) -> Vec<String> {
        self.classes = classes;
        self.catalogue_changed()
    }

    /// Completes those devices anew whose class is another now.
    fn catalogue_changed(&mut self) -> Vec<String> {
        let classes = self.shipped.iter().chain(self.classes.values());
        let before = std::mem::replace(&mut self.catalogue, Catalogue::new(classes.cloned()));
        let differing = self.catalogue.differing(&before);
        let concerned: Vec<(String, Arc<Entry>)> = self
            .devices
            .iter()
            .filter(|(_, entry)| differing.contains(&entry.object.spec.device_class))
            .map(|(name, entry)| (name.clone(), Arc::clone(entry)))
            .collect();
        let mut touched = Vec::new();
        for (name, known) in concerned {
            let shown = Shown::new(&known.object, &self.catalogue, &mut self.words);
            if shown.digest != known.shown.digest {
                self.show(&name, Arc::clone(&known.object), shown);
                touched.push(name);
            }
        }
        touched
    }

    /// Takes a new or changed standalone PV.
    pub(crate) fn apply_pv(&mut self, pv: ProcessVariable) {
        if pv.metadata.deletion_timestamp.is_some() {
            return self.delete_pv(&pv.name_any());
        }
        let names = self.pv_objects.apply(pv);
        self.settle_pvs(names);
    }

    /// Forgets a standalone PV object.
    pub(crate) fn delete_pv(&mut self, object: &str) {
        let names = self.pv_objects.delete(object);
        self.settle_pvs(names);
    }

    /// Forgets all standalone PV objects but the `listed` ones.
    pub(crate) fn retain_pvs(&mut self, listed: &HashSet<String>) {
        let names = self.pv_objects.retain(listed);
        self.settle_pvs(names);
    }

    /// Brings the records of standalone PVs in line with the objects that own their names.
    fn settle_pvs(&mut self, names: Vec<String>) {
        for name in names {
            let owner = self.pv_objects.owner(&name).cloned();
            let is_known = owner.is_some();
            let was_known = match owner {
                Some(pv) => self.standalone.insert(name, pv).is_some(),
                None => self.standalone.remove(&name).is_some(),
            };
            self.version += u64::from(is_known != was_known);
        }
    }

    /// Takes the lock table, or its loss. An older state than the known one is ignored.
    pub(crate) fn set_locks(&mut self, locks: Option<DeviceLocks>) {
        let version = |locks: &DeviceLocks| {
            locks.resource_version().and_then(|version| version.parse::<u64>().ok()).unwrap_or(0)
        };
        let is_older = match (&self.locks, &locks) {
            (Some(old), Some(new)) => old.uid() == new.uid() && version(new) < version(old),
            _ => false,
        };
        if !is_older {
            self.locks = locks.map(|mut table| {
                table.metadata.managed_fields = None;
                Arc::new(table)
            });
        }
    }

    /// Grows with every change of a device that somebody can see, and with every new or lost standalone PV.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The lock table.
    pub(crate) fn locks(&self) -> Option<&Arc<DeviceLocks>> {
        self.locks.as_ref()
    }

    /// The classes.
    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The classes that manifests add to those that are shipped, or put in their place.
    pub(crate) fn own_classes(&self) -> impl Iterator<Item = (&str, &DeviceClassSpec)> {
        let own = self.classes.iter().filter(|(_, class)| !self.shipped.contains(class));
        own.map(|(object, class)| (object.as_str(), class))
    }

    /// The device of that name.
    pub(crate) fn device(&self, name: &str) -> Option<&Arc<Entry>> {
        self.devices.get(name)
    }

    /// All devices by name.
    pub(crate) fn devices(&self) -> &BTreeMap<String, Arc<Entry>> {
        &self.devices
    }

    /// The object of that `metadata.name`, whether or not it is the rightful owner of its name.
    pub(crate) fn object(&self, object: &str) -> Option<&Arc<Device>> {
        self.objects.object(object)
    }

    /// The device and component that a PV belongs to.
    pub(crate) fn owner(&self, pv: &str) -> Option<Owner<'_>> {
        self.ownership.owner(pv)
    }

    /// All devices that list a PV.
    pub(crate) fn devices_with(&self, pv: &str) -> impl Iterator<Item = &str> {
        self.ownership.owners(pv).map(|owner| owner.device)
    }

    /// The standalone PV of that name.
    pub(crate) fn standalone_pv(&self, pv: &str) -> Option<&Arc<ProcessVariable>> {
        self.standalone.get(pv)
    }

    /// All standalone PVs by name.
    pub(crate) fn standalone_pvs(&self) -> &BTreeMap<String, Arc<ProcessVariable>> {
        &self.standalone
    }

    /// Whether a device or a standalone record names that PV.
    pub(crate) fn knows_pv(&self, pv: &str) -> bool {
        self.owner(pv).is_some() || self.standalone.contains_key(pv)
    }

    /// All PV names, sorted.
    pub(crate) fn pv_names(&self) -> BTreeSet<Arc<str>> {
        let standalone = self.standalone.keys().map(|name| name.as_str().into());
        self.ownership.pvs().iter().cloned().chain(standalone).collect()
    }
}
