//! How much may be done at a time: a token bucket. Pure: the time is handed in.

use std::time::Duration;

use tokio::time::Instant;

/// So many a second, and no more than `most` at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    per_second: f64,
    most: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    /// A full bucket.
    pub(super) fn new(per_second: u32, most: u32, now: Instant) -> Self {
        let (per_second, most) = (f64::from(per_second), f64::from(most));
        Self { per_second, most, left: most, at: now }
    }

    /// Takes one, if one is left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if now < self.at {
            return false;
        }
        let gained = (now - self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + gained).min(self.most);
        self.at = now;
        let allowed = self.left >= 1.0;
        if allowed {
            self.left -= 1.0;
        }
        allowed
    }

    /// Puts one back that was taken and not used.
    pub(super) fn give_back(&mut self) {
        self.left += 1.0;
    }

    /// Lets nothing pass for some time.
    pub(super) fn pause(&mut self, time: Duration, now: Instant) {
        (self.left, self.at) = (0.0, now + time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let start = Instant::now();
        let mut writes = Allowance::new(10, 3, start);
        let takes = |writes: &mut Allowance, now| (0..100).filter(|_| writes.take(now)).count();
        assert_eq!(takes(&mut writes, start), 3);
        assert_eq!(takes(&mut writes, start + Duration::from_millis(200)), 2);
        assert_eq!(takes(&mut writes, start + Duration::from_secs(3600)), 3);
    }

    #[test]
    fn nothing_passes_during_a_pause() {
        let start = Instant::now();
        let mut writes = Allowance::new(10, 3, start);
        writes.pause(Duration::from_secs(5), start);
        assert!(!writes.take(start + Duration::from_secs(4)));
        assert!(!writes.take(start + Duration::from_millis(4_900)));
        assert!(writes.take(start + Duration::from_secs(6)));
    }
}
