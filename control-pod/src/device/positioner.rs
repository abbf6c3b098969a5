//! A positioner made of separate PVs: `setpoint`, perhaps `readback`, `done`, `actuate` and
//! `stop_signal`.

use channels::PvValue;
use serde_json::Value;

use crate::device::motion::Motion;
use crate::device::target::Part;
use crate::device::wire::Wire;
use crate::device::{Call, DeviceError, signal};
use crate::values::write::from_json;

/// Moves the positioner. Without a `done` signal it is there when the put is complete and the
/// readback shows the position.
///
/// # Errors
/// [`DeviceError::Limits`], [`DeviceError::NotConnected`], [`DeviceError::Failed`].
pub(crate) async fn set(wire: &Wire<'_>, value: &Value, call: &Call) -> Result<(), DeviceError> {
    let setpoint = wire.required("setpoint")?;
    let (done, readback) = (wire.target.part("done"), wire.target.part("readback"));
    let Some(done) = done.filter(|_| call.wait) else {
        let moved = Part {
            read_pv: readback.map_or(&setpoint.read_pv, |part| &part.read_pv).clone(),
            ..setpoint.clone()
        };
        return signal::set(wire, &moved, value, call).await;
    };
    wire.check_limits(&setpoint.write_pv, value).await?;
    let position = from_json(value)?;
    let Some(actuate) = wire.target.part("actuate") else {
        return Motion { setpoint, done, readback }.run(wire, position, call).await;
    };
    wire.put(&setpoint.write_pv, position, call.put_mode(), call.timeout).await?;
    Motion { setpoint: actuate, done, readback: None }.run(wire, PvValue::Long(1), call).await
}
