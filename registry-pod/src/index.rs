//! What the registry knows, in memory: devices, PVs, classes and locks of one namespace.
//!
//! Pure: it is fed with objects and answers questions. Every read of the API is answered here.

mod filter;
mod ownership;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crds::resolve::{self, Catalogue};
use crds::{Device, DeviceClassSpec, DeviceLocks, ProcessVariable, claims};
use kube::ResourceExt;

pub(crate) use filter::{DeviceFilter, Glob};
pub(crate) use ownership::Owner;
use ownership::{Ownership, Rank};

use crate::device::{self, DeviceInstantiationSpec, DeviceMetadata};

/// One device, completed from its class.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The object as the Kubernetes API has it.
    pub(crate) object: Arc<Device>,
    pub(crate) metadata: DeviceMetadata,
    pub(crate) spec: DeviceInstantiationSpec,
    /// Prefix of its PVs, by the rules of contract §1.4.
    pub(crate) prefix: Option<String>,
    /// Fingerprint of all that the API shows of it.
    pub(crate) digest: String,
}

impl Entry {
    fn new(object: Arc<Device>, catalogue: &Catalogue) -> Self {
        let metadata = DeviceMetadata::of(&object.spec, catalogue);
        let spec = DeviceInstantiationSpec::of(&object);
        let digest = device::digest(&metadata, &spec);
        let prefix = resolve::prefix(&object.spec).or_else(|| common_prefix(&metadata));
        Self { object, metadata, spec, prefix, digest }
    }
}

/// The longest start that all PVs of a device share.
fn common_prefix(metadata: &DeviceMetadata) -> Option<String> {
    let mut pvs = metadata.pvs.values();
    let first = pvs.next()?.clone();
    let shared = pvs.fold(first, |shared, pv| {
        let both = shared.chars().zip(pv.chars());
        both.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    });
    (!shared.is_empty()).then_some(shared)
}

/// Everything known. See the module.
#[derive(Debug, Default)]
pub(crate) struct Index {
    catalogue: Catalogue,
    /// Classes that are known without a manifest; a manifest of the same class wins.
    shipped: Vec<DeviceClassSpec>,
    classes: BTreeMap<String, DeviceClassSpec>,
    /// Device objects by `metadata.name`.
    objects: HashMap<String, Arc<Device>>,
    /// Which objects claim a device name.
    claims: HashMap<String, BTreeSet<String>>,
    devices: BTreeMap<String, Arc<Entry>>,
    /// Standalone PV objects by `metadata.name`.
    pv_objects: HashMap<String, Arc<ProcessVariable>>,
    /// Which objects claim a standalone PV.
    pv_claims: HashMap<String, BTreeSet<String>>,
    standalone: BTreeMap<String, Arc<ProcessVariable>>,
    ownership: Ownership,
    locks: Option<Arc<DeviceLocks>>,
}

impl Index {
    /// An index that knows nothing but these classes.
    pub(crate) fn new(shipped: Vec<DeviceClassSpec>) -> Self {
        let mut index = Self { shipped, ..Self::default() };
        index.catalogue_changed();
        index
    }

    /// Takes a new or changed device. Answers the device names that it touched.
    pub(crate) fn apply_device(&mut self, device: Device) -> Vec<String> {
        let object = device.name_any();
        if device.metadata.deletion_timestamp.is_some() {
            return self.delete_device(&object);
        }
        let mut touched = self.forget_object(&object);
        let name = device.spec.name.clone();
        self.claims.entry(name.clone()).or_default().insert(object.clone());
        self.objects.insert(object, Arc::new(device));
        touched.push(name);
        self.settle(&touched);
        touched
    }

    /// Forgets a device object. Answers the device names that it touched.
    pub(crate) fn delete_device(&mut self, object: &str) -> Vec<String> {
        let touched = self.forget_object(object);
        self.settle(&touched);
        touched
    }

    /// Takes a complete list in place of all devices known so far.
    pub(crate) fn replace_devices(&mut self, devices: Vec<Device>) -> Vec<String> {
        let listed: BTreeSet<String> = devices.iter().map(ResourceExt::name_any).collect();
        let gone: Vec<String> =
            self.objects.keys().filter(|object| !listed.contains(*object)).cloned().collect();
        let mut touched = Vec::new();
        for object in gone {
            touched.extend(self.delete_device(&object));
        }
        for device in devices {
            touched.extend(self.apply_device(device));
        }
        touched
    }

