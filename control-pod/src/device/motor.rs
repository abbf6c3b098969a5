//! A motor record: soft limits, the move, and how it ended; and its stop.

use channels::{Connection, PutMode, PvValue, Severity, Want};
use serde_json::Value;

use crate::device::motion::Motion;
use crate::device::target::Part;
use crate::device::wire::Wire;
use crate::device::{Call, DeviceError};
use crate::values::write::{checkable_number, from_json};

/// Moves the motor.
///
/// # Errors
/// [`DeviceError::SoftLimits`] before anything moves; [`DeviceError::Failed`] when the IOC refuses,
/// the motion ends on a limit switch or in an alarm, or somebody stops it.
pub(crate) async fn set(wire: &Wire<'_>, value: &Value, call: &Call) -> Result<(), DeviceError> {
    let (setpoint, readback) = (wire.required("user_setpoint")?, wire.required("user_readback")?);
    let position = from_json(value)?;
    soft_limits(wire, setpoint, value).await?;
    if !call.wait {
        return wire.put(&setpoint.write_pv, position, PutMode::NoWait, call.timeout).await;
    }
    let stops = wire.used.stops(&wire.target.device);
    // Asked for now, so that they are there when the motion ends.
    let switches = ["low_limit_switch", "high_limit_switch"]
        .map(|attr| (attr, wire.target.part(attr).map(|part| wire.channel(&part.read_pv))));
    // And this one, so that a stop has a connection for as long as there is something to stop.
    let _stop = wire.target.part("motor_stop").map(|part| wire.channel(&part.write_pv));
    let motion =
        Motion { setpoint, done: wire.required("motor_done_move")?, readback: Some(readback) };
    motion.run(wire, position, call).await?;
    let name = &wire.target.name;
    if wire.used.stops(&wire.target.device) != stops {
        return Err(DeviceError::Failed(format!("{name}.set was stopped before it was done")));
    }
    for (attr, channel) in switches {
        let Some(channel) = channel else { continue };
        if !matches!(*channel.connection().borrow(), Connection::Connected(_)) {
            continue;
        }
        let sample = wire.get(channel.name(), Want::Time).await?;
        if sample.value.as_f64() == Some(1.0) {
            let text =
                format!("{name}.set failed: the motion ended on the {}", attr.replace('_', " "));
            return Err(DeviceError::Failed(text));
        }
    }
    let end = wire.get(&readback.read_pv, Want::Time).await?;
    if end.alarm.severity == Severity::None {
        return Ok(());
    }
    let (status, severity) = (end.alarm.status, end.alarm.severity);
    let text = format!("{name}.set failed: alarm after the motion (status {status}, {severity:?})");
    Err(DeviceError::Failed(text))
}

/// Stops the motor, whoever moves it.
///
/// # Errors
/// [`DeviceError::NotConnected`], [`DeviceError::Failed`].
pub(crate) async fn stop(wire: &Wire<'_>, part: &Part) -> Result<(), DeviceError> {
    let timeout = crate::device::operate::STOP_TIMEOUT;
    wire.put(&part.write_pv, PvValue::Long(1), PutMode::NoWait, timeout).await
}

/// Equal limits, and a lower one above the upper, mean none.
async fn soft_limits(wire: &Wire<'_>, setpoint: &Part, value: &Value) -> Result<(), DeviceError> {
    let sample = wire.get(&setpoint.write_pv, Want::Control).await?;
    let limits = sample.metadata.as_ref().and_then(|metadata| metadata.control_limits);
    match (checkable_number(value), limits) {
        (Some(number), Some((low, high))) if low < high && !(low..=high).contains(&number) => {
            Err(DeviceError::SoftLimits { position: value.to_string(), low, high })
        }
        _ => Ok(()),
    }
}
