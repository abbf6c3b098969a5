//! Reading the change feed, from where a client stands (contract §1.6).

use std::time::Duration;

use super::{Changes, Log};
use crate::index::Index;
use crate::registry::Registry;

/// Longest wait for a device that the history knows in a newer state than the index, or the other
/// way round: a write in progress, or a replica that hears of both by different watches.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);

/// Where a client stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// It knows everything up to this version.
    version: u64,
    /// And of what comes next everything up to this device: a part was sent.
    sent: Option<(u64, String)>,
    /// The epoch that the version is of, where the client said.
    epoch: Option<String>,
}

/// What a client does not know yet, or the first part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feed {
    /// The client knows everything up to this version once it has this part.
    pub(crate) current_version: u64,
    pub(crate) service_epoch: String,
    /// The client must forget what it knows.
    pub(crate) reset_occurred: bool,
    /// Version and name of devices, oldest change first.
    pub(crate) devices: Vec<(u64, String)>,
    /// Every device is in the state that its version announces, or in a newer one.
    pub(crate) is_settled: bool,
}

impl Feed {
    /// The client does not know the state that this version announces, whatever else it is told.
    fn hold_back(&mut self, version: u64) {
        self.current_version = self.current_version.min(version.saturating_sub(1));
        self.is_settled = false;
    }
}

impl Cursor {
    /// A client that knows everything up to `version`, of whatever epoch.
    pub(crate) fn at(version: u64) -> Self {
        Self { version, sent: None, epoch: None }
    }

    /// A client that knows everything up to `version` of `epoch`.
    pub(crate) fn within(version: u64, epoch: &str) -> Self {
        Self { epoch: Some(epoch.to_owned()), ..Self::at(version) }
    }

    /// The next `limit` devices at most, and moves on behind them.
    fn advance(&mut self, log: &Log, index: &Index, limit: usize) -> Feed {
        let other_epoch = self.epoch.as_ref().is_some_and(|epoch| epoch != log.epoch());
        if other_epoch {
            *self = Self::at(0);
        }
        self.epoch = Some(log.epoch().to_owned());
        let Changes { reset_occurred, mut devices } =
            log.changes(self.version, index.devices().keys());
        let continues = self.sent.is_some();
        if let Some(sent) = &self.sent {
            devices.retain(|device| device > sent);
        }
        let next = devices.get(limit).map(|(version, _)| *version);
        devices.truncate(limit);
        self.sent = None;
        self.version = match (next, devices.last()) {
            // Devices of one version may fall into two parts. Only what is complete counts.
            (Some(next), Some(last)) => {
                if next == last.0 {
                    self.sent = Some(last.clone());
                }
                let complete = devices.iter().rev().find(|(version, _)| *version < next);
                complete.map_or(self.version, |(version, _)| *version)
            }
            _ => log.version(),
        };
        Feed {
            current_version: self.version,
            service_epoch: log.epoch().to_owned(),
            reset_occurred: other_epoch || (reset_occurred && !continues),
            devices,
            is_settled: true,
        }
    }

    /// Goes back to where the client stands that was told `feed`.
    fn stay(&mut self, feed: &Feed) {
        (self.version, self.sent) = (feed.current_version, None);
    }
}

/// The next `limit` devices at most that a client at `cursor` does not know, and moves the cursor.
pub(crate) async fn read(registry: &Registry, cursor: &mut Cursor, limit: usize) -> Feed {
    let (mut index, mut journal) = (registry.revision(), registry.journal.revision());
    let deadline = tokio::time::Instant::now() + SETTLED_WITHIN;
    loop {
        index.mark_unchanged();
        journal.mark_unchanged();
        let mut moved = cursor.clone();
        let (mut feed, unsettled) = registry.look(|index| {
            registry.journal.look(|log| {
                let feed = moved.advance(log, index, limit);
                let is_unsettled = |(_, name): &&(u64, String)| {
                    log.recorded(name)
                        != index.device(name).map(|entry| entry.shown.digest.as_str())
                };
                let unsettled: Vec<_> = feed.devices.iter().filter(is_unsettled).cloned().collect();
                (feed, unsettled)
            })
        });
        let waited = async {
            tokio::select! {
                changed = index.changed() => changed.is_ok(),
                changed = journal.changed() => changed.is_ok(),
            }
        };
        let goes_on = !unsettled.is_empty()
            && tokio::time::timeout_at(deadline, waited).await.is_ok_and(|changed| changed);
        if goes_on {
            continue;
        }
        // Of a device that the index has in a newer state another row will follow. One that it has in an
        // older state must be told again.
        let behind = unsettled.iter().find(|(_, name)| !registry.may_lack_row(name));
        if let Some((version, _)) = behind {
            feed.hold_back(*version);
            moved.stay(&feed);
        }
        *cursor = moved;
        return feed;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NewRow, Operation, Row, Snapshot};
    use super::*;

    fn log(epoch: &str, base: u64, rows: &[(u64, &str)]) -> Log {
        let snapshot = Snapshot { base, epoch: epoch.to_owned(), ..Snapshot::default() };
        let rows = rows.iter().map(|(id, name)| {
            let digest = Some("d".to_owned());
            let row = NewRow { digest, ..NewRow::new(name, Operation::Add, None) };
            Row { id: *id, row }
        });
        Log::new(snapshot, rows)
    }

    fn with_devices(names: &[&str]) -> Index {
        let mut index = Index::default();
        for name in names {
            let spec = crds::DeviceSpec {
                name: (*name).to_owned(),
                device_class: "a.B".to_owned(),
                ..crds::DeviceSpec::default()
            };
            index.apply_device(crds::Device::new(name, spec));
        }
        index
    }

    fn names(feed: &Feed) -> Vec<&str> {
        feed.devices.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn parts_follow_each_other_and_only_complete_versions_count() {
        // a, b and c have not changed since the fold at 7: they share its version.
        let index = with_devices(&["a", "b", "c", "d", "e"]);
        let log = log("1", 7, &[(8, "d"), (9, "e")]);
        let mut cursor = Cursor::at(0);
        let mut parts = Vec::new();
        for _ in 0..4 {
            let feed = cursor.advance(&log, &index, 2);
            assert!(!feed.reset_occurred);
            parts.push((feed.current_version, names(&feed).join(" ")));
        }
        let wanted = [(0, "a b"), (8, "c d"), (9, "e"), (9, "")];
        assert_eq!(parts, wanted.map(|(version, names)| (version, names.to_owned())));
    }

    #[test]
    fn a_client_of_another_epoch_is_told_to_begin_anew() {
        let (index, log) = (with_devices(&["a"]), log("2", 0, &[(5, "a")]));
        let feed = Cursor::within(5, "1").advance(&log, &index, 9);
        assert!(feed.reset_occurred);
        assert_eq!((names(&feed), feed.current_version), (vec!["a"], 5));
        let feed = Cursor::within(5, "2").advance(&log, &index, 9);
        assert!(!feed.reset_occurred && feed.devices.is_empty());
    }

    #[test]
    fn a_reset_is_said_once_however_many_parts_follow() {
        let index = with_devices(&["a", "b", "c"]);
        let log = log("1", 7, &[]);
        let mut cursor = Cursor::at(3);
        let resets: Vec<_> =
            (0..3).map(|_| cursor.advance(&log, &index, 1).reset_occurred).collect();
        assert_eq!(resets, [true, false, false]);
    }
}
