//! What can go wrong with a device, in the words of contract §2.6.

use std::time::Duration;

use thiserror::Error;

use crate::device::call::ALLOWED;
use crate::gate::Refusal;
use crate::limits::OutOfLimits;
use crate::values::write::Unwritable;

/// Why a device method failed.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum DeviceError {
    /// The gate refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No device has this method here.
    #[error("Method '{0}' is not allowed. Allowed methods: {ALLOWED}")]
    MethodNotAllowed(String),
    /// Devices of this class do not have the method.
    #[error("{class} object '{name}' does not support method '{method}'")]
    NotSupported {
        /// Short class name.
        class: String,
        /// Ophyd name.
        name: String,
        /// What was asked for.
        method: &'static str,
    },
    /// The device has no such part.
    #[error("Device '{device}' has no component '{path}': {missing}")]
    NoComponent {
        /// Root device.
        device: String,
        /// What was asked for.
        path: String,
        /// Where the walk ended.
        missing: String,
    },
    /// The device is switched off.
    #[error(
        "Device '{0}' is marked inactive in its instantiation spec; activate it in the registry before device-level control."
    )]
    Inactive(String),
    /// The class is not in the catalogue.
    #[error(
        "device_class '{0}' is not in the device class catalogue; PV-level operations remain available. \
         Add a DeviceClass that describes it."
    )]
    UnknownClass(String),
    /// The class is not a path.
    #[error(
        "device_class '{0}' has no module prefix; expected a fully-qualified import path like 'ophyd.EpicsMotor'"
    )]
    NoModule(String),
    /// `set` or `put` of a component without a value.
    #[error("Method '{method}' on {path} requires a value")]
    NoValue {
        /// What was asked for.
        method: &'static str,
        /// Dotted path.
        path: String,
    },
    /// Arguments that the method does not take.
    #[error("{0}")]
    BadArguments(String),
    /// No PV can hold the value.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// The value lies outside the limits of the PV.
    #[error(transparent)]
    Limits(#[from] OutOfLimits),
    /// The position lies outside the limits of the motor.
    #[error("LimitError: position={position} not within limits ({low:?}, {high:?})")]
    SoftLimits {
        /// What was asked for.
        position: String,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// The signal can only be read.
    #[error("Read-only signal {name} ({pv}) cannot be set to {value}")]
    ReadOnly {
        /// Ophyd name.
        name: String,
        /// EPICS name.
        pv: String,
        /// What was asked for.
        value: String,
    },
    /// PVs of the device do not answer.
    #[error("Device '{device}' ({class}) failed to connect within {:?}s: TimeoutError: {pvs}", .timeout.as_secs_f64())]
    NotConnected {
        /// Ophyd name.
        device: String,
        /// Short class name.
        class: String,
        /// How long was waited.
        timeout: Duration,
        /// The silent PVs.
        pvs: String,
    },
    /// The method did not end in time.
    #[error("{name}.{method} did not complete within {:?}s.{after}", .timeout.as_secs_f64())]
    Incomplete {
        /// Ophyd name.
        name: String,
        /// What was asked for.
        method: &'static str,
        /// How long was waited.
        timeout: Duration,
        /// What was done about it.
        after: String,
    },
    /// The device or its IOC says no.
    #[error("{0}")]
    Failed(String),
}
