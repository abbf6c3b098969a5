//! When a client has fallen behind and when it keeps up again, and how often that is said. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::socket::delivery::Figures;

/// Time between two looks at a client.
pub(crate) const LOOK: Duration = Duration::from_secs(1);
/// Looks in a row after which it counts: a burst, or a pause of some network, is no news.
const LOOKS: u32 = 3;
/// Most turns that are logged within [`WINDOW`], of all clients together.
const MOST_TOLD: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);

/// What has become of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It does not take what it is sent as fast as that comes.
    FellBehind,
    /// It does again.
    CaughtUp,
}

/// How one client has been doing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    overwritten: u64,
    /// Looks in a row that were not as before.
    other: u32,
    behind: bool,
}

impl Pace {
    /// Whether the client has fallen behind.
    pub(crate) fn is_behind(self) -> bool {
        self.behind
    }

    /// Another look at the client, [`LOOK`] after the one before.
    pub(crate) fn look(&mut self, now: &Figures) -> Option<Turn> {
        let late = now.overwritten > self.overwritten || now.stuck >= LOOK;
        self.overwritten = now.overwritten;
        self.other = if late == self.behind { 0 } else { self.other + 1 };
        if self.other < LOOKS {
            return None;
        }
        self.other = 0;
        self.behind = late;
        Some(if late { Turn::FellBehind } else { Turn::CaughtUp })
    }
}

/// Says no more than so many things a minute, so that a network that fails for all clients fills no log.
#[derive(Debug)]
pub(crate) struct Reticence {
    since: Instant,
    told: u32,
    kept: u64,
}

impl Reticence {
    /// Nothing has been said.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, told: 0, kept: 0 }
    }

    /// Whether something may be said now, and then how many things were not since the last one that was.
    pub(crate) fn may_tell(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) >= WINDOW {
            (self.since, self.told) = (now, 0);
        }
        if self.told == MOST_TOLD {
            self.kept += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(overwritten: u64, stuck: Duration) -> Figures {
        Figures { overwritten, queued: 0, queued_bytes: 0, stuck }
    }

    fn turns(looks: impl IntoIterator<Item = (u64, u64)>) -> Vec<(usize, Turn)> {
        let mut pace = Pace::default();
        let looks = looks.into_iter().enumerate();
        let turn = |(at, (overwritten, stuck))| {
            Some((at, pace.look(&figures(overwritten, Duration::from_millis(stuck)))?))
        };
        looks.filter_map(turn).collect()
    }

    #[test]
    fn a_client_that_loses_updates_look_after_look_has_fallen_behind() {
        let looks = [(5, 0), (9, 0), (12, 0), (20, 0), (20, 0), (20, 0), (20, 0), (20, 0)];
        assert_eq!(turns(looks), [(2, Turn::FellBehind), (6, Turn::CaughtUp)]);
    }

    #[test]
    fn a_client_that_takes_nothing_has_fallen_behind_though_nothing_new_came() {
        assert_eq!(turns([(0, 1000), (0, 2000), (0, 3000)]), [(2, Turn::FellBehind)]);
        assert_eq!(turns([(0, 900), (0, 999), (0, 10), (0, 0)]), []);
    }

    #[test]
    fn a_burst_now_and_then_is_no_news() {
        assert_eq!(turns((0..40).map(|look| (look / 2, 0))), [], "every other look");
    }

    #[test]
    fn a_client_that_recovers_for_a_moment_stays_behind() {
        let looks = [(1, 0), (2, 0), (3, 0), (3, 0), (3, 0), (4, 0), (4, 0), (5, 0)];
        assert_eq!(turns(looks), [(2, Turn::FellBehind)]);
    }

    #[test]
    fn what_is_not_said_is_counted_and_told_with_the_next() {
        let start = Instant::now();
        let mut reticence = Reticence::new(start);
        for _ in 0..MOST_TOLD {
            assert_eq!(reticence.may_tell(start), Some(0));
        }
        for _ in 0..5 {
            assert_eq!(reticence.may_tell(start + WINDOW / 2), None);
        }
        assert_eq!(reticence.may_tell(start + WINDOW), Some(5));
        assert_eq!(reticence.may_tell(start + WINDOW), Some(0));
    }
}
