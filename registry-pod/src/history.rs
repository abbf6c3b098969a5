//! The audit history and the change feed (contract §1.6), durable with the Kubernetes API as the
//! only store.
//!
//! # How
//! Every change of a device, and every lock and unlock, is one [`Row`] with an `id` that only
//! grows. Rows live in ConfigMaps of a bounded number of rows each ([`journal`]); a row is appended
//! by compare-and-swap on `resourceVersion` before the request that caused it is answered. Rows of
//! device changes carry a fingerprint of the state that they announce. Whoever writes past this
//! service (kubectl, Argo CD, another replica) is noticed because the fingerprint of the device
//! differs from the recorded one; the [`observer`] then appends the missing row, at run time and,
//! for changes made while no registry ran, at start.
//!
//! # Guarantees
//! * `id` is dense, strictly monotonic and never reused, over restarts and over replicas.
//! * What was acknowledged is in the history; a crash between a write and its row leaves a
//!   difference that the next start records.
//! * The feed reports each device at most once with its current state, and every road counts.
//!
//! # Limits
//! * The newest 10,000 rows are kept, fewer when they are long. Older ones are folded into a snapshot: their
//!   devices stay in the feed with the version of the fold. A client that asks for changes since a
//!   version before the fold may have missed deletions, and is told `reset_occurred`.
//! * Several changes made while no registry ran appear as one row.
//! * With several replicas one change past the registry may be recorded twice, never zero times.
//! * Locks that the queue writes itself are in the lock table, not in the history ([`holders`]).

mod difference;
pub(crate) mod feed;
pub(crate) mod holders;
pub(crate) mod journal;
pub(crate) mod observer;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::index::Shown;
use difference::differences;

/// Longest text that a client can put into a row, in characters.
const MAX_TEXT: usize = 1024;
/// Stands for all devices.
pub(crate) const ALL_DEVICES: &str = "*";

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    /// Found at the very first start.
    Seed,
    Add,
    Update,
    Delete,
    Enable,
    Disable,
    /// The whole registry was emptied.
    Reset,
    Lock,
    Unlock,
    ForceUnlock,
}

impl Operation {
    /// Whether it concerns the device itself, and so the change feed.
    fn is_change(self) -> bool {
        !matches!(self, Self::Reset | Self::Lock | Self::Unlock | Self::ForceUnlock)
    }
}

/// A row without its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NewRow {
    pub(crate) device_name: String,
    pub(crate) operation: Operation,
    /// Seconds since 1970.
    pub(crate) timestamp: f64,
    /// JSON in a string.
    pub(crate) details: Option<String>,
    /// Fingerprint of the device after the change; of a reset the epoch that it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    /// Who did it: the field manager that Kubernetes notes, or the service that holds a lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) changed_by: Option<String>,
    /// What differs since, with old and new value.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) changes: Map<String, Value>,
}

/// One row of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) row: NewRow,
}

impl NewRow {
    /// A row about `device`, now.
    pub(crate) fn new(device: &str, operation: Operation, details: Option<&Value>) -> Self {
        Self {
            device_name: device.to_owned(),
            operation,
            timestamp: jiff::Timestamp::now().as_duration().as_secs_f64(),
            details: details.map(python_json),
            digest: None,
            changed_by: None,
            changes: Map::new(),
        }
    }

    /// A row that announces the state `shown`.
    pub(crate) fn of(shown: &Shown, operation: Operation, details: Option<&Value>) -> Self {
        Self {
            digest: Some(shown.digest.clone()),
            ..Self::new(&shown.metadata.name, operation, details)
        }
    }
}

impl NewRow {
    /// Says who did it.
    pub(crate) fn by(self, who: Option<&str>) -> Self {
        Self { changed_by: who.map(bounded), ..self }
    }

    /// Says what differs between the two states.
    pub(crate) fn with_changes(self, before: &Shown, after: &Shown) -> Self {
        Self { changes: difference::as_json(differences(before, after)), ..self }
    }
}

