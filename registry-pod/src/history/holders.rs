//! Who holds devices, as the history tells it: at start it is compared with the lock table, and told what it lacks.
//!
//! A lock and its row are two writes. Who ends between them leaves a table that the history says nothing of.
//! The queue writes its locks into the table itself, and no rows; they are known by their ids.

use std::collections::BTreeMap;

use crds::DeviceLocksSpec;
use crds::locking::Claimant;
use serde_json::Value;
use uuid::Uuid;

use super::{Log, NewRow, Operation, details};
use crate::locks::Trace;
use crate::store::FIELD_MANAGER;

/// Locks of this API have random ids. Those of the queue follow from the item.
const RANDOM: usize = 4;

/// A lock of which the last row of its device tells.
#[derive(Debug, Default)]
struct Told {
    lock_id: String,
    item_id: String,
}

/// The locks that are held, if all the rows are true.
fn told(log: &Log) -> BTreeMap<&str, Told> {
    let mut held = BTreeMap::new();
    for row in log.rows.values() {
        let device = row.device_name.as_str();
        match row.operation {
            Operation::Lock => drop(held.insert(device, lock_of(row))),
            Operation::Unlock => {
                // A row that was written late is of an earlier lock.
                let item = lock_of(row).item_id;
                if held.get(device).is_some_and(|told: &Told| told.item_id == item) {
                    held.remove(device);
                }
            }
            Operation::ForceUnlock => drop(held.remove(device)),
            Operation::Reset => held.clear(),
            _ => {}
        }
    }
    held
}

fn lock_of(row: &NewRow) -> Told {
    let details: Value = row.details.as_deref().map_or(Value::Null, |text| {
        // A row of ours is JSON; of another one nothing is known but that there is a lock.
        serde_json::from_str(text).unwrap_or_default()
    });
    let member = |name: &str| details[name].as_str().unwrap_or_default().to_owned();
    Told { lock_id: member("lock_id"), item_id: member("item_id") }
}

/// The rows that the history lacks about the locks in `table`.
pub(super) fn missing(log: &Log, table: &DeviceLocksSpec) -> Vec<NewRow> {
    let told = told(log);
    let is_ours = |id: &str| Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == RANDOM);
    let is_told = |device: &str, id: &str| told.get(device).is_some_and(|told| told.lock_id == id);
    let untold = table.locks.iter().filter(|(device, lock)| {
        is_ours(&lock.lock_id) && !is_told(device.as_str(), &lock.lock_id)
    });
    let locked = untold.map(|(device, lock)| {
        let (item_id, plan_name) = (lock.item_id.clone(), lock.plan_name.clone());
        let claimant = Claimant { item_id, plan_name, service: lock.locked_by_service.clone() };
        let details = details::lock(&claimant, &lock.lock_id);
        NewRow::new(device, Operation::Lock, Some(&details)).by(Some(&claimant.service))
    });
    let gone = told
        .iter()
        .filter(|(device, _)| table.locks.get(**device).is_none_or(|lock| !is_ours(&lock.lock_id)));
    locked.chain(gone.map(|(device, told)| released(device, told))).collect()
}

/// The rows that take the locks of `traces` back, as far as the history tells of them.
pub(crate) fn taken_back(log: &Log, traces: &[Trace]) -> Vec<NewRow> {
    let mut held = told(log);
    let locks = traces.iter().filter(|trace| trace.is_lock());
    locks
        .filter_map(|trace| {
            let device = trace.row.device_name.as_str();
            let is_it = held.get(device).is_some_and(|told| trace.lock_id() == Some(&told.lock_id));
            is_it.then(|| held.remove(device)).flatten().map(|told| released(device, &told))
        })
        .collect()
}

fn released(device: &str, told: &Told) -> NewRow {
    let details = details::found_unlocked(&told.item_id);
    NewRow::new(device, Operation::Unlock, Some(&details)).by(Some(FIELD_MANAGER))
}

