//! What a change of the lock table did to one device: enough to find out later whether it happened, and to undo a lock
//! that nobody was told of.

use std::collections::BTreeMap;

use crds::DeviceLocksSpec;
use crds::device_locks::DeviceLock;
use crds::locking::bumped;

use crate::history::{NewRow, Operation};

/// A device that was locked or released, and its row of the history.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) row: NewRow,
    /// The lock that came or went. None when a device was freed that nobody held.
    lock_id: Option<String>,
}

impl Trace {
    /// The trace that `row` tells of, between two states of the table.
    pub(crate) fn new(row: NewRow, before: &DeviceLocksSpec, after: &DeviceLocksSpec) -> Self {
        let table = if row.operation == Operation::Lock { after } else { before };
        let lock_id = table.locks.get(&row.device_name).map(|lock| lock.lock_id.clone());
        Self { row, lock_id }
    }

    /// Whether a device was locked.
    pub(crate) fn is_lock(&self) -> bool {
        self.row.operation == Operation::Lock
    }

    /// The lock that came or went.
    pub(crate) fn lock_id(&self) -> Option<&str> {
        self.lock_id.as_deref()
    }

    fn is_in(&self, locks: &BTreeMap<String, DeviceLock>) -> bool {
        let lock = locks.get(&self.row.device_name);
        self.lock_id.is_some() && lock.map(|lock| lock.lock_id.as_str()) == self.lock_id()
    }
}

/// The table without the locks of `traces`, and the rows of those releases that have happened.
///
/// It is always another table, so that what was sent before it and is still under way comes too late.
pub(crate) fn take_back(
    table: &DeviceLocksSpec,
    traces: &[Trace],
) -> (DeviceLocksSpec, Vec<NewRow>) {
    let mut next = bumped(table);
    let (locks, releases): (Vec<&Trace>, Vec<_>) = traces.iter().partition(|trace| trace.is_lock());
    for trace in locks {
        if trace.is_in(&next.locks) {
            next.locks.remove(&trace.row.device_name);
        }
    }
    let has_happened = |trace: &&&Trace| trace.lock_id.is_some() && !trace.is_in(&table.locks);
    let happened = releases.iter().filter(has_happened).map(|trace| trace.row.clone());
    let happened = happened.collect();
    (next, happened)
}

#[cfg(test)]
mod tests {
    use crds::locking::{self, Claimant};
    use jiff::Timestamp;

    use super::*;

    fn taken(table: &DeviceLocksSpec, device: &str, lock_id: &str) -> DeviceLocksSpec {
        let claimant = Claimant { item_id: "i".into(), plan_name: "p".into(), service: "s".into() };
        locking::take(table, &[device.to_owned()], &claimant, lock_id, Timestamp::now(), None)
    }

    fn trace(
        operation: Operation,
        device: &str,
        tables: (&DeviceLocksSpec, &DeviceLocksSpec),
    ) -> Trace {
        Trace::new(NewRow::new(device, operation, None), tables.0, tables.1)
    }

    #[test]
    fn a_lock_is_taken_back_and_no_later_one_of_its_device() {
        let free = DeviceLocksSpec::default();
        let first = taken(&free, "a", "1");
        let traces = [trace(Operation::Lock, "a", (&free, &first))];
        let (next, rows) = take_back(&first, &traces);
        assert!(next.locks.is_empty() && rows.is_empty());
        let (next, _) = take_back(&taken(&free, "a", "2"), &traces);
        assert_eq!(next.locks["a"].lock_id, "2");
        assert!(next.version > free.version, "what is still under way comes too late");
    }

    #[test]
    fn a_release_has_happened_when_its_lock_is_gone() {
        let free = DeviceLocksSpec::default();
        let held = taken(&taken(&free, "a", "1"), "b", "2");
        let traces =
            ["a", "b", "free"].map(|device| trace(Operation::Unlock, device, (&held, &free)));
        let (next, rows) = take_back(&taken(&free, "b", "2"), &traces);
        assert_eq!(rows.iter().map(|row| row.device_name.as_str()).collect::<Vec<_>>(), ["a"]);
        assert!(next.locks.contains_key("b"));
    }
}