    fn forget_object(&mut self, object: &str) -> Vec<String> {
        let Some(old) = self.objects.remove(object) else { return Vec::new() };
        if let Some(claims) = self.claims.get_mut(&old.spec.name) {
            claims.remove(object);
        }
        vec![old.spec.name.clone()]
    }

    /// Brings the entries of `names` in line with the objects that claim them.
    fn settle(&mut self, names: &[String]) {
        for name in names {
            if let Some(old) = self.devices.remove(name) {
                self.ownership.release(&Rank::of(&old.object), &old.metadata);
            }
            let Some(object) = self.rightful(name) else {
                self.claims.remove(name);
                continue;
            };
            let entry = Entry::new(object, &self.catalogue);
            self.ownership.claim(&Rank::of(&entry.object), &entry.metadata);
            self.devices.insert(name.clone(), Arc::new(entry));
        }
    }

    /// The object that owns a device name.
    fn rightful(&self, name: &str) -> Option<Arc<Device>> {
        let objects = self.claims.get(name)?.iter().filter_map(|object| self.objects.get(object));
        let owners = claims::device_owners(objects.map(AsRef::as_ref));
        self.objects.get(&owners.get(name)?.object).cloned()
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

    fn catalogue_changed(&mut self) -> Vec<String> {
        let classes = self.shipped.iter().chain(self.classes.values());
        self.catalogue = Catalogue::new(classes.cloned());
        let names: Vec<String> = self.devices.keys().cloned().collect();
        self.settle(&names);
        names
    }

    /// Takes a new or changed standalone PV.
    pub(crate) fn apply_pv(&mut self, pv: ProcessVariable) {
        let object = pv.name_any();
        self.delete_pv(&object);
        if pv.metadata.deletion_timestamp.is_none() {
            let name = pv.spec.pv_name.clone();
            self.pv_claims.entry(name.clone()).or_default().insert(object.clone());
            self.pv_objects.insert(object, Arc::new(pv));
            self.settle_pv(&name);
        }
    }

    /// Forgets a standalone PV object.
    pub(crate) fn delete_pv(&mut self, object: &str) {
        let Some(old) = self.pv_objects.remove(object) else { return };
        if let Some(claims) = self.pv_claims.get_mut(&old.spec.pv_name) {
            claims.remove(object);
        }
        self.settle_pv(&old.spec.pv_name);
    }

    /// Brings the record of a standalone PV in line with the objects that claim its name.
    fn settle_pv(&mut self, name: &str) {
        let objects = self.pv_claims.get(name).into_iter().flatten();
        let claimants = objects.filter_map(|object| self.pv_objects.get(object));
        let owners = claims::pv_owners(claimants.map(AsRef::as_ref));
        if let Some(pv) = owners.get(name).and_then(|owner| self.pv_objects.get(&owner.object)) {
            self.standalone.insert(name.to_owned(), Arc::clone(pv));
        } else {
            self.standalone.remove(name);
            self.pv_claims.remove(name);
        }
    }

    /// Takes a complete list in place of all standalone PVs known so far.
    pub(crate) fn replace_pvs(&mut self, pvs: Vec<ProcessVariable>) {
        self.pv_objects.clear();
        self.pv_claims.clear();
        self.standalone.clear();
        for pv in pvs {
            self.apply_pv(pv);
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
            self.locks = locks.map(Arc::new);
        }
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
        self.objects.get(object)
    }

    /// The device and component that a PV belongs to.
    pub(crate) fn owner(&self, pv: &str) -> Option<&Owner> {
        self.ownership.owner(pv)
    }

    /// All devices that list a PV.
    pub(crate) fn devices_with(&self, pv: &str) -> impl Iterator<Item = &str> {
        self.ownership.owners(pv).map(|owner| owner.device.as_str())
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
    pub(crate) fn pv_names(&self) -> BTreeSet<&str> {
        self.ownership.pvs().chain(self.standalone.keys().map(String::as_str)).collect()
    }
}
