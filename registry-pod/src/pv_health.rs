//! What direct control reports about PVs: failures in a row, and the last success (contract §1.8).
//!
//! Kept in memory only, and only for PVs that the registry knows; a restart forgets it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Failures in a row from which a PV counts as unresponsive.
const UNRESPONSIVE_AFTER: u64 = 3;

/// How a PV is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PVHealthState {
    Healthy,
    Degraded,
    Unresponsive,
}

/// What is known of one PV.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PVHealthRecord {
    pv_name: String,
    #[schema(required = false)]
    consecutive_failures: u64,
    last_failure_at: Option<String>,
    last_failure_message: Option<String>,
    last_success_at: Option<String>,
    state: PVHealthState,
}

/// Number of PVs in each state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PVHealthStateCounts {
    #[schema(required = false)]
    healthy: usize,
    #[schema(required = false)]
    degraded: usize,
    #[schema(required = false)]
    unresponsive: usize,
}

/// All reports so far.
#[derive(Debug, Default)]
pub(crate) struct PvHealth {
    records: BTreeMap<String, PVHealthRecord>,
}

fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

impl PVHealthRecord {
    fn new(pv: &str) -> Self {
        Self {
            pv_name: pv.to_owned(),
            consecutive_failures: 0,
            last_failure_at: None,
            last_failure_message: None,
            last_success_at: None,
            state: PVHealthState::Healthy,
        }
    }
}

impl PvHealth {
    /// Notes a failure.
    pub(crate) fn failure(
        &mut self,
        pv: &str,
        message: Option<String>,
        now: Timestamp,
    ) -> PVHealthRecord {
        let record = self.records.entry(pv.to_owned()).or_insert_with(|| PVHealthRecord::new(pv));
        record.consecutive_failures += 1;
        record.last_failure_at = Some(iso(now));
        record.last_failure_message = message;
        record.state = match record.consecutive_failures {
            failures if failures >= UNRESPONSIVE_AFTER => PVHealthState::Unresponsive,
            _ => PVHealthState::Degraded,
        };
        record.clone()
    }

    /// Notes a success. Of a PV that never failed nothing is kept.
    pub(crate) fn success(&mut self, pv: &str, now: Timestamp) -> PVHealthRecord {
        let mut fresh = PVHealthRecord::new(pv);
        let record = self.records.get_mut(pv).unwrap_or(&mut fresh);
        record.consecutive_failures = 0;
        record.last_success_at = Some(iso(now));
        record.state = PVHealthState::Healthy;
        record.clone()
    }

    /// What is known of `pv`.
    pub(crate) fn get(&self, pv: &str) -> Option<&PVHealthRecord> {
        self.records.get(pv)
    }

    /// Forgets one PV. Answers how many were forgotten.
    pub(crate) fn clear(&mut self, pv: &str) -> usize {
        usize::from(self.records.remove(pv).is_some())
    }

    /// Forgets all. Answers how many were forgotten.
    pub(crate) fn clear_all(&mut self) -> usize {
        std::mem::take(&mut self.records).len()
    }

    /// Number of PVs in each state, and of all.
    pub(crate) fn stats(&self) -> (PVHealthStateCounts, usize) {
        let mut counts = PVHealthStateCounts::default();
        for record in self.records.values() {
            match record.state {
                PVHealthState::Healthy => counts.healthy += 1,
                PVHealthState::Degraded => counts.degraded += 1,
                PVHealthState::Unresponsive => counts.unresponsive += 1,
            }
        }
        (counts, self.records.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_make_a_pv_unresponsive_and_one_success_heals_it() {
        let now = Timestamp::UNIX_EPOCH;
        let mut health = PvHealth::default();
        assert_eq!(health.success("a", now).state, PVHealthState::Healthy);
        assert!(health.get("a").is_none(), "a success of an unknown PV is not kept");
        assert_eq!(health.failure("a", None, now).state, PVHealthState::Degraded);
        health.failure("a", None, now);
        let record = health.failure("a", Some("t".into()), now);
        assert_eq!(record.state, PVHealthState::Unresponsive);
        assert_eq!(record.last_failure_at.as_deref(), Some("1970-01-01T00:00:00.000000Z"));
        assert_eq!(health.success("a", now).state, PVHealthState::Healthy);
        assert_eq!(health.stats(), (PVHealthStateCounts { healthy: 1, ..Default::default() }, 1));
        assert_eq!((health.clear("b"), health.clear_all()), (0, 1));
    }
}
