//! What is said of one PV whose connection comes and goes. Pure: the time is handed in.
//!
//! A loss counts when it has lasted [`GONE`]. A return counts when the connection has held for a while, longer with every loss
//! that is not long ago. So however fast a PV flaps, what is said of it changes a few times a minute at most.

use std::time::Duration;

use tokio::time::Instant;

/// How long a PV may be away, or unsteady, before that is said.
const GONE: Duration = Duration::from_secs(5);
/// How long a PV that was just asked for may take to be found: name servers are dialled, thousands are searched at a time.
const FIRST: Duration = Duration::from_secs(15);
/// How long a connection must hold after the first loss; twice as long after each further one.
const CALM: Duration = Duration::from_secs(2);
/// Longest time that it must hold.
const LONGEST_CALM: Duration = Duration::from_secs(60);
/// After so long without a loss the earlier ones are forgotten.
const FORGIVEN: Duration = Duration::from_secs(300);

/// What is said of a PV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Said {
    /// It was asked for a moment ago.
    #[default]
    Nothing,
    /// An IOC serves it.
    Up,
    /// No IOC serves it.
    Gone,
    /// It comes and goes.
    Unsteady,
}

/// The connection of one PV over time.
#[derive(Clone, Debug)]
pub(super) struct Steadiness {
    said: Said,
    up: bool,
    /// Since when it is up or down.
    since: Instant,
    /// Since when it is not reliably up; none while it is.
    unsteady: Option<Instant>,
    losses: u32,
    last_loss: Option<Instant>,
}

impl Steadiness {
    /// A PV that is searched for from now on.
    pub(super) fn new(now: Instant) -> Self {
        let (said, up) = (Said::Nothing, false);
        Self { said, up, since: now, unsteady: Some(now), losses: 0, last_loss: None }
    }

    /// What is said of it.
    pub(super) fn said(&self) -> Said {
        self.said
    }

    /// The connection has changed, and is there now or is not. When it is as it was before, it was the other in between.
    pub(super) fn heard(&mut self, up: bool, now: Instant) {
        if up == self.up {
            self.turned(!up, now);
        }
        self.turned(up, now);
    }

    fn turned(&mut self, up: bool, now: Instant) {
        (self.up, self.since) = (up, now);
        if !up {
            let recent = self.last_loss.is_some_and(|last| now - last < FORGIVEN);
            self.losses = if recent { self.losses + 1 } else { 1 };
            self.last_loss = Some(now);
            self.unsteady.get_or_insert(now);
        }
    }

    /// Takes note of the time; true when something else is said from now on.
    pub(super) fn advance(&mut self, now: Instant) -> bool {
        let before = self.said;
        if let Some(unsteady) = self.unsteady {
            if self.up && now >= self.since + self.calm() {
                (self.said, self.unsteady) = (Said::Up, None);
            } else if !self.up && now >= self.since + self.patience() {
                self.said = Said::Gone;
            } else if self.may_be_unsteady() && now >= unsteady + self.patience() {
                self.said = Said::Unsteady;
            }
        }
        self.said != before
    }

    /// When [`Steadiness::advance`] may have something new to say, if nothing is heard before.
    pub(super) fn due(&self) -> Option<Instant> {
        let unsteady = self.unsteady?;
        let own = match (self.up, self.said) {
            (true, _) => Some(self.since + self.calm()),
            (false, Said::Gone) => None,
            (false, _) => Some(self.since + self.patience()),
        };
        let other = self.may_be_unsteady().then(|| unsteady + self.patience());
        own.into_iter().chain(other).min()
    }

    fn may_be_unsteady(&self) -> bool {
        self.losses > 0 && matches!(self.said, Said::Nothing | Said::Up)
    }

    fn patience(&self) -> Duration {
        if self.said == Said::Nothing && self.losses == 0 { FIRST } else { GONE }
    }

    fn calm(&self) -> Duration {
        match self.losses {
            0 => Duration::ZERO,
            losses => LONGEST_CALM.min(CALM * 2u32.pow((losses - 1).min(8))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PV and its clock.
    struct Story {
        pv: Steadiness,
        now: Instant,
        said: Vec<Said>,
    }

    impl Story {
        fn new() -> Self {
            let now = Instant::now();
            Self { pv: Steadiness::new(now), now, said: Vec::new() }
        }

        fn stays(&mut self, up: bool, time: Duration) {
            if up != self.pv.up {
                self.pv.heard(up, self.now);
            }
            let end = self.now + time;
            self.look();
            while let Some(due) = self.pv.due().filter(|due| *due <= end) {
                self.now = self.now.max(due);
                self.look();
            }
            self.now = end;
        }

        fn look(&mut self) {
            if self.pv.advance(self.now) {
                self.said.push(self.pv.said());
            }
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pv_that_is_found_is_up_at_once_and_one_that_is_not_is_gone_after_a_while() {
        let mut story = Story::new();
        story.stays(false, SECOND);
        story.stays(true, SECOND);
        assert_eq!(story.said, [Said::Up]);
        let mut story = Story::new();
        story.stays(false, FIRST - SECOND);
        assert_eq!(story.said, []);
        story.stays(false, SECOND);
        assert_eq!(story.said, [Said::Gone]);
    }

    #[test]
    fn a_short_loss_is_not_worth_a_word() {
        let mut story = Story::new();
        story.stays(true, SECOND);
        story.stays(false, 2 * SECOND);
        story.stays(true, 3600 * SECOND);
        assert_eq!(story.said, [Said::Up]);
        // That it happened is forgotten.
        story.stays(false, 6 * SECOND);
        story.stays(true, CALM);
        assert_eq!(story.said, [Said::Up, Said::Gone, Said::Up]);
    }

    #[test]
    fn a_pv_that_flaps_is_unsteady_once_and_up_again_after_a_long_calm() {
        let mut story = Story::new();
        story.stays(true, SECOND);
        for _ in 0..6000 {
            story.stays(false, SECOND / 20);
            story.stays(true, SECOND / 20);
        }
        assert_eq!(story.said, [Said::Up, Said::Unsteady]);
        story.stays(true, LONGEST_CALM - SECOND);
        assert_eq!(story.said.len(), 2);
        story.stays(true, SECOND);
        assert_eq!(story.said[2..], [Said::Up]);
    }

    #[test]
    fn flaps_that_are_too_fast_to_be_seen_count_as_well() {
        let mut story = Story::new();
        story.stays(true, SECOND);
        for _ in 0..100 {
            story.pv.heard(true, story.now);
            story.stays(true, SECOND / 10);
        }
        assert_eq!(story.said, [Said::Up, Said::Unsteady]);
    }

    #[test]
    fn one_that_flaps_slowly_is_not_written_about_all_day() {
        let mut story = Story::new();
        for _ in 0..500 {
            story.stays(true, 7 * SECOND);
            story.stays(false, 7 * SECOND);
        }
        assert!(story.said.len() <= 6, "{:?}", story.said);
    }

    #[test]
    fn one_that_flapped_and_then_died_is_gone() {
        let mut story = Story::new();
        for _ in 0..100 {
            story.stays(true, SECOND / 20);
            story.stays(false, SECOND / 20);
        }
        story.stays(false, GONE);
        assert_eq!(story.said, [Said::Up, Said::Unsteady, Said::Gone]);
    }
}
