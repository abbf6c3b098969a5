//! The rules of the lock table: who holds a device, taking and giving back. Plain functions over plain
//! data (contract registry-and-direct-control §1.7).

use jiff::Timestamp;

use crate::DeviceLocksSpec;
use crate::device_locks::DeviceLock;

/// Who takes devices, and for what.
#[derive(Clone, Debug)]
pub struct Claimant {
    /// Queue item that the devices are for.
    pub item_id: String,
    /// Plan that the item runs.
    pub plan_name: String,
    /// Service that asks.
    pub service: String,
}

/// The time as Python's `isoformat()` writes it in UTC.
pub fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

/// Whether a lock counts. One whose expiry cannot be read never lapses: better a lock too many than a
/// move under a plan.
pub fn is_live(lock: &DeviceLock, now: Timestamp) -> bool {
    match lock.expires_at.as_deref().map(str::parse::<Timestamp>) {
        Some(Ok(expires)) => now < expires,
        Some(Err(_)) | None => true,
    }
}

/// The live lock on `device` itself.
pub fn held<'a>(
    table: &'a DeviceLocksSpec,
    device: &str,
    now: Timestamp,
) -> Option<&'a DeviceLock> {
    table.locks.get(device).filter(|lock| is_live(lock, now))
}

/// The live lock that keeps others off `device`: its own, or with `lockAll` the earliest of any device.
pub fn holder<'a>(
    table: &'a DeviceLocksSpec,
    device: &str,
    now: Timestamp,
) -> Option<&'a DeviceLock> {
    held(table, device, now).or_else(|| {
        let live = table.locks.values().filter(|lock| table.lock_all && is_live(lock, now));
        live.min_by(|a, b| (&a.locked_at, a.sequence).cmp(&(&b.locked_at, b.sequence)))
    })
}

/// The table after `devices` were taken. Whether they are free was looked at before.
pub fn take(
    table: &DeviceLocksSpec,
    devices: &[String],
    claimant: &Claimant,
    lock_id: &str,
    now: Timestamp,
    expires_at: Option<&str>,
) -> DeviceLocksSpec {
    let mut next = bumped(table);
    let first = next.locks.values().map(|lock| lock.sequence).max().unwrap_or(0) + 1;
    for (sequence, device) in (first..).zip(devices) {
        let lock = DeviceLock {
            lock_id: lock_id.to_owned(),
            item_id: claimant.item_id.clone(),
            plan_name: claimant.plan_name.clone(),
            locked_by_service: claimant.service.clone(),
            locked_at: iso(now),
            expires_at: expires_at.map(ToOwned::to_owned),
            sequence,
        };
        next.locks.insert(device.clone(), lock);
    }
    next
}

/// The table without one acquisition; `None` when nothing of it is left.
pub fn give_back(table: &DeviceLocksSpec, lock_id: &str) -> Option<DeviceLocksSpec> {
    if !table.locks.values().any(|lock| lock.lock_id == lock_id) {
        return None;
    }
    let mut next = bumped(table);
    next.locks.retain(|_, lock| lock.lock_id != lock_id);
    Some(next)
}

/// The same table under its next version.
pub fn bumped(table: &DeviceLocksSpec) -> DeviceLocksSpec {
    DeviceLocksSpec { version: table.version + 1, ..table.clone() }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn claimant(plan: &str) -> Claimant {
        let (item_id, service) = (format!("item-of-{plan}"), "s".to_owned());
        Claimant { item_id, plan_name: plan.to_owned(), service }
    }

    fn taken(devices: &[&str], plan: &str, expires: Option<&str>) -> DeviceLocksSpec {
        let devices: Vec<_> = devices.iter().map(|&device| device.to_owned()).collect();
        take(
            &DeviceLocksSpec::default(),
            &devices,
            &claimant(plan),
            plan,
            Timestamp::now(),
            expires,
        )
    }

    #[test]
    fn a_lapsed_lock_holds_nothing_and_an_unreadable_expiry_holds() {
        let now = Timestamp::now();
        let past = (now - SignedDuration::from_secs(1)).to_string();
        let future = (now + SignedDuration::from_secs(60)).to_string();
        let holds = |expires| held(&taken(&["m1"], "scan", Some(expires)), "m1", now).is_some();
        assert!(!holds(&past));
        assert!(holds(&future));
        assert!(holds("?"));
    }

    #[test]
    fn with_lock_all_the_earliest_lock_holds_every_device() {
        let mut table = taken(&["b"], "first", None);
        let now = Timestamp::now();
        table = take(&table, &["z".to_owned()], &claimant("second"), "2", now, None);
        assert!(holder(&table, "free", now).is_none());
        table.lock_all = true;
        assert_eq!(holder(&table, "free", now).unwrap().plan_name, "first");
        assert_eq!(holder(&table, "z", now).unwrap().plan_name, "second");
    }

    #[test]
    fn an_acquisition_is_given_back_as_a_whole_and_no_other_with_it() {
        let table = taken(&["m1", "m2"], "scan", None);
        let both =
            take(&table, &["m3".to_owned()], &claimant("other"), "o", Timestamp::now(), None);
        let left = give_back(&both, "scan").unwrap();
        assert_eq!(left.locks.keys().collect::<Vec<_>>(), ["m3"]);
        assert_eq!(left.version, both.version + 1);
        assert_eq!(give_back(&left, "scan"), None);
    }
}
