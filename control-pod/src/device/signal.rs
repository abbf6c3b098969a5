//! Setting one signal: put, wait for the IOC's completion, then for the readback. Nothing is
//! polled.

use channels::{PutMode, Want};
use serde_json::Value;

use crate::device::arrival::has_arrived;
use crate::device::target::Part;
use crate::device::wire::Wire;
use crate::device::{Call, DeviceError};
use crate::values::write::from_json;

/// The class whose readback need not show what was written.
const UNCHECKED: &str = "EpicsSignalNoValidation";

/// Sets the signal and returns when the readback shows the value; at once when the call does not
/// wait.
///
/// # Errors
/// [`DeviceError::ReadOnly`], [`DeviceError::Limits`], and [`DeviceError::Failed`] when the IOC
/// refuses. A value that the IOC takes but does not show lets the call run into its timeout, as
/// ophyd does.
pub(crate) async fn set(
    wire: &Wire<'_>,
    part: &Part,
    value: &Value,
    call: &Call,
) -> Result<(), DeviceError> {
    writable(wire, part, value)?;
    let written = from_json(value)?;
    wire.check_limits(&part.write_pv, value).await?;
    if !call.wait {
        return wire.put(&part.write_pv, written, PutMode::NoWait, call.timeout).await;
    }
    if wire.target.class == UNCHECKED {
        return wire.put(&part.write_pv, written, call.put_mode(), call.timeout).await;
    }
    let readback = wire.connected(&part.read_pv).await?;
    let mut shown = readback.monitor();
    wire.put(&part.write_pv, written.clone(), call.put_mode(), call.timeout).await?;
    // What the monitor has shown so far may be older than the completion; this is not.
    let sample = wire.get(&part.read_pv, Want::Control).await?;
    if has_arrived(&written, &sample) {
        return Ok(());
    }
    loop {
        if shown.changed().await.is_err() {
            return Err(DeviceError::Failed(format!("{}: the readback is gone", wire.target.name)));
        }
        let latest = shown.borrow_and_update().clone();
        if latest.is_some_and(|sample| sample.connected && has_arrived(&written, &sample)) {
            return Ok(());
        }
    }
}

/// Writes the signal without waiting.
///
/// # Errors
/// As [`set`].
pub(crate) async fn put(
    wire: &Wire<'_>,
    part: &Part,
    value: &Value,
    call: &Call,
) -> Result<(), DeviceError> {
    let call = Call { wait: false, ..call.clone() };
    set(wire, part, value, &call).await
}

fn writable(wire: &Wire<'_>, part: &Part, value: &Value) -> Result<(), DeviceError> {
    if !part.read_only {
        return Ok(());
    }
    Err(DeviceError::ReadOnly {
        name: wire.target.name.clone(),
        pv: part.write_pv.clone(),
        value: value.to_string(),
    })
}
