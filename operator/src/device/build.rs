//! The status that a judged device should have. Deterministic, no client.

use crds::Device;
use crds::conditions::Verdict;
use crds::device::{DeviceStatus, SignalStatus};

use super::validate::Validated;
use crate::report::{is_readiness, readiness};

/// Signals listed in the status; all of them count in `signalCount`.
const LISTED_SIGNALS: usize = 1000;

/// Our part of the status, and the verdict that it expresses.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Everything that the operator owns in the status; nothing of the control pod's.
    pub(super) status: DeviceStatus,
    /// The verdict behind the `Ready` condition.
    pub(super) verdict: Verdict,
}

/// Builds what the status should say.
pub(super) fn build(device: &Device, validated: &Validated) -> Wanted {
    let Validated { resolved, verdict, locked_by } = validated;
    let present = device.status.as_ref().map(|status| status.conditions.as_slice());
    let signals = resolved.signals.iter().take(LISTED_SIGNALS).map(|signal| SignalStatus {
        name: signal.name.clone(),
        pv: signal.readback_pv.clone(),
        read_only: signal.read_only,
    });
    let status = DeviceStatus {
        observed_generation: device.metadata.generation,
        conditions: readiness(present.unwrap_or_default(), verdict, device.metadata.generation),
        device_label: Some(resolved.label),
        signal_count: i32::try_from(resolved.signals.len()).ok(),
        signals: signals.collect(),
        locked_by: locked_by.clone(),
    };
    Wanted { status, verdict: verdict.clone() }
}

/// Whether `present` already says all that `wanted` says.
pub(super) fn is_said(wanted: &DeviceStatus, present: Option<&DeviceStatus>) -> bool {
    let Some(present) = present else {
        return false;
    };
    let mut ours = present.clone();
    ours.conditions.retain(is_readiness);
    ours == *wanted
}
