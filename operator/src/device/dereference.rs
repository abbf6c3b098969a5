//! What else must be known to judge a device: its class, the owner of its name, and the lock on it.

use std::sync::Arc;

use crds::Device;
use crds::claims::Claim;
use crds::device_locks::{DeviceLock, DeviceLocksSpec};
use crds::resolve::Catalogue;
use kube::ResourceExt;

use super::Devices;
use crate::mirror::current;

/// Everything outside the device that its status depends on.
#[derive(Clone, Debug, Default)]
pub(super) struct References {
    /// The device classes of the namespace.
    pub(super) catalogue: Arc<Catalogue>,
    /// Another device that owns the name of this one.
    pub(super) rival: Option<Claim>,
    /// The lock on the device.
    pub(super) lock: Option<DeviceLock>,
}

/// Reads the mirrors; no call to the API.
pub(super) fn dereference(devices: &Devices, device: &Device) -> References {
    let namespace = device.namespace().unwrap_or_default();
    let owner = devices.index.owner(&namespace, &device.spec.name);
    References {
        catalogue: current(&devices.catalogue, device),
        rival: owner.filter(|owner| Some(&owner.uid) != device.uid().as_ref()),
        lock: lock_on(&current(&devices.locks, device), &device.spec.name),
    }
}

/// The lock on that device; under lock-all the oldest lock of all counts.
fn lock_on(table: &DeviceLocksSpec, device: &str) -> Option<DeviceLock> {
    let own = table.locks.get(device);
    let any = || table.locks.values().min_by_key(|lock| lock.sequence).filter(|_| table.lock_all);
    own.or_else(any).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lock_all: bool) -> DeviceLocksSpec {
        let text = "
            version: 3
            epoch: e
            locks:
              det: {lockId: l1, itemId: i1, planName: count, lockedByService: s, lockedAt: t, sequence: 2}
              mot: {lockId: l0, itemId: i0, planName: scan, lockedByService: s, lockedAt: t, sequence: 1}
        ";
        DeviceLocksSpec { lock_all, ..serde_saphyr::from_str(text).unwrap() }
    }

    #[test]
    fn a_device_has_its_own_lock_and_no_other() {
        assert_eq!(lock_on(&table(false), "det").unwrap().plan_name, "count");
        assert!(lock_on(&table(false), "other").is_none());
    }

    #[test]
    fn under_lock_all_the_oldest_lock_holds_every_device() {
        assert_eq!(lock_on(&table(true), "other").unwrap().plan_name, "scan");
        assert_eq!(lock_on(&table(true), "det").unwrap().plan_name, "count");
    }
}
