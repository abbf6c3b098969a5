//! Who holds a device now: the lock table read at one moment.

use crds::DeviceLocksSpec;
use crds::device_locks::DeviceLock;
use jiff::Timestamp;

/// The live lock that counts for the device `name`: its own, or with `lockAll` the earliest of any
/// device.
///
/// A lock whose lease has run out holds nothing (contract §1.7).
pub(crate) fn holder<'a>(
    table: &'a DeviceLocksSpec,
    name: &str,
    now: Timestamp,
) -> Option<&'a DeviceLock> {
    let own = table.locks.get(name).filter(|lock| is_live(lock, now));
    if own.is_some() || !table.lock_all {
        return own;
    }
    table
        .locks
        .values()
        .filter(|lock| is_live(lock, now))
        .min_by(|a, b| (&a.locked_at, a.sequence).cmp(&(&b.locked_at, b.sequence)))
}

/// A lease that cannot be read never lapses: better a lock too many than a move under a plan.
fn is_live(lock: &DeviceLock, now: Timestamp) -> bool {
    match lock.expires_at.as_deref().map(str::parse::<Timestamp>) {
        Some(Ok(expires)) => now < expires,
        Some(Err(_)) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn lock(plan: &str, sequence: i64) -> DeviceLock {
        DeviceLock {
            lock_id: "l".into(),
            item_id: "i".into(),
            plan_name: plan.into(),
            locked_by_service: "bluesky-queueserver".into(),
            locked_at: "2026-11-21T01:35:28.544336+00:00".into(),
            expires_at: None,
            sequence,
        }
    }

    fn table(locks: &[(&str, DeviceLock)]) -> DeviceLocksSpec {
        DeviceLocksSpec {
            locks: locks.iter().map(|(name, lock)| ((*name).to_owned(), lock.clone())).collect(),
            ..DeviceLocksSpec::default()
        }
    }

    #[test]
    fn a_lapsed_lease_holds_nothing_and_an_unreadable_one_holds() {
        let now = Timestamp::now();
        let until = |expires: String| DeviceLock { expires_at: Some(expires), ..lock("count", 1) };
        let past = (now - SignedDuration::from_secs(1)).to_string();
        let future = (now + SignedDuration::from_secs(60)).to_string();
        let table = table(&[("a", until(past)), ("b", until(future)), ("c", until("?".into()))]);
        assert!(holder(&table, "a", now).is_none());
        assert!(holder(&table, "b", now).is_some());
        assert!(holder(&table, "c", now).is_some());
    }

    #[test]
    fn with_lock_all_the_earliest_lock_holds_every_device() {
        let now = Timestamp::now();
        let mut table = table(&[("b", lock("second", 2)), ("z", lock("first", 1))]);
        assert!(holder(&table, "free", now).is_none());
        table.lock_all = true;
        assert_eq!(holder(&table, "free", now).unwrap().plan_name, "first");
        assert_eq!(holder(&table, "b", now).unwrap().plan_name, "second");
    }
}
