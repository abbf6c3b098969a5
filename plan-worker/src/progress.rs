//! How far the running plan is, by its documents.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::protocol::PlanProgress;

/// Shortest time between two reports of one run, but for the last.
const PACE: Duration = Duration::from_millis(500);
/// The stream that has the points of a run.
const PRIMARY: &str = "primary";

/// Counts the points of the newest run of a plan, and knows what the plan waits for.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    plan: PlanProgress,
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    /// Descriptor of the points.
    primary: Option<String>,
    begun: Instant,
    told: Option<Instant>,
}

impl Tracker {
    /// A plan begins, for that item.
    pub(crate) fn begin(&mut self, item_uid: &str) {
        let plan = PlanProgress { item_uid: item_uid.to_owned(), ..PlanProgress::default() };
        *self = Self { plan, run: None };
    }

    /// The plan waits for a condition, or not any more; what is to be said of it.
    pub(crate) fn wait(&mut self, reason: Option<&str>) -> PlanProgress {
        self.plan.waiting = reason.map(str::to_owned);
        self.tell()
    }

    /// Takes note of a document; what is to be said of it.
    pub(crate) fn note(&mut self, name: &str, document: &Value) -> Option<PlanProgress> {
        let text = |key: &str| document[key].as_str().map(str::to_owned);
        if name == "start" {
            self.plan.points_done = 0;
            self.plan.points_expected = document["num_points"].as_u64();
            self.run = Some(Run { primary: None, begun: Instant::now(), told: None });
            return None;
        }
        let run = self.run.as_mut()?;
        match name {
            "descriptor" if document["name"] == PRIMARY => {
                run.primary = text("uid");
                None
            }
            "event" if run.primary.is_some() && run.primary == text("descriptor") => {
                self.plan.points_done = document["seq_num"].as_u64()?;
                let is_due = run.told.is_none_or(|told| told.elapsed() >= PACE);
                is_due.then(|| self.tell())
            }
            "stop" => {
                let last = self.tell();
                self.run = None;
                Some(last)
            }
            _ => None,
        }
    }

    fn tell(&mut self) -> PlanProgress {
        let Self { plan, run } = self;
        plan.time_left_s = run.as_mut().and_then(|run| {
            run.told = Some(Instant::now());
            let ahead = plan.points_expected?.saturating_sub(plan.points_done);
            // Points are counted, and no run has so many that a float could not.
            #[allow(clippy::cast_precision_loss, reason = "numbers of points")]
            let left = run.begun.elapsed().as_secs_f64() * ahead as f64 / plan.points_done as f64;
            (plan.points_done > 0).then_some(left)
        });
        plan.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_point_and_the_end_are_told_and_what_is_too_fast_for_anybody_is_not() {
        let mut tracker = Tracker::default();
        tracker.begin("one");
        let start = json!({"uid": "r", "num_points": 3});
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

    #[test]
    fn what_a_plan_waits_for_is_told_before_its_first_run_too() {
        let mut tracker = Tracker::default();
        tracker.begin("one");
        let told = tracker.wait(Some("no beam"));
        assert_eq!((told.item_uid.as_str(), told.waiting.as_deref()), ("one", Some("no beam")));
        assert_eq!(tracker.wait(None).waiting, None);
        tracker.wait(Some("no beam"));
        tracker.begin("two");
        assert_eq!(tracker.wait(None).item_uid, "two");
    }
}
