//! What makes plans wait: a condition on a PV, such as too little current in the ring.

#![allow(unreachable_pub, reason = "KubeSchema derives a hidden twin")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Plans wait while a PV is not as it should be, or not known; everything rests meanwhile. Then they
/// go on from their last checkpoint.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.below) || has(self.above) || has(self.state)").message("below, above or state is needed"),
    validation = Rule::new("!has(self.state) || !(has(self.below) || has(self.above))").message("state excludes below and above"),
    validation = Rule::new("!(has(self.below) && has(self.above)) || self.below <= self.above").message("below is the lower end"),
    validation = Rule::new("!has(self.resume) || has(self.below) != has(self.above)").message("resume goes with either below or above"),
    validation = Rule::new("!(has(self.resume) && has(self.below)) || self.resume >= self.below").message("resume is below below"),
    validation = Rule::new("!(has(self.resume) && has(self.above)) || self.resume <= self.above").message("resume is above above")
)]
pub struct Suspender {
    /// The PV: its name, with `pva://` before it over PVAccess.
    #[schemars(length(min = 1, max = 512))]
    pub pv: String,
    /// Plans wait while it is below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// Plans wait while it is above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// What it has to reach again before they go on; `below` or `above` itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<f64>,
    /// Plans wait while it is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Level>,
    /// How long it has to be good again before they go on, in seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 86_400))]
    pub sleep_seconds: i32,
    /// What it means, for people who wait.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
}

/// State of a PV that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not 0.
    High,
    /// 0.
    Low,
}

impl Suspender {
    /// These as the environment of a worker.
    pub fn environment(all: &[Self]) -> Option<(&'static str, String)> {
        // Numbers and texts of a manifest: there is nothing in them that JSON does not have.
        let text = serde_json::to_string(all).unwrap_or_default();
        (!all.is_empty()).then_some(("BEAMLINE_WORKER_SUSPENDERS", text))
    }

    /// Why plans have to wait at `value`, if they do; `None` for a value that is not known. They go on at another value than where
    /// they stopped, so it counts whether they wait already.
    pub fn objection(&self, value: Option<f64>, waits: bool) -> Option<String> {
        let Self { pv, below, above, resume, state, message, .. } = self;
        let Some(value) = value.filter(|value| !value.is_nan()) else {
            return Some(told(format!("{pv} is not known"), message));
        };
        let limit = |limit: f64| if waits { resume.unwrap_or(limit) } else { limit };
        let why = match (below.map(limit), above.map(limit), state) {
            (Some(limit), _, _) if value < limit => format!("{pv} is {value}, below {limit}"),
            (_, Some(limit), _) if value > limit => format!("{pv} is {value}, above {limit}"),
            (_, _, Some(Level::High)) if value != 0.0 => format!("{pv} is high"),
            (_, _, Some(Level::Low)) if value == 0.0 => format!("{pv} is low"),
            _ => return None,
        };
        Some(told(why, message))
    }
}

fn told(why: String, message: &str) -> String {
    if message.is_empty() { why } else { format!("{why}: {message}") }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde")]
fn is_zero(value: &i32) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspender(yaml: &str) -> Suspender {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn plans_go_on_where_they_are_told_to_and_not_where_they_stopped() {
        let ring = suspender("{pv: I, below: 380, resume: 395, message: no beam}");
        assert_eq!(ring.objection(Some(385.0), false), None);
        let stopped = ring.objection(Some(379.5), false);
        assert_eq!(stopped.as_deref(), Some("I is 379.5, below 380: no beam"));
        let waits = ring.objection(Some(385.0), true);
        assert_eq!(waits.as_deref(), Some("I is 385, below 395: no beam"));
        assert_eq!(ring.objection(Some(395.0), true), None);
    }

    #[test]
    fn a_band_has_two_ends() {
        let band = suspender("{pv: T, below: 4, above: 5.5}");
        assert_eq!(band.objection(Some(4.0), true), None);
        assert_eq!(band.objection(Some(3.9), false).as_deref(), Some("T is 3.9, below 4"));
        assert_eq!(band.objection(Some(6.0), false).as_deref(), Some("T is 6, above 5.5"));
    }

    #[test]
    fn something_is_on_or_off() {
        let shutter = suspender("{pv: S, state: low}");
        assert_eq!(shutter.objection(Some(1.0), true), None);
        assert_eq!(shutter.objection(Some(0.0), false).as_deref(), Some("S is low"));
        let fault = suspender("{pv: F, state: high}");
        assert_eq!(fault.objection(Some(2.0), false).as_deref(), Some("F is high"));
    }

    #[test]
    fn what_is_not_known_is_not_good() {
        let ring = suspender("{pv: I, below: 380}");
        for unknown in [None, Some(f64::NAN)] {
            assert_eq!(ring.objection(unknown, false).as_deref(), Some("I is not known"));
        }
    }

    #[test]
    fn the_worker_reads_what_the_manifest_says() {
        assert_eq!(Suspender::environment(&[]), None);
        let ring = suspender("{pv: I, below: 380, sleepSeconds: 30}");
        let (_, text) = Suspender::environment(std::slice::from_ref(&ring)).unwrap();
        assert_eq!(text, r#"[{"pv":"I","below":380.0,"sleepSeconds":30}]"#);
        assert_eq!(serde_json::from_str::<Vec<Suspender>>(&text).unwrap(), [ring]);
    }
}
