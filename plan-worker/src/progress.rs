//! How far the running plan is, by its documents.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::protocol::PlanProgress;

/// Shortest time between two reports of one run, but for the last.
const PACE: Duration = Duration::from_millis(500);
/// The stream that has the points of a run.
const PRIMARY: &str = "primary";

/// Counts the points of the newest run.
#[derive(Debug, Default)]
pub(crate) struct Tracker(Option<Run>);

#[derive(Debug)]
struct Run {
    progress: PlanProgress,
    /// Descriptor of the points.
    primary: Option<String>,
    begun: Instant,
    told: Option<Instant>,
}

impl Tracker {
    /// Takes note of a document; what is to be said of it.
    pub(crate) fn note(&mut self, name: &str, document: &Value) -> Option<PlanProgress> {
        let text = |key: &str| document[key].as_str().map(str::to_owned);
        if name == "start" {
            let progress = PlanProgress {
                item_uid: text("item_uid")?,
                points_expected: document["num_points"].as_u64(),
                ..PlanProgress::default()
            };
            self.0 = Some(Run { progress, primary: None, begun: Instant::now(), told: None });
            return None;
        }
        let run = self.0.as_mut()?;
        match name {
            "descriptor" if document["name"] == PRIMARY => {
                run.primary = text("uid");
                None
            }
            "event" if run.primary.is_some() && run.primary == text("descriptor") => {
                run.progress.points_done = document["seq_num"].as_u64()?;
                let is_due = run.told.is_none_or(|told| told.elapsed() >= PACE);
                is_due.then(|| run.tell())
            }
            "stop" => {
                let last = run.tell();
                self.0 = None;
                Some(last)
            }
            _ => None,
        }
    }
}

impl Run {
    fn tell(&mut self) -> PlanProgress {
        self.told = Some(Instant::now());
        let progress = &mut self.progress;
        let ahead = progress.points_expected.map(|all| all.saturating_sub(progress.points_done));
        // Points are counted, and no run has so many that a float could not.
        #[allow(clippy::cast_precision_loss, reason = "numbers of points")]
        let left = ahead.filter(|_| progress.points_done > 0).map(|ahead| {
            self.begun.elapsed().as_secs_f64() * ahead as f64 / progress.points_done as f64
        });
        progress.time_left_s = left;
        progress.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_point_and_the_end_are_told_and_what_is_too_fast_for_anybody_is_not() {
        let mut tracker = Tracker::default();
        let start = json!({"uid": "r", "item_uid": "one", "num_points": 3});
        assert_eq!(tracker.note("start", &start), None);
        tracker.note("descriptor", &json!({"uid": "base", "name": "baseline"}));
        tracker.note("descriptor", &json!({"uid": "main", "name": "primary"}));
        let point = |of: &str, number: u64| json!({"descriptor": of, "seq_num": number});
        assert_eq!(tracker.note("event", &point("base", 1)), None);
        let told = tracker.note("event", &point("main", 1)).unwrap();
        assert_eq!((told.item_uid.as_str(), told.points_done), ("one", 1));
        assert_eq!(told.points_expected, Some(3));
        assert!(told.time_left_s.is_some());
        assert_eq!(tracker.note("event", &point("main", 2)), None);
        assert_eq!(tracker.note("stop", &json!({})).unwrap().points_done, 2);
        assert_eq!(tracker.note("event", &point("main", 3)), None);
    }
}
