//! The rules of device locks (contract §1.7): pure functions from one lock table to the next.
//!
//! The table is one object, and one change of it is one compare-and-swap; so several devices are
//! locked together or not at all, whoever else is at it.

mod trace;

use std::collections::BTreeSet;

use crds::DeviceLocksSpec;
use crds::locking::{self, bumped, held};
pub(crate) use crds::locking::{Claimant, holder as effective, iso};
use jiff::Timestamp;
use serde::Serialize;
pub(crate) use trace::{Trace, take_back};
use utoipa::ToSchema;

/// Why one device cannot be locked. Those further up decide the status of the whole refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    NotFound,
    Disabled,
    AlreadyLocked,
}

/// One device that cannot be locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DeviceLockConflict {
    pub(crate) device_name: String,
    #[schema(inline)]
    pub(crate) reason: Reason,
    pub(crate) locked_by_plan: Option<String>,
    pub(crate) locked_at: Option<String>,
}

impl DeviceLockConflict {
    /// The sentence for people.
    pub(crate) fn message(&self) -> String {
        let name = &self.device_name;
        match self.reason {
            Reason::NotFound => format!("Device not found: {name}"),
            Reason::Disabled => format!("Device '{name}' is disabled"),
            Reason::AlreadyLocked => {
                let plan = self.locked_by_plan.as_deref().unwrap_or_default();
                format!("Device '{name}' is locked by plan '{plan}'")
            }
        }
    }
}

/// Devices cannot be locked; each one that stands in the way, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) Vec<DeviceLockConflict>);

/// A live lock of another item stands in the way of an unlock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Device '{device}' is locked by item {holder}, not {asked}")]
pub(crate) struct Foreign {
    device: String,
    holder: String,
    asked: String,
}

/// What a device is, as far as locking goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lockable {
    Enabled,
    Disabled,
    Unknown,
}

/// When a lock taken now lapses: never for a lease of 0 seconds.
pub(crate) fn expiry(now: Timestamp, lease_seconds: f64) -> Option<String> {
    if lease_seconds <= 0.0 {
        return None;
    }
    let lease = jiff::SignedDuration::try_from_secs_f64(lease_seconds).ok()?;
    now.checked_add(lease).ok().map(iso)
}

/// Locks all of `devices`, or none.
pub(crate) fn acquire(
    table: &DeviceLocksSpec,
    devices: &[String],
    lockable: impl Fn(&str) -> Lockable,
    claimant: &Claimant,
    lock_id: &str,
    now: Timestamp,
    expires_at: Option<&str>,
) -> Result<DeviceLocksSpec, Refused> {
    let conflicts: Vec<DeviceLockConflict> = devices
        .iter()
        .filter_map(|device| {
            let lock = held(table, device, now);
            let reason = match (lockable(device), lock) {
                (Lockable::Unknown, _) => Reason::NotFound,
                (Lockable::Disabled, _) => Reason::Disabled,
                (Lockable::Enabled, Some(_)) => Reason::AlreadyLocked,
                (Lockable::Enabled, None) => return None,
            };
            let lock = lock.filter(|_| reason == Reason::AlreadyLocked);
            Some(DeviceLockConflict {
                device_name: device.clone(),
                reason,
                locked_by_plan: lock.map(|lock| lock.plan_name.clone()),
                locked_at: lock.map(|lock| lock.locked_at.clone()),
            })
        })
        .collect();
    if !conflicts.is_empty() {
        return Err(Refused(conflicts));
    }
    Ok(locking::take(table, devices, claimant, lock_id, now, expires_at))
}

/// Releases those of `devices` that `item` holds. Names without a lock are skipped; a lapsed lock
/// of another item is swept.
pub(crate) fn release(
    table: &DeviceLocksSpec,
    devices: &[String],
    item: &str,
    now: Timestamp,
) -> Result<(DeviceLocksSpec, Vec<String>), Foreign> {
    let foreign = devices.iter().find_map(|device| {
        let lock = held(table, device, now).filter(|lock| lock.item_id != item)?;
        Some(Foreign {
            device: device.clone(),
            holder: lock.item_id.clone(),
            asked: item.to_owned(),
        })
    });
    if let Some(foreign) = foreign {
        return Err(foreign);
    }
    let mut next = bumped(table);
    let mut released = Vec::new();
    for device in devices {
        if next.locks.remove(device).is_some_and(|lock| lock.item_id == item) {
            released.push(device.clone());
        }
    }
    Ok((next, released))
}

/// What a renewal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Renewal {
    pub(crate) renewed: Vec<String>,
    pub(crate) lost: Vec<String>,
    pub(crate) conflict: Vec<String>,
}

/// Extends the live locks that `item` holds on `devices`. Without a lease nothing is to be written.
pub(crate) fn renew(
    table: &DeviceLocksSpec,
    devices: &[String],
    item: &str,
    now: Timestamp,
    expires_at: Option<&str>,
) -> (Option<DeviceLocksSpec>, Renewal) {
    let mut found = Renewal::default();
    for device in devices {
        let list = match held(table, device, now) {
            None => &mut found.lost,
            Some(lock) if lock.item_id == item => &mut found.renewed,
            Some(_) => &mut found.conflict,
        };
        list.push(device.clone());
    }
    let Some(expires_at) = expires_at.filter(|_| !found.renewed.is_empty()) else {
        return (None, found);
    };
    let mut next = table.clone();
    for device in &found.renewed {
        if let Some(lock) = next.locks.get_mut(device) {
            lock.expires_at = Some(expires_at.to_owned());
        }
    }
    (Some(next), found)
}

/// Releases `devices` whoever holds them. Answers the names once each, in the order given.
///
/// # Errors
/// The names that are neither registered nor locked; then nothing is released.
pub(crate) fn force_release(
    table: &DeviceLocksSpec,
    devices: &[String],
    is_registered: impl Fn(&str) -> bool,
) -> Result<(DeviceLocksSpec, Vec<String>), Vec<String>> {
    let mut seen = BTreeSet::new();
    let names: Vec<String> =
        devices.iter().filter(|device| seen.insert(device.as_str())).cloned().collect();
    let unknown: Vec<String> = names
        .iter()
        .filter(|device| !is_registered(device) && !table.locks.contains_key(*device))
        .cloned()
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let mut next = bumped(table);
    for device in &names {
        next.locks.remove(device);
    }
    Ok((next, names))
}

/// The table with the policy of locking every device while any lock is held; `None` when it has it.
pub(crate) fn with_policy(table: &DeviceLocksSpec, lock_all: bool) -> Option<DeviceLocksSpec> {
    (table.lock_all != lock_all).then(|| DeviceLocksSpec { lock_all, ..bumped(table) })
}

/// The table with those locks only that were taken after `time`. One whose time cannot be read is older.
pub(crate) fn since(table: &DeviceLocksSpec, time: Timestamp) -> DeviceLocksSpec {
    let mut next = bumped(table);
    next.locks.retain(|_, lock| lock.locked_at.parse::<Timestamp>().is_ok_and(|at| at > time));
    next
}

#[cfg(test)]
mod tests;
