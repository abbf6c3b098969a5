//! How a motor record, and whatever is operated like one, moves.

use std::sync::Arc;

use channels::motion::{Ending, follow};
use channels::{PvError, Severity, Want};
use futures::{FutureExt, TryFutureExt};
use serde_json::{Value, json};

use super::super::DeviceError;
use super::signal::{PvSignal, is_at, pv_error};
use super::values::to_json;

/// The components that make a device move.
#[derive(Debug)]
pub(super) struct Mover {
    pub(super) device: String,
    pub(super) setpoint: Arc<PvSignal>,
    pub(super) readback: Arc<PvSignal>,
    /// Travel limits, for a record whose setpoint tells none.
    pub(super) travel: Option<(Arc<PvSignal>, Arc<PvSignal>)>,
    pub(super) done: Option<Arc<PvSignal>>,
    pub(super) stop: Option<Arc<PvSignal>>,
}

impl Mover {
    pub(super) async fn position(&self) -> Result<Value, DeviceError> {
        let sample = self.readback.sample(&self.device, Want::Time).await?;
        Ok(to_json(&sample.value, None, false))
    }

    /// Commands the device to stop, whatever it does.
    pub(super) async fn stop(&self) -> Result<(), DeviceError> {
        match &self.stop {
            Some(stop) => stop.put_now(&self.device, &json!(1)).await,
            None => Ok(()),
        }
    }

    /// Moves to `target`; nothing moves when that is outside of the limits.
    pub(super) async fn go(&self, target: &Value) -> Result<(), DeviceError> {
        let Some(value) = target.as_f64() else {
            return Err(DeviceError::BadValue {
                device: self.device.clone(),
                value: target.clone(),
                reason: "it is not a number".into(),
            });
        };
        if let Some((low, high)) = self.limits().await?
            && !(low..=high).contains(&value)
        {
            return Err(DeviceError::Limits { device: self.device.clone(), value, low, high });
        }
        match &self.done {
            Some(done) => self.until_done(done, value).await?,
            None => self.setpoint.put(&self.device, target).await?,
        }
        self.not_in_alarm(value).await
    }

    /// The limits that a target has to keep: those of the setpoint, else the travel limits. Two equal limits are none, as in a
    /// motor record.
    async fn limits(&self) -> Result<Option<(f64, f64)>, DeviceError> {
        let of_setpoint = self.setpoint.limits(&self.device).await?;
        let (None, Some((low, high))) = (of_setpoint, &self.travel) else {
            return Ok(of_setpoint);
        };
        let (low, high) = tokio::try_join!(
            low.sample(&self.device, Want::Time),
            high.sample(&self.device, Want::Time),
        )?;
        let limits = low.value.as_f64().zip(high.value.as_f64());
        Ok(limits.filter(|(low, high)| low < high))
    }

    /// Writes the target and waits until the device has come to rest.
    async fn until_done(&self, done: &PvSignal, target: f64) -> Result<(), DeviceError> {
        // A done flag that nobody serves is told before anything moves.
        done.watched(&self.device).await?;
        let value = json!(target);
        let put = self.setpoint.put(&self.device, &value);
        let at_target = || self.is_at(target).map_ok(Some).boxed();
        let (flag, readback) = (done.reader(), self.readback.reader());
        match follow(flag.as_ref(), Some(readback.as_ref()), put, at_target).await? {
            Ending::Rests => Ok(()),
            Ending::NeverStarted => Err(DeviceError::Missed {
                device: self.device.clone(),
                target: value.clone(),
                reason: "did not start to move".into(),
            }),
            Ending::Lost => {
                let pv = flag.name().to_owned();
                Err(pv_error(&self.device)(PvError::Disconnected { pv }))
            }
        }
    }

    async fn is_at(&self, target: f64) -> Result<bool, DeviceError> {
        Ok(is_at(&self.readback.sample(&self.device, Want::Control).await?, target))
    }

    /// As ophyd, tolerates a minor alarm at the end of a move and nothing worse.
    async fn not_in_alarm(&self, target: f64) -> Result<(), DeviceError> {
        let sample = self.readback.sample(&self.device, Want::Time).await?;
        if sample.alarm.severity <= Severity::Minor {
            return Ok(());
        }
        Err(DeviceError::Missed {
            device: self.device.clone(),
            target: json!(target),
            reason: format!(
                "came to rest at {} in alarm (severity {:?}, status {})",
                to_json(&sample.value, None, false),
                sample.alarm.severity,
                sample.alarm.status
            ),
        })
    }
}
