//! The coordination gate: who may write, decided over one snapshot of the registry (contract §2.3,
//! §2.4).
//!
//! Plain functions over plain data. The order is: read-only mode, known to the registry, enabled,
//! not locked; limits are checked afterwards, because they need the PV ([`crate::limits`]).

use jiff::Timestamp;
use thiserror::Error;

use crate::registry::{KnownDevice, Snapshot};

/// Why an operation is refused before anything is sent to an IOC.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    /// The whole service only reads.
    #[error(
        "Service is in read-only mode (DIRECT_CONTROL_GLOBAL_READ_ONLY=true); control/write operations are disabled. \
         Monitoring (reads, subscriptions, image sockets) remains available."
    )]
    ReadOnlyMode,
    /// The registry has no such PV.
    #[error("PV '{0}' not found in the registry")]
    UnknownPv(String),
    /// The registry has no such device.
    #[error("DEVICE '{0}' not found in the registry")]
    UnknownDevice(String),
    /// The registry has not been read yet.
    #[error("Configuration service unavailable")]
    RegistryUnavailable,
    /// Too many PVs are followed that the registry does not know.
    #[error("PV '{0}' is not in the registry, and too many such PVs are read already")]
    TooManyUnknown(String),
    /// The device is switched off.
    #[error("Device name {0} is disabled in configuration_service. Re-enable before commanding.")]
    Disabled(String),
    /// A plan holds the device.
    #[error("Device name {device} is locked by plan {plan}")]
    Locked {
        /// Ophyd name.
        device: String,
        /// Plan that holds it.
        plan: String,
    },
    /// Locks and switches cannot be known at the moment.
    #[error("Coordination check failed: {0}")]
    Unknowable(String),
}

impl Refusal {
    /// A word for programs.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::ReadOnlyMode => "read_only_mode",
            Self::UnknownPv(_) | Self::UnknownDevice(_) => "not_registered",
            Self::TooManyUnknown(_) => "too_many_pvs",
            Self::RegistryUnavailable | Self::Unknowable(_) => "registry_unreachable",
            Self::Disabled(_) => "disabled",
            Self::Locked { .. } => "locked",
        }
    }
}

/// Whether the registry knows the PV.
///
/// # Errors
/// [`Refusal::UnknownPv`].
pub(crate) fn known_pv(registry: &Snapshot, pv: &str) -> Result<(), Refusal> {
    if registry.knows_pv(pv) { Ok(()) } else { Err(Refusal::UnknownPv(pv.to_owned())) }
}

/// The device, if the registry knows it.
///
/// # Errors
/// [`Refusal::UnknownDevice`].
pub(crate) fn known_device<'a>(
    registry: &'a Snapshot,
    name: &str,
) -> Result<&'a std::sync::Arc<KnownDevice>, Refusal> {
    registry.device(name).ok_or_else(|| Refusal::UnknownDevice(name.to_owned()))
}

/// Whether the PV may be written now: its owner is enabled, and no device that has the PV is
/// locked.
///
/// A standalone PV has no owner and is always available.
///
/// # Errors
/// [`Refusal::Disabled`] (which wins) or [`Refusal::Locked`].
pub(crate) fn pv_available(registry: &Snapshot, pv: &str, now: Timestamp) -> Result<(), Refusal> {
    if let Some(owner) = registry.devices_of(pv).first() {
        enabled(owner)?;
    }
    pv_unlocked(registry, pv, now)
}

/// Whether no device that has the PV is locked.
///
/// # Errors
/// [`Refusal::Locked`].
pub(crate) fn pv_unlocked(registry: &Snapshot, pv: &str, now: Timestamp) -> Result<(), Refusal> {
    registry.devices_of(pv).iter().try_for_each(|device| unlocked(registry, device, now))
}

/// Whether the device may be commanded now.
///
/// # Errors
/// [`Refusal::Disabled`] (which wins) or [`Refusal::Locked`].
pub(crate) fn device_available(
    registry: &Snapshot,
    device: &KnownDevice,
    now: Timestamp,
) -> Result<(), Refusal> {
    enabled(device)?;
    unlocked(registry, device, now)
}

fn enabled(device: &KnownDevice) -> Result<(), Refusal> {
    if device.enabled { Ok(()) } else { Err(Refusal::Disabled(device.name.clone())) }
}

fn unlocked(registry: &Snapshot, device: &KnownDevice, now: Timestamp) -> Result<(), Refusal> {
    match crds::locking::holder(registry.locks(), &device.name, now) {
        None => Ok(()),
        Some(lock) => {
            Err(Refusal::Locked { device: device.name.clone(), plan: lock.plan_name.clone() })
        }
    }
}

#[cfg(test)]
#[path = "gate/tests.rs"]
mod tests;
