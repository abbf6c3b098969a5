//! The devices that a profile makes against those of the registry, and what would bring the registry up to date (contract queue-server
//! §5.3, §5.4). Plain functions over what was read.
//!
//! Of a device, its class and arguments are compared: what a worker can tell of a device that is there already.

mod change;
mod difference;
mod strategy;

use std::collections::BTreeMap;

use crds::claims::device_owners;
use crds::device::ACTIVE_ANNOTATION;
use crds::names::object_name;
use crds::resolve::Catalogue;
use crds::{Device, DeviceSpec, FreeForm};
use kube::ResourceExt;
use plan_worker::protocol::DeviceRecipe;
use serde_json::{Value, json};

pub use change::Change;
pub use difference::{Difference, Instantiation, Modified};
pub use strategy::Strategy;

/// Label that says who made a device, and what it says of those of a profile.
const CREATED_BY: (&str, &str) = ("beamline.dev/created-by", "profile");

/// The devices of a profile, as its worker tells of them.
#[derive(Clone, Debug, Default)]
pub struct ProfileDevices {
    /// How they are made.
    pub known: Vec<DeviceRecipe>,
    /// Names of those that nobody else could make, and why.
    pub left_out: BTreeMap<String, String>,
    /// Whether the environment has those of the registry too. The profile then is not where all devices come from, and none is gone
    /// for not being there, but for those that came from a profile.
    pub beside_registry: bool,
}

impl ProfileDevices {
    fn makes(&self, name: &str) -> bool {
        self.left_out.contains_key(name) || self.known.iter().any(|one| one.name == name)
    }

    fn has_lost(&self, device: &Device) -> bool {
        let came_from_profile =
            device.labels().get(CREATED_BY.0).is_some_and(|by| by == CREATED_BY.1);
        !self.makes(&device.spec.name) && (came_from_profile || !self.beside_registry)
    }
}

/// The devices of a profile beside those of the registry.
#[derive(Debug)]
pub struct Inventory<'a> {
    profile: &'a ProfileDevices,
    /// By name; of several objects with one name, the one that owns it.
    registry: BTreeMap<&'a str, &'a Device>,
    catalogue: &'a Catalogue,
}

impl<'a> Inventory<'a> {
    /// What there is. `catalogue` knows under which names a class goes.
    pub fn new(
        profile: &'a ProfileDevices,
        devices: &'a [Device],
        catalogue: &'a Catalogue,
    ) -> Self {
        let registry = owning(devices).map(|device| (device.spec.name.as_str(), device)).collect();
        Self { profile, registry, catalogue }
    }

    /// How the two differ.
    pub fn difference(&self) -> Difference {
        let names = |wanted: &dyn Fn(&Device) -> bool| -> Vec<String> {
            let wanted = self.registry.iter().filter(|(_, device)| wanted(device));
            wanted.map(|(name, _)| (*name).to_owned()).collect()
        };
        let mut added: Vec<_> = self.unknown().map(|recipe| recipe.name.clone()).collect();
        added.sort_unstable();
        let mut modified: Vec<_> = self
            .shared()
            .filter(|(device, _)| device.is_active())
            .filter_map(|(device, recipe)| self.modified(device, recipe))
            .collect();
        modified.sort_by(|one, other| one.name.cmp(&other.name));
        Difference {
            added,
            removed: names(&|device| self.is_removed(device)),
            modified,
            disabled: names(&|device| !device.is_active()),
        }
    }

    /// The writes of that strategy.
    pub fn changes(&self, strategy: &Strategy) -> Vec<Change> {
        let added = self.unknown().filter(|recipe| strategy.adds(&recipe.name));
        let added =
            added.map(|recipe| Change::Create(Box::new(resource(recipe.clone(), self.catalogue))));
        let others = self.shared().filter(|(device, _)| match device.is_active() {
            true => strategy.modifies(&device.spec.name),
            false => strategy.enables(&device.spec.name),
        });
        let others = others.filter_map(|(device, recipe)| {
            let updated = Box::new(self.updated(device, recipe));
            match (self.modified(device, recipe), device.is_active()) {
                (Some(_), _) => Some(Change::Replace(updated)),
                (None, false) => Some(Change::Enable(updated)),
                (None, true) => None,
            }
        });
        let removed = self.registry.values().filter(|device| self.is_removed(device));
        let removed = removed.filter(|_| strategy.deletes());
        let removed = removed.map(|device| Change::Delete(Box::new((*device).clone())));
        added.chain(others).chain(removed).collect()
    }

