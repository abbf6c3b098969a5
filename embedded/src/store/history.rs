//! The recent changes of one resource: a bounded ring that watches read at their own pace.
//!
//! There is no queue per watch. A watch keeps the version it has seen and asks for what came after; when that is no
//! longer here, the watch has to start over (410 Gone), so a slow watch costs nobody else anything.

use std::collections::VecDeque;
use std::sync::Arc;

use super::object::Stored;

/// Most events kept for one resource.
const MAX_EVENTS: usize = 8_192;
/// Most JSON bytes kept alive by the events of one resource.
const MAX_BYTES: usize = 64 << 20;

/// What happened to an object.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) version: u64,
    /// The state after the change; for a deletion the last state, at the version of the deletion.
    pub(crate) object: Arc<Stored>,
    /// The state before the change; absent for a creation.
    pub(crate) previous: Option<Arc<Stored>>,
    pub(crate) deleted: bool,
}

/// The wanted events are no longer kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compacted;

/// Ring of events in the order of their versions.
#[derive(Debug)]
pub(crate) struct History {
    events: VecDeque<Event>,
    bytes: usize,
    /// Every event at or below this version is gone.
    floor: u64,
}

impl History {
    /// An empty history that starts after `floor`.
    pub(crate) fn starting_after(floor: u64) -> Self {
        Self { events: VecDeque::new(), bytes: 0, floor }
    }

    /// Adds the newest event and forgets the oldest ones beyond the bounds.
    pub(crate) fn push(&mut self, event: Event) {
        self.bytes += event.object.json.len();
        self.events.push_back(event);
        while self.events.len() > MAX_EVENTS || (self.bytes > MAX_BYTES && self.events.len() > 1) {
            if let Some(old) = self.events.pop_front() {
                self.bytes -= old.object.json.len();
                self.floor = old.version;
            }
        }
    }

    /// At most `limit` events after `version`, oldest first.
    pub(crate) fn after(&self, version: u64, limit: usize) -> Result<Vec<Event>, Compacted> {
        if version < self.floor {
            return Err(Compacted);
        }
        let start = self.events.partition_point(|event| event.version <= version);
        Ok(self.events.iter().skip(start).take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::Draft;
    use super::*;
    use serde_json::json;

    fn event(version: u64) -> Event {
        let draft = Draft::new(&json!({"metadata": {"name": "a"}}), vec![]).unwrap();
        Event { version, object: Arc::new(draft.finish(version)), previous: None, deleted: false }
    }

    #[test]
    fn a_reader_gets_what_came_after_its_version_and_nothing_else() {
        let mut history = History::starting_after(10);
        for version in [12, 15, 20] {
            history.push(event(version));
        }
        let versions = |from, limit| -> Vec<u64> {
            history.after(from, limit).unwrap().iter().map(|e| e.version).collect()
        };
        assert_eq!(versions(10, 9), [12, 15, 20]);
        assert_eq!(versions(12, 1), [15]);
        assert!(versions(20, 9).is_empty());
        assert_eq!(history.after(9, 9).unwrap_err(), Compacted);
    }

    #[test]
    fn the_ring_is_bounded_and_says_so() {
        let mut history = History::starting_after(0);
        for version in 1..=MAX_EVENTS as u64 + 3 {
            history.push(event(version));
        }
        assert_eq!(history.events.len(), MAX_EVENTS);
        assert!(history.after(2, 1).is_err());
        assert_eq!(history.after(3, 1).unwrap()[0].version, 4);
    }
}
