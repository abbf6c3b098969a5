//! A device command from a client: gate, target, method. The same for REST and sockets.
//!
//! Order (contract §2.6): read-only mode, registry, allowed method, coordination, inactive,
//! component, method. `stop` asks neither for a lock nor for an enabled device: an emergency stop
//! must always work.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::audit::{self, Attempt, Ending};
use crate::device::call::value_argument;
use crate::device::operate::perform;
use crate::device::wire::Wire;
use crate::device::{Call, DeviceError, Method, Target};
use crate::gateway::Gateway;

/// A command as a client sends it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Command {
    /// Device, or device and component with dots.
    pub(crate) path: String,
    /// What to do.
    pub(crate) method: String,
    /// With what.
    pub(crate) arguments: Arguments,
    /// How long it may take.
    pub(crate) timeout: Option<Duration>,
    /// Whether to wait until it is done.
    pub(crate) wait: bool,
    /// Whether an earlier write of the same may still be under way.
    pub(crate) supersedes: bool,
    /// Whether a lock keeps even reads away (contract: only on `device/execute`).
    pub(crate) gate_reads: bool,
}

impl Command {
    /// Stops a device.
    pub(crate) fn stop(device: &str) -> Self {
        Self {
            path: device.to_owned(),
            method: "stop".to_owned(),
            arguments: Arguments::Value(None),
            timeout: None,
            wait: true,
            supersedes: false,
            gate_reads: false,
        }
    }
}

/// Arguments of a command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arguments {
    /// As of a Python call.
    Python {
        /// By place.
        args: Vec<Value>,
        /// By name.
        kwargs: Map<String, Value>,
    },
    /// The value of `set` and `put`.
    Value(Option<Value>),
}

impl Arguments {
    /// The value that is asked for, as far as that can be seen without knowing the device.
    pub(crate) fn value(&self) -> Option<&Value> {
        match self {
            Self::Python { args, kwargs } => args.first().or_else(|| kwargs.values().next()),
            Self::Value(value) => value.as_ref(),
        }
    }
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// What the method returned.
    pub(crate) result: Value,
    /// The sentence on the wire.
    pub(crate) message: String,
}

/// Checks and performs a command.
///
/// # Errors
/// [`DeviceError`], in the order above.
pub(crate) async fn command(
    gateway: &Gateway,
    attempt: Attempt,
    command: Command,
) -> Result<Outcome, DeviceError> {
    let is_awaited = command.wait && !matches!(command.method.as_str(), "put" | "stop");
    let result = attempt.watched(obey(gateway, &attempt, command)).await;
    attempt.end(match &result {
        Ok(_) if !is_awaited => Ending::plain(audit::Outcome::Sent),
        result => Ending::from(result),
    });
    result
}

async fn obey(
    gateway: &Gateway,
    attempt: &Attempt,
    command: Command,
) -> Result<Outcome, DeviceError> {
    let method = Method::parse(&command.method);
    if command.gate_reads || method.as_ref().is_ok_and(|method| method.writes()) {
        gateway.writes()?;
    }
    let name = command.path.split('.').next().unwrap_or_default();
    let device = gateway.known_device(name)?;
    let method = method?;
    if method != Method::Stop && (command.gate_reads || method.writes()) {
        gateway.device_available(&device)?;
    }
    if !device.enabled && method != Method::Stop {
        return Err(DeviceError::Inactive(device.name.clone()));
    }
    let target = Target::find(&device, &command.path)?;
    if matches!(method, Method::Set | Method::Put | Method::Trigger) {
        // A lock on another device that has the same PV counts as well.
        for part in &target.parts {
            gateway.pv_unlocked(&part.write_pv)?;
        }
    }
    let value = match &command.arguments {
        Arguments::Python { args, kwargs } => value_argument(&target.class, method, args, kwargs)?,
        Arguments::Value(None) if matches!(method, Method::Set | Method::Put) => {
            return Err(DeviceError::NoValue { method: method.name(), path: command.path });
        }
        Arguments::Value(value) => value.clone(),
    };
    let timeout = command.timeout.unwrap_or(gateway.settings.command_timeout);
    let supersedes = command.supersedes;
    let call = Call { method, value, timeout, wait: command.wait, supersedes };
    gateway.used.note(&device.name);
    let wire = Wire::new(gateway, &target, attempt);
    let result = perform(&wire, &call, gateway.settings.stop_on_command_timeout).await?;
    let how =
        if command.wait || method != Method::Set { "completed" } else { "initiated (not awaited)" };
    let message = format!("{} {how} via {}", method.name(), target.framework_name());
    Ok(Outcome { result, message })
}