    /// Devices of the profile that the registry does not have.
    fn unknown(&self) -> impl Iterator<Item = &'a DeviceRecipe> {
        let known = self.profile.known.iter();
        known.filter(|recipe| !self.registry.contains_key(recipe.name.as_str()))
    }

    /// Devices that both have.
    fn shared(&self) -> impl Iterator<Item = (&'a Device, &'a DeviceRecipe)> {
        let known = self.profile.known.iter();
        known.filter_map(|recipe| Some((*self.registry.get(recipe.name.as_str())?, recipe)))
    }

    fn is_removed(&self, device: &Device) -> bool {
        device.is_active() && self.profile.has_lost(device)
    }

    /// How profile and registry make a device, where they do so in different ways.
    fn modified(&self, device: &Device, recipe: &DeviceRecipe) -> Option<Modified> {
        let before = Instantiation::of(device);
        let mut after = before.clone();
        let mut fields_changed = Vec::new();
        if before.args != recipe.args {
            fields_changed.push("args");
            after.args.clone_from(&recipe.args);
        }
        if !self.is_same_class(&before.device_class, &recipe.device_class) {
            fields_changed.push("device_class");
            after.device_class.clone_from(&recipe.device_class);
        }
        if named(&before.kwargs, &before.name) != named(&recipe.kwargs, &before.name) {
            fields_changed.push("kwargs");
            after.kwargs.clone_from(&recipe.kwargs);
        }
        let name = before.name.clone();
        (!fields_changed.is_empty()).then_some(Modified { name, before, after, fields_changed })
    }

    fn is_same_class(&self, one: &str, other: &str) -> bool {
        let path = |name: &str| self.catalogue.get(name).map(|class| class.class_path.clone());
        one == other || path(one).is_some_and(|class| path(other) == Some(class))
    }

    /// A device of the registry, active and made as the profile does it. What the profile does not say of it stays.
    fn updated(&self, device: &Device, recipe: &DeviceRecipe) -> Device {
        let mut wanted = device.clone();
        if !device.is_active() {
            wanted.annotations_mut().insert(ACTIVE_ANNOTATION.to_owned(), true.to_string());
        }
        let Some(Modified { after, fields_changed, .. }) = self.modified(device, recipe) else {
            return wanted;
        };
        let spec = &mut wanted.spec;
        if fields_changed.contains(&"kwargs") {
            spec.kwargs = after.kwargs;
        }
        if fields_changed.contains(&"args") {
            match (&mut spec.prefix, after.args.as_slice()) {
                (Some(prefix), [Value::String(only)]) => {
                    prefix.clone_from(only);
                    spec.args = Vec::new();
                }
                _ => {
                    spec.prefix = None;
                    spec.args = after.args;
                }
            }
        }
        if fields_changed != ["kwargs"] {
            spec.device_class = after.device_class;
            // Those that were given are of the device as it was.
            spec.pvs = pvs(recipe, self.catalogue);
        }
        wanted
    }
}

/// The devices that own their names: of several objects with one name, only one counts.
pub(crate) fn owning(devices: &[Device]) -> impl Iterator<Item = &Device> {
    let owners = device_owners(devices);
    devices.iter().filter(move |device| {
        owners.get(&device.spec.name).is_some_and(|owner| owner.object == device.name_any())
    })
}

/// Keyword arguments with the name that a device has when none is among them.
fn named(kwargs: &FreeForm, name: &str) -> FreeForm {
    let mut kwargs = kwargs.clone();
    kwargs.entry("name").or_insert_with(|| json!(name));
    kwargs
}

/// PVs of a device of the profile that are not derived from its class.
fn pvs(recipe: &DeviceRecipe, catalogue: &Catalogue) -> BTreeMap<String, String> {
    match catalogue.get(&recipe.device_class) {
        Some(_) => BTreeMap::new(),
        None => recipe.pvs.clone(),
    }
}

/// The resource of a device of the profile. Its PVs are those of its class, if that is known.
pub fn resource(recipe: DeviceRecipe, catalogue: &Catalogue) -> Device {
    let spec = DeviceSpec {
        pvs: pvs(&recipe, catalogue),
        kwargs: recipe.kwargs,
        active: true,
        name: recipe.name,
        device_class: recipe.device_class,
        args: recipe.args,
        ..DeviceSpec::default()
    };
    let mut device = Device::new(&object_name(&spec.name), spec);
    device.labels_mut().insert(CREATED_BY.0.to_owned(), CREATED_BY.1.to_owned());
    device
}

#[cfg(test)]
mod tests;
