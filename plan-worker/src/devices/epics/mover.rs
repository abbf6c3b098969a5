//! How a motor record, and whatever is operated like one, moves.

use std::sync::Arc;
use std::time::Duration;

use channels::{PvError, Sample, Severity, Want};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::super::DeviceError;
use super::signal::{MOVE_TIMEOUT, PvSignal, is_at, pv_error};
use super::values::to_json;

/// Longest wait for a motor to start once the IOC has taken the target.
const START_TIMEOUT: Duration = Duration::from_secs(10);

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
    ///
    /// An IOC may call the write complete before the motor starts, or never; the done flag that falls and rises is what counts.
    /// Where it does not fall, because there was nowhere to go, the readback tells.
    async fn until_done(&self, done: &PvSignal, target: f64) -> Result<(), DeviceError> {
        let mut flags = done.reader().updates();
        // The monitor has to be up before the move, or a quick move is missed.
        done.watched(&self.device).await?;
        let target_value = json!(target);
        let put = self.setpoint.put(&self.device, &target_value);
        tokio::pin!(put);
        let mut taken = false;
        let mut started = false;
        let mut start_deadline = Instant::now() + MOVE_TIMEOUT;
        loop {
            tokio::select! {
                result = &mut put, if !taken => {
                    result?;
                    taken = true;
                    start_deadline = Instant::now() + START_TIMEOUT;
                    if self.rests(done).await? && (started || self.is_at(target).await?) {
                        return Ok(());
                    }
                }
                flag = flags.recv() => match flag {
                    Ok(flag) => {
                        self.still_there(done, &flag)?;
                        match flag.value.as_f64() {
                            Some(0.0) => started = true,
                            Some(_) if started => return Ok(()),
                            _ => {}
                        }
                    }
                    Err(RecvError::Lagged(_)) => {
                        if taken && self.rests(done).await? {
                            return Ok(());
                        }
                        started = true;
                    }
                    Err(RecvError::Closed) => return Err(self.gone(done)),
                },
                () = sleep_until(start_deadline), if taken && !started => {
                    if self.rests(done).await? && self.is_at(target).await? {
                        return Ok(());
                    }
                    return Err(DeviceError::Missed {
                        device: self.device.clone(),
                        target: target_value.clone(),
                        reason: "did not start to move".into(),
                    });
                }
            }
        }
    }

    async fn rests(&self, done: &PvSignal) -> Result<bool, DeviceError> {
        let sample = done.sample(&self.device, Want::Time).await?;
        Ok(sample.value.as_f64().is_some_and(|flag| flag != 0.0))
    }

    async fn is_at(&self, target: f64) -> Result<bool, DeviceError> {
        Ok(is_at(&self.readback.sample(&self.device, Want::Control).await?, target))
    }

    fn still_there(&self, done: &PvSignal, flag: &Sample) -> Result<(), DeviceError> {
        if flag.connected { Ok(()) } else { Err(self.gone(done)) }
    }

    fn gone(&self, done: &PvSignal) -> DeviceError {
        let pv = done.reader().name().to_owned();
        pv_error(&self.device)(PvError::Disconnected { pv })
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
