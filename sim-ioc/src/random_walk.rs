//! `random_walk:`: a value that takes a random step every `dt` seconds (contract §6.3).

use std::time::Duration;

use futures::StreamExt as _;
use rand::Rng as _;

use crate::ioc::{Error, Ioc};

/// Records of one random walk.
pub(crate) const RECORDS: &str = r#"
record(ao, "$(P)dt") { field(DESC, "Delta time") field(EGU, "s") field(PREC, "3") field(VAL, "3.0") }
record(ao, "$(P)x") { field(DESC, "The random float value") field(PREC, "3") field(VAL, "0") }
"#;

/// Shortest pause between two steps, so that `dt` 0 does not spin.
const SHORTEST_STEP: Duration = Duration::from_millis(10);

/// Time to the next step for a `dt` in seconds; a `dt` that is no time at all waits for the next
/// change.
fn pause(dt: f64) -> Duration {
    Duration::try_from_secs_f64(dt.max(0.0)).unwrap_or(Duration::MAX).max(SHORTEST_STEP)
}

/// Walks for ever; a new `dt` counts at once.
pub(crate) async fn run(ioc: Ioc) -> Result<(), Error> {
    let mut changes = ioc.changes(&["dt"]).await?;
    loop {
        let step = rand::rng().random_range(-1.0..1.0);
        ioc.post_number("x", ioc.number("x")? + step).await?;
        let began = tokio::time::Instant::now();
        loop {
            let left = pause(ioc.number("dt")?).saturating_sub(began.elapsed());
            tokio::select! {
                () = tokio::time::sleep(left) => break,
                _ = changes.next() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_dt_seconds_and_never_spins() {
        assert_eq!(pause(3.0), Duration::from_secs(3));
        assert_eq!(pause(0.0), SHORTEST_STEP);
        assert_eq!(pause(-1.0), SHORTEST_STEP);
        assert_eq!(pause(f64::INFINITY), Duration::MAX);
        assert_eq!(pause(f64::NAN), SHORTEST_STEP);
    }
}