#[cfg(test)]
mod tests {
    use crds::locking;
    use jiff::Timestamp;

    use super::super::{Row, Snapshot};
    use super::*;

    fn claimant() -> Claimant {
        Claimant { item_id: "i".into(), plan_name: "count".into(), service: "s".into() }
    }

    fn table(devices: &[&str], lock_id: &str) -> DeviceLocksSpec {
        let devices: Vec<String> = devices.iter().map(|&name| name.to_owned()).collect();
        let empty = DeviceLocksSpec::default();
        locking::take(&empty, &devices, &claimant(), lock_id, Timestamp::now(), None)
    }

    fn log(rows: Vec<NewRow>) -> Log {
        Log::new(Snapshot::default(), (1..).zip(rows).map(|(id, row)| Row { id, row }))
    }

    fn seen(rows: &[NewRow]) -> Vec<(&str, Operation)> {
        rows.iter().map(|row| (row.device_name.as_str(), row.operation)).collect()
    }

    #[test]
    fn a_lock_without_a_row_gets_one_and_only_one() {
        let id = Uuid::new_v4().to_string();
        let table = table(&["a", "b"], &id);
        let known = NewRow::new("a", Operation::Lock, Some(&details::lock(&claimant(), &id)));
        let rows = missing(&log(vec![known.clone()]), &table);
        assert_eq!(seen(&rows), [("b", Operation::Lock)]);
        assert_eq!(rows[0].changed_by.as_deref(), Some("s"));
        let all: Vec<NewRow> = std::iter::once(known).chain(rows).collect();
        assert!(missing(&log(all), &table).is_empty());
    }

    #[test]
    fn a_release_without_a_row_gets_one() {
        let id = Uuid::new_v4().to_string();
        let lock = NewRow::new("a", Operation::Lock, Some(&details::lock(&claimant(), &id)));
        let rows = missing(&log(vec![lock.clone()]), &DeviceLocksSpec::default());
        assert_eq!(seen(&rows), [("a", Operation::Unlock)]);
        assert!(rows[0].details.as_deref().unwrap().contains("found_unlocked"));
        let unlocked = log(vec![lock, rows[0].clone()]);
        assert!(missing(&unlocked, &DeviceLocksSpec::default()).is_empty());
    }

    #[test]
    fn a_release_that_is_told_late_ends_no_later_lock() {
        let (first, second) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let held = table(&["a"], &second);
        let lock =
            |id: &str| NewRow::new("a", Operation::Lock, Some(&details::lock(&claimant(), id)));
        let late = NewRow::new("a", Operation::Unlock, Some(&details::unlock("another")));
        assert!(missing(&log(vec![lock(&first), lock(&second), late]), &held).is_empty());
    }

    #[test]
    fn a_lock_that_is_taken_back_is_released_in_the_history_if_that_tells_of_it() {
        let id = Uuid::new_v4().to_string();
        let lock = NewRow::new("a", Operation::Lock, Some(&details::lock(&claimant(), &id)));
        let free = DeviceLocksSpec::default();
        // A device that was named twice has two traces.
        let trace = Trace::new(lock.clone(), &free, &table(&["a"], &id));
        let traces = [trace.clone(), trace];
        let rows = taken_back(&log(vec![lock.clone()]), &traces);
        assert_eq!(seen(&rows), [("a", Operation::Unlock)]);
        assert!(taken_back(&log(Vec::new()), &traces).is_empty());
        let later = details::lock(&claimant(), &Uuid::new_v4().to_string());
        let later = NewRow::new("a", Operation::Lock, Some(&later));
        assert!(taken_back(&log(vec![lock, rows[0].clone(), later]), &traces).is_empty());
    }

    #[test]
    fn locks_of_the_queue_are_its_own_business() {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"ns/queue/item").to_string();
        assert!(missing(&log(Vec::new()), &table(&["a"], &id)).is_empty());
    }
}
