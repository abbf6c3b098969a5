//! Condition types, reasons, and the one rule for changing them: time moves only when `status`
//! does.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Condition types.
pub mod types {
    /// Accepted and programmed.
    pub const READY: &str = "Ready";
    /// The IOC answers for the object's PVs. An IOC that is off never changes `Ready`.
    pub const CONNECTED: &str = "Connected";
    /// The queue took the item, or says why not.
    pub const ACCEPTED: &str = "Accepted";
    /// The item is being executed.
    pub const RUNNING: &str = "Running";
    /// The item reached its end; the reason says how.
    pub const FINISHED: &str = "Finished";
    /// What is asked for is on its way (kstatus). Absent when it is there.
    pub const RECONCILING: &str = "Reconciling";
    /// It does not get there by itself (kstatus). Absent when it does.
    pub const STALLED: &str = "Stalled";
}

/// Fixed CamelCase reasons. `kubectl get` shows them, alerts match them.
pub mod reasons {
    /// The object is accepted and in force.
    pub const ACCEPTED: &str = "Accepted";
    /// Another, older object has the same name.
    pub const CONFLICT: &str = "Conflict";
    /// No `DeviceClass` describes the named class.
    pub const UNKNOWN_CLASS: &str = "UnknownClass";
    /// The spec contradicts itself.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// Switched off by the user.
    pub const INACTIVE: &str = "Inactive";
    /// IOCs answer for the PVs that are watched.
    pub const CONNECTED: &str = "Connected";
    /// No IOC answers for a PV.
    pub const DISCONNECTED: &str = "Disconnected";
    /// The connection of a PV comes and goes.
    pub const UNSTEADY: &str = "Unsteady";
    /// No PV tells whether the device is connected.
    pub const NO_SIGNALS: &str = "NoSignals";
    /// A device that is required is not connected.
    pub const DEVICE_DISCONNECTED: &str = "DeviceDisconnected";
    /// A process or pod is being started.
    pub const STARTING: &str = "Starting";
    /// The process or pod is up and has reported in.
    pub const RUNNING: &str = "Running";
    /// The process or pod ended.
    pub const STOPPED: &str = "Stopped";
    /// The process or pod could not be started, or ended by itself.
    pub const FAILED: &str = "Failed";
    /// Pods are being made or replaced.
    pub const PROGRESSING: &str = "Progressing";
    /// The queue pod is replaced when no plan runs.
    pub const PENDING_IDLE: &str = "PendingIdle";
    /// The Kubernetes API refuses something that is needed.
    pub const APPLY_FAILED: &str = "ApplyFailed";
    /// The image of a pod cannot be pulled.
    pub const IMAGE_PULL_FAILED: &str = "ImagePullFailed";
    /// No node takes the pod.
    pub const UNSCHEDULABLE: &str = "Unschedulable";
    /// The container of a pod ends again and again.
    pub const CRASHING: &str = "Crashing";
    /// A Secret or ConfigMap that the pod names is missing.
    pub const CONFIG_MISSING: &str = "ConfigMissing";
}

/// What a condition should say; the time is added by [`set`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Condition type, one of [`types`].
    pub type_: &'static str,
    /// `True`, `False`, or `None` for `Unknown`.
    pub status: Option<bool>,
    /// One of [`reasons`].
    pub reason: &'static str,
    /// A sentence for a human.
    pub message: String,
}

/// Puts `verdict` into `conditions` and keeps the list sorted by type.
///
/// `lastTransitionTime` moves only when the status changes, so that two passes over the same state
/// are equal.
pub fn set(
    conditions: &mut Vec<Condition>,
    verdict: &Verdict,
    generation: Option<i64>,
    now: &Time,
) {
    let status = match verdict.status {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let previous = conditions.iter().position(|c| c.type_ == verdict.type_);
    let last_transition_time = match previous.map(|i| &conditions[i]) {
        Some(old) if old.status == status => old.last_transition_time.clone(),
        _ => now.clone(),
    };
    let condition = Condition {
        type_: verdict.type_.to_owned(),
        status: status.to_owned(),
        reason: verdict.reason.to_owned(),
        message: verdict.message.clone(),
        observed_generation: generation,
        last_transition_time,
    };
    match previous {
        Some(i) => conditions[i] = condition,
        None => conditions.push(condition),
    }
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
}

/// Whether the condition of that type is `True`.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    conditions.iter().any(|c| c.type_ == type_ && c.status == "True")
}

/// Whether the condition of that type is `False`; one that is absent is not.
pub fn is_false(conditions: &[Condition], type_: &str) -> bool {
    conditions.iter().any(|c| c.type_ == type_ && c.status == "False")
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    fn verdict(status: bool) -> Verdict {
        Verdict {
            type_: types::READY,
            status: Some(status),
            reason: reasons::ACCEPTED,
            message: String::new(),
        }
    }

    #[test]
    fn time_moves_only_when_the_status_changes() {
        let (t1, t2) = (Time(Timestamp::UNIX_EPOCH), Time(Timestamp::MAX));
        let mut list = Vec::new();
        set(&mut list, &verdict(true), Some(1), &t1);
        set(&mut list, &verdict(true), Some(2), &t2);
        assert_eq!(list[0].last_transition_time, t1);
        assert_eq!(list[0].observed_generation, Some(2));
        set(&mut list, &verdict(false), Some(2), &t2);
        assert_eq!(list[0].last_transition_time, t2);
    }
}
