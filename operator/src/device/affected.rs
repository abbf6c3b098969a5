//! Which devices a change elsewhere concerns. Plain functions.

use std::collections::{BTreeMap, HashSet};

use crds::Device;
use crds::device_locks::{DeviceLock, DeviceLocksSpec};
use crds::resolve::Catalogue;

/// The devices of a namespace that have to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Affected {
    /// Those of these classes.
    OfClasses(HashSet<String>),
    /// Those of these real names.
    Named(HashSet<String>),
    /// All.
    All,
}

impl Affected {
    /// Whether `device` has to be looked at.
    pub(crate) fn concerns(&self, device: &Device) -> bool {
        match self {
            Self::OfClasses(paths) => paths.contains(&device.spec.device_class),
            Self::Named(names) => names.contains(&device.spec.name),
            Self::All => true,
        }
    }
}

/// Those whose class has changed.
pub(crate) fn by_classes(before: &Catalogue, after: &Catalogue) -> Affected {
    Affected::OfClasses(before.differing(after))
}

/// Those on whom another lock lies; under lock-all that may be any.
pub(crate) fn by_locks(before: &DeviceLocksSpec, after: &DeviceLocksSpec) -> Affected {
    if before.lock_all || after.lock_all {
        return Affected::All;
    }
    let of = |table: &DeviceLocksSpec, name: &str| -> Option<DeviceLock> {
        table.locks.get(name).cloned()
    };
    let names: BTreeMap<&String, ()> =
        before.locks.keys().chain(after.locks.keys()).map(|name| (name, ())).collect();
    let differing = names.into_keys().filter(|name| of(before, name) != of(after, name));
    Affected::Named(differing.cloned().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn device(name: &str, class: &str) -> Device {
        Device::new(
            name,
            serde_json::from_value(json!({"name": name, "deviceClass": class})).unwrap(),
        )
    }

    fn catalogue(label: &str) -> Catalogue {
        let class = |path: &str, alias: &str, label: &str| {
            serde_json::from_value(json!({
                "classPath": path, "aliases": [alias], "deviceLabel": label,
                "behaviour": "Composite", "components": [],
            }))
            .unwrap()
        };
        Catalogue::new([class("a.Stays", "a.S", "motor"), class("a.Changes", "a.C", label)])
    }

    fn locks(names: &[&str], lock_all: bool) -> DeviceLocksSpec {
        let lock = json!({
            "lockId": "l", "itemId": "i", "planName": "p", "lockedByService": "s", "lockedAt": "t",
        });
        let locks: serde_json::Map<_, _> =
            names.iter().map(|name| ((*name).to_owned(), lock.clone())).collect();
        serde_json::from_value(
            json!({"version": 1, "epoch": "e", "lockAll": lock_all, "locks": locks}),
        )
        .unwrap()
    }

    #[test]
    fn a_changed_class_concerns_its_devices_by_whatever_path_they_name_it() {
        let affected = by_classes(&catalogue("motor"), &catalogue("detector"));
        assert!(affected.concerns(&device("x", "a.Changes")));
        assert!(affected.concerns(&device("x", "a.C")));
        assert!(!affected.concerns(&device("x", "a.Stays")));
        let new = by_classes(&Catalogue::default(), &catalogue("motor"));
        assert!(new.concerns(&device("x", "a.Stays")));
    }

    #[test]
    fn a_lock_concerns_the_devices_that_it_is_put_on_or_taken_off() {
        let affected = by_locks(&locks(&["a", "b"], false), &locks(&["b", "c"], false));
        let concerned = ["a", "b", "c", "d"].map(|name| affected.concerns(&device(name, "x.Y")));
        assert_eq!(concerned, [true, false, true, false]);
        let all = by_locks(&locks(&["a"], true), &locks(&["a"], false));
        assert!(all.concerns(&device("d", "x.Y")));
    }
}
