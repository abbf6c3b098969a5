//! How often a PV changes, and how many of its updates clients have missed.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

/// Counts of one PV since somebody began to follow it.
#[derive(Debug, Default)]
pub(crate) struct Load {
    updates: AtomicU64,
    overwritten: AtomicU64,
    pace: Mutex<Pace>,
}

/// Updates at the last look, and how fast they came before it.
#[derive(Debug, Default)]
struct Pace {
    looked: Option<(Instant, u64)>,
    per_second: f64,
}

/// The same for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PvLoad {
    pv: String,
    subscribers: usize,
    updates: u64,
    updates_per_second: f64,
    overwritten: u64,
}

impl Load {
    /// The PV has changed.
    pub(crate) fn updated(&self) {
        self.updates.fetch_add(1, Ordering::Relaxed);
    }

    /// So many clients had not taken the update before.
    pub(crate) fn overwrote(&self, clients: u64) {
        self.overwritten.fetch_add(clients, Ordering::Relaxed);
    }

    /// Measures how fast updates came since the look before.
    pub(crate) fn look(&self, now: Instant) {
        let updates = self.updates.load(Ordering::Relaxed);
        let mut pace = self.pace.lock();
        if let Some((then, before)) = pace.looked.replace((now, updates)) {
            let seconds = now.duration_since(then).as_secs_f64();
            pace.per_second = if seconds > 0.0 { (updates - before) as f64 / seconds } else { 0.0 };
        }
    }

    /// For people.
    pub(crate) fn told(&self, pv: &str, subscribers: usize) -> PvLoad {
        PvLoad {
            pv: pv.to_owned(),
            subscribers,
            updates: self.updates.load(Ordering::Relaxed),
            updates_per_second: self.pace.lock().per_second,
            overwritten: self.overwritten.load(Ordering::Relaxed),
        }
    }
}

/// The `most` PVs that change most often.
pub(crate) fn busiest(mut all: Vec<PvLoad>, most: usize) -> Vec<PvLoad> {
    all.sort_by(|one, other| {
        let by_speed = other.updates_per_second.total_cmp(&one.updates_per_second);
        by_speed.then(other.updates.cmp(&one.updates)).then(one.pv.cmp(&other.pv))
    });
    all.truncate(most);
    all
}

/// The `most` PVs of which clients have missed most updates; those of which none has are left out.
pub(crate) fn most_overwritten(mut all: Vec<PvLoad>, most: usize) -> Vec<PvLoad> {
    all.retain(|one| one.overwritten > 0);
    all.sort_by_key(|one| Reverse(one.overwritten));
    all.truncate(most);
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn loaded(pv: &str, updates: u64, overwritten: u64, seconds: u64) -> PvLoad {
        let load = Load::default();
        let start = Instant::now();
        load.look(start);
        (0..updates).for_each(|_| load.updated());
        load.overwrote(overwritten);
        load.look(start + Duration::from_secs(seconds));
        load.told(pv, 3)
    }

    fn names(loads: &[PvLoad]) -> Vec<&str> {
        loads.iter().map(|one| one.pv.as_str()).collect()
    }

    #[test]
    fn speed_is_what_came_between_two_looks() {
        let told = loaded("a", 30, 7, 2);
        assert_eq!((told.updates, told.updates_per_second, told.overwritten), (30, 15.0, 7));
        assert_eq!(told.subscribers, 3);
        let same_moment = loaded("a", 30, 0, 0);
        assert_eq!(same_moment.updates_per_second, 0.0);
    }

    #[test]
    fn the_worst_come_first_and_no_more_than_wanted() {
        let all = vec![
            loaded("idle", 0, 0, 1),
            loaded("slow", 30, 0, 10),
            loaded("fast", 20, 2, 1),
            loaded("faster", 25, 9, 1),
        ];
        assert_eq!(names(&busiest(all.clone(), 3)), ["faster", "fast", "slow"]);
        assert_eq!(names(&most_overwritten(all.clone(), 1)), ["faster"]);
        assert_eq!(names(&most_overwritten(all, 9)), ["faster", "fast"]);
    }
}