/// A client's text, cut to what a row may hold.
pub(crate) fn bounded(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// JSON as Python's `json.dumps` spaces it.
fn python_json(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| format!("{}: {}", json!(name), python_json(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(python_json).collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// Details of rows, as the contract lists them.
pub(crate) mod details {
    use super::*;
    use crate::locks::Claimant;

    pub(crate) fn seed() -> Value {
        json!({ "source": "profile" })
    }

    pub(crate) fn add(shown: &Shown) -> Value {
        let shown = &shown.metadata;
        json!({ "device_label": shown.device_label.as_str(), "ophyd_class": shown.ophyd_class })
    }

    pub(crate) fn delete(shown: &Shown) -> Value {
        let shown = &shown.metadata;
        json!({ "ophyd_class": shown.ophyd_class, "device_label": shown.device_label.as_str() })
    }

    /// `None` when no field was named.
    pub(crate) fn update(changed_fields: &[String]) -> Option<Value> {
        (!changed_fields.is_empty()).then(|| json!({ "changed_fields": changed_fields }))
    }

    pub(crate) fn active(new: bool) -> Value {
        json!({ "field": "active", "old": !new, "new": new })
    }

    pub(crate) fn lock(claimant: &Claimant, lock_id: &str) -> Value {
        json!({
            "plan": bounded(&claimant.plan_name),
            "item_id": bounded(&claimant.item_id),
            "service": bounded(&claimant.service),
            "lock_id": lock_id,
        })
    }

    pub(crate) fn unlock(item_id: &str) -> Value {
        json!({ "item_id": bounded(item_id), "reason": "plan_completed" })
    }

    /// Released, but nobody told why: the registry ended in between.
    pub(crate) fn found_unlocked(item_id: &str) -> Value {
        json!({ "item_id": bounded(item_id), "reason": "found_unlocked" })
    }

    pub(crate) fn force_unlock(reason: &str) -> Value {
        json!({ "reason": bounded(reason), "admin": true })
    }

    pub(crate) fn reset() -> Value {
        json!({ "reason": "manual_reset" })
    }
}

/// What the rows up to some id amount to, where the rows themselves are no longer kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// Id of the last row that was folded in.
    pub(crate) base: u64,
    /// Changes with every reset of the registry.
    pub(crate) epoch: String,
    /// Fingerprint of every device recorded by then.
    pub(crate) devices: BTreeMap<String, String>,
}

impl Snapshot {
    /// Folds `row` in.
    pub(crate) fn fold(&mut self, row: &Row) {
        self.base = self.base.max(row.id);
        let name = &row.row.device_name;
        match (row.row.operation, &row.row.digest) {
            (Operation::Reset, _) => self.devices.clear(),
            (Operation::Delete, _) => drop(self.devices.remove(name)),
            (_, Some(digest)) => drop(self.devices.insert(name.clone(), digest.clone())),
            (_, None) => {}
        }
    }
}

/// The history as this process knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    base: u64,
    epoch: String,
    rows: BTreeMap<u64, NewRow>,
    /// Fingerprint of every device as last recorded.
    recorded: BTreeMap<String, String>,
    /// Last row that concerns each device.
    latest: HashMap<String, u64>,
    last_reset: u64,
}

/// What changed since some version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) reset_occurred: bool,
    /// Device name and version, by version.
    pub(crate) devices: Vec<(u64, String)>,
}

impl Log {
    /// The log of a snapshot and the rows after it.
    pub(crate) fn new(snapshot: Snapshot, rows: impl IntoIterator<Item = Row>) -> Self {
        let Snapshot { base, epoch, devices } = snapshot;
        let mut log = Self { base, epoch, recorded: devices, ..Self::default() };
        for row in rows {
            log.push(row);
        }
        log
    }

    /// Takes the next row. Rows that are known, or folded already, are ignored.
    pub(crate) fn push(&mut self, row: Row) {
        if row.id <= self.version() {
            return;
        }
        let mut state =
            Snapshot { devices: std::mem::take(&mut self.recorded), ..Snapshot::default() };
        state.fold(&row);
        self.recorded = state.devices;
        if row.row.operation == Operation::Reset {
            self.last_reset = row.id;
        }
        if row.row.operation.is_change() {
            self.latest.insert(row.row.device_name.clone(), row.id);
        }
        self.rows.insert(row.id, row.row);
    }

    /// Drops the rows up to `base`, which a snapshot now stands for.
    pub(crate) fn forget(&mut self, base: u64) {
        self.base = self.base.max(base);
        self.rows = self.rows.split_off(&(base + 1));
        self.latest.retain(|_, id| *id > base);
    }

    /// The id of the newest row.
    pub(crate) fn version(&self) -> u64 {
        self.rows.last_key_value().map_or(self.base, |(id, _)| *id)
    }

    /// Changes with every reset of the registry.
    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Whether the reset that begins `epoch` is recorded.
    pub(crate) fn has_begun(&self, epoch: &str) -> bool {
        let mut resets = self.newest(Some(ALL_DEVICES), usize::MAX);
        resets.any(|(_, row)| row.digest.as_deref() == Some(epoch))
    }

    /// Starts a new epoch.
    pub(crate) fn set_epoch(&mut self, epoch: String) {
        self.epoch = epoch;
    }

    /// Fingerprint of the device as last recorded.
    pub(crate) fn recorded(&self, device: &str) -> Option<&str> {
        self.recorded.get(device).map(String::as_str)
    }

    /// Names of all devices that the history says exist.
    pub(crate) fn recorded_devices(&self) -> impl Iterator<Item = &String> {
        self.recorded.keys()
    }

    /// The newest rows first, of one device or of all.
    pub(crate) fn newest<'a>(
        &'a self,
        device: Option<&'a str>,
        limit: usize,
    ) -> impl Iterator<Item = (u64, &'a NewRow)> {
        let fits = move |row: &NewRow| device.is_none_or(|device| row.device_name == device);
        let rows = self.rows.iter().rev().filter(move |(_, row)| fits(row));
        rows.map(|(id, row)| (*id, row)).take(limit)
    }

    /// What a client that knows version `since` has missed. `existing` are the devices of now:
    /// one that no kept row mentions has not changed since the fold.
    pub(crate) fn changes<'a>(
        &self,
        since: u64,
        existing: impl Iterator<Item = &'a String>,
    ) -> Changes {
        if since >= self.version() {
            return Changes { reset_occurred: false, devices: Vec::new() };
        }
        let rows = self.rows.range(since + 1..);
        let changed = rows.filter(|(id, row)| self.latest.get(&row.device_name) == Some(id));
        let mut devices: Vec<(u64, String)> =
            changed.map(|(id, row)| (*id, row.device_name.clone())).collect();
        if since < self.base {
            let unmentioned = existing.filter(|name| !self.latest.contains_key(*name));
            devices.extend(unmentioned.map(|name| (self.base, name.clone())));
            devices.sort();
        }
        let missed_a_fold = since > 0 && since < self.base;
        Changes { reset_occurred: self.last_reset > since || missed_a_fold, devices }
    }
}

#[cfg(test)]
mod tests;
