use jiff::ToSpan;
use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    "2026-11-21T01:35:28.544336Z".parse().unwrap()
}

fn claimant(item: &str) -> Claimant {
    Claimant { item_id: item.into(), plan_name: format!("plan-{item}"), service: "s".into() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn lock(table: &DeviceLocksSpec, devices: &[&str], item: &str) -> Result<DeviceLocksSpec, Refused> {
    let lockable = |name: &str| match name {
        "ghost" => Lockable::Unknown,
        "off" => Lockable::Disabled,
        _ => Lockable::Enabled,
    };
    acquire(table, &names(devices), lockable, &claimant(item), "id", now(), None)
}

#[test]
fn one_conflict_refuses_all_and_the_request_order_is_kept() {
    let table = lock(&DeviceLocksSpec::default(), &["a"], "i1").unwrap();
    let Refused(conflicts) = lock(&table, &["a", "ghost", "b", "off"], "i2").unwrap_err();
    let seen: Vec<_> = conflicts.iter().map(|c| (c.device_name.as_str(), c.reason)).collect();
    let wanted =
        [("a", Reason::AlreadyLocked), ("ghost", Reason::NotFound), ("off", Reason::Disabled)];
    assert_eq!(seen, wanted);
    assert_eq!(conflicts[0].message(), "Device 'a' is locked by plan 'plan-i1'");
    assert_eq!(conflicts[0].locked_at.as_deref(), Some("2026-11-21T01:35:28.544336+00:00"));
    assert!(Reason::NotFound < Reason::Disabled && Reason::Disabled < Reason::AlreadyLocked);
    assert!(lock(&table, &["a"], "i1").is_err(), "a lock is not re-entrant");
}

#[test]
fn only_the_holder_releases_and_nothing_is_released_halfway() {
    let table = lock(&DeviceLocksSpec::default(), &["a", "b"], "i1").unwrap();
    let foreign = release(&table, &names(&["zz", "a"]), "bad", now()).unwrap_err();
    assert_eq!(foreign.to_string(), "Device 'a' is locked by item i1, not bad");
    let (next, released) = release(&table, &names(&["zz", "a"]), "i1", now()).unwrap();
    assert_eq!(released, ["a"]);
    assert!(next.locks.contains_key("b"));
    assert_eq!(next.version, table.version + 1);
}

#[test]
fn a_lapsed_lock_protects_nothing_and_is_swept() {
    let soon = expiry(now(), 10.0);
    let devices = names(&["a"]);
    let table = acquire(
        &DeviceLocksSpec::default(),
        &devices,
        |_| Lockable::Enabled,
        &claimant("i1"),
        "id",
        now(),
        soon.as_deref(),
    )
    .unwrap();
    let later = now() + 11.seconds();
    assert!(effective(&table, "a", now()).is_some());
    assert!(effective(&table, "a", later).is_none());
    let (next, released) = release(&table, &devices, "i2", later).unwrap();
    assert!(released.is_empty() && next.locks.is_empty());
    assert!(release(&table, &devices, "i2", now()).is_err());
    let (_, found) = renew(&table, &devices, "i1", later, soon.as_deref());
    assert_eq!(found.lost, ["a"]);
}

#[test]
fn a_renewal_extends_its_own_locks_only() {
    let table = lock(&DeviceLocksSpec::default(), &["a"], "i1").unwrap();
    let table = lock(&table, &["b"], "i2").unwrap();
    let all = names(&["a", "b", "ghost"]);
    let (next, found) = renew(&table, &all, "i1", now(), Some("2030-01-01T00:00:00.000000+00:00"));
    assert_eq!(
        found,
        Renewal { renewed: names(&["a"]), lost: names(&["ghost"]), conflict: names(&["b"]) }
    );
    let next = next.unwrap();
    assert!(next.locks["a"].expires_at.is_some() && next.locks["b"].expires_at.is_none());
    let (nothing, found) = renew(&table, &names(&["a"]), "i1", now(), None);
    assert!(nothing.is_none());
    assert_eq!(found.renewed, ["a"]);
}

#[test]
fn force_release_is_atomic_and_reaches_orphans() {
    let table = lock(&DeviceLocksSpec::default(), &["orphan"], "i1").unwrap();
    let registered = |name: &str| name == "a";
    let unknown = force_release(&table, &names(&["ghost", "a", "g2"]), registered).unwrap_err();
    assert_eq!(unknown, ["ghost", "g2"]);
    let asked = names(&["orphan", "a", "orphan"]);
    let (next, released) = force_release(&table, &asked, registered).unwrap();
    assert_eq!(released, ["orphan", "a"]);
    assert!(next.locks.is_empty());
}

#[test]
fn lock_all_shows_the_oldest_live_lock_everywhere() {
    let table = lock(&DeviceLocksSpec::default(), &["z"], "i1").unwrap();
    let table = lock(&table, &["a"], "i2").unwrap();
    let table = with_policy(&table, true).unwrap();
    assert_eq!(effective(&table, "free", now()).unwrap().item_id, "i1");
    assert_eq!(effective(&table, "a", now()).unwrap().item_id, "i2");
    assert!(with_policy(&table, true).is_none());
    assert!(effective(&since(&table, now()), "free", now()).is_none());
}

proptest! {
    /// However requests interleave, a device is never held by two items, and an acquisition has
    /// all of its devices or none.
    #[test]
    fn acquisitions_are_all_or_nothing(
        requests in proptest::collection::vec(
            (0..4_u8, proptest::collection::vec(0..5_u8, 0..4), any::<bool>()), 0..30)
    ) {
        let mut table = DeviceLocksSpec::default();
        for (item, devices, free) in requests {
            let item = format!("i{item}");
            let devices: Vec<String> = devices.iter().map(|device| format!("d{device}")).collect();
            let asked: Vec<&str> = devices.iter().map(String::as_str).collect();
            let before = table.clone();
            if free {
                if let Ok((next, _)) = release(&table, &devices, &item, now()) {
                    table = next;
                }
            } else if let Ok(next) = lock(&table, &asked, &item) {
                prop_assert!(devices.iter().all(|device| !before.locks.contains_key(device)));
                prop_assert!(devices.iter().all(|device| next.locks[device].item_id == item));
                table = next;
            } else {
                prop_assert!(devices.iter().any(|device| before.locks.contains_key(device)));
            }
            for (device, lock) in &before.locks {
                if let Some(after) = table.locks.get(device) {
                    prop_assert_eq!(&after.item_id, &lock.item_id);
                }
            }
        }
    }
}
