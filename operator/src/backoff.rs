//! How long to wait before a failed object is tried again: longer each time, and not all at once.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;

/// Wait after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(300);
/// Doublings after which the wait is the longest one: 1 s · 2⁹ > 300 s.
const DOUBLINGS: u32 = 9;
/// Objects remembered. Deleted ones stay until then; a beamline with more failing objects backs off
/// from the start again.
const REMEMBERED: usize = 10_000;

/// Failures in a row, by uid.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// Counts a failure of the object and answers how long to wait: up to a fifth more or less than
    /// the plain doubling.
    pub(crate) fn failed(&self, uid: &str) -> Duration {
        let mut failures = self.failures.lock();
        if failures.len() >= REMEMBERED {
            failures.clear();
        }
        let count = failures.entry(uid.to_owned()).or_default();
        let wait = LONGEST.min(FIRST * 2u32.pow((*count).min(DOUBLINGS)));
        *count += 1;
        wait.mul_f64(rand::rng().random_range(0.8..=1.2))
    }

    /// Forgets the failures of the object.
    pub(crate) fn succeeded(&self, uid: &str) {
        self.failures.lock().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_to_its_bound_and_starts_over_after_a_success() {
        let backoff = Backoff::default();
        let near = |wait: Duration, seconds: f64| {
            let ratio = wait.as_secs_f64() / seconds;
            assert!((0.8..=1.2).contains(&ratio), "{wait:?} is not about {seconds} s");
        };
        for seconds in [1.0, 2.0, 4.0, 8.0] {
            near(backoff.failed("a"), seconds);
        }
        for _ in 0..20 {
            backoff.failed("a");
        }
        near(backoff.failed("a"), 300.0);
        near(backoff.failed("b"), 1.0);
        backoff.succeeded("a");
        near(backoff.failed("a"), 1.0);
    }
}
