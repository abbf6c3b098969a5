//! How soon a watch that was cut is tried again.

use std::time::Duration;

use backon::ExponentialBuilder;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::ExponentialBackoff;

/// Waits after one failure, and at most; a random part of up to as much again is added, so that
/// many pods do not come at once.
const LEAST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(5);

/// The waits of a watch between failures. Shorter than those of `kube`, which reach a minute:
/// somebody waits for a device to appear when the API server is back, and a beamline has few
/// watches.
pub fn backoff() -> impl Backoff {
    let waits = ExponentialBuilder::default().with_min_delay(LEAST).with_max_delay(MOST);
    ExponentialBackoff::from(waits.with_factor(2.0).with_jitter().without_max_times())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_of_any_length_is_noticed_to_be_over_within_seconds() {
        let mut waits = backoff();
        let first = waits.next().expect("a first wait");
        assert!(first >= LEAST && first <= 2 * LEAST, "{first:?}");
        let later: Vec<_> = waits.by_ref().skip(10).take(1000).collect();
        assert_eq!(later.len(), 1000, "it never gives up");
        assert!(later.iter().all(|wait| (MOST..=2 * MOST).contains(wait)), "{later:?}");
        waits.reset();
        assert!(waits.next().is_some_and(|wait| wait <= 2 * LEAST));
    }
}
