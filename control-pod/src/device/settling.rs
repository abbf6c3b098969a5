//! A temperature controller: set is done when the readback has stayed near the setpoint for a
//! while.

use std::time::Duration;

use channels::PutMode;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::device::wire::Wire;
use crate::device::{Call, DeviceError};
use crate::values::write::{checkable_number, from_json};

/// How long the readback must stay near the setpoint, unless the class says otherwise.
const EQUILIBRIUM: Duration = Duration::from_secs(5);
/// How near it must be, unless the class says otherwise.
const TOLERANCE: f64 = 1.0;

/// Sets the controller and waits until it has settled.
///
/// # Errors
/// [`DeviceError::Limits`], [`DeviceError::NotConnected`], [`DeviceError::Failed`].
pub(crate) async fn set(wire: &Wire<'_>, value: &Value, call: &Call) -> Result<(), DeviceError> {
    let (setpoint, readback) = (wire.required("setpoint")?, wire.required("readback")?);
    let Some(wanted) = checkable_number(value) else {
        let name = &wire.target.name;
        return Err(DeviceError::Failed(format!("{name}.set needs a number, not {value}")));
    };
    wire.check_limits(&setpoint.write_pv, value).await?;
    let written = from_json(value)?;
    if !call.wait {
        return wire.put(&setpoint.write_pv, written, PutMode::NoWait, call.timeout).await;
    }
    let stops = wire.used.stops(&wire.target.device);
    let channel = wire.connected(&readback.read_pv).await?;
    let mut shown = channel.monitor();
    wire.put(&setpoint.write_pv, written, call.put_mode(), call.timeout).await?;
    let equilibrium = wire
        .target
        .constant("equilibrium_time")
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(EQUILIBRIUM);
    let tolerance = wire.target.constant("tolerance").unwrap_or(TOLERANCE);
    let mut settled_at: Option<Instant> = None;
    loop {
        let near = shown.borrow_and_update().as_ref().is_some_and(|sample| {
            let distance = sample.value.as_f64().map(|value| (value - wanted).abs());
            sample.connected && distance.is_some_and(|distance| distance < tolerance)
        });
        settled_at = match settled_at {
            _ if !near => None,
            None => Some(Instant::now() + equilibrium),
            since => since,
        };
        let settled = async {
            match settled_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = settled => break,
            changed = shown.changed() => if changed.is_err() {
                let name = &wire.target.name;
                return Err(DeviceError::Failed(format!("{name}: the readback is gone")));
            },
        }
    }
    if wire.used.stops(&wire.target.device) != stops {
        let name = &wire.target.name;
        return Err(DeviceError::Failed(format!("{name}.set was stopped before it was done")));
    }
    Ok(())
}

/// Stops the change: the setpoint becomes what the readback shows now.
///
/// # Errors
/// [`DeviceError::NotConnected`], [`DeviceError::Failed`].
pub(crate) async fn stop(wire: &Wire<'_>) -> Result<(), DeviceError> {
    let (setpoint, readback) = (wire.required("setpoint")?, wire.required("readback")?);
    let now = wire.get(&readback.read_pv, channels::Want::Time).await?;
    let timeout = crate::device::operate::STOP_TIMEOUT;
    wire.put(&setpoint.write_pv, now.value, PutMode::NoWait, timeout).await
}
