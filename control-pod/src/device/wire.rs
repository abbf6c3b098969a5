//! How a device method reaches its PVs: many at once, each with a bound, failures told in the
//! device's words.

use std::sync::Arc;
use std::time::Duration;

use channels::{PutMode, PvChannel, PvError, PvValue, Sample, Want};
use futures::future::join_all;
use serde_json::Value;

use crate::audit::Attempt;
use crate::device::target::{Part, Target};
use crate::device::{DeviceError, Used};
use crate::gateway::{Gateway, Pvs};
use crate::limits;

/// The PVs of one target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire<'a> {
    pub(crate) target: &'a Target,
    /// Counts stops of the device.
    pub(crate) used: &'a Used,
    /// Takes note of what is written.
    pub(crate) attempt: &'a Attempt,
    pvs: &'a Pvs,
    connect_timeout: Duration,
    limit_timeout: Option<Duration>,
}

impl<'a> Wire<'a> {
    /// The PVs of `target`, for `attempt`.
    pub(crate) fn new(gateway: &'a Gateway, target: &'a Target, attempt: &'a Attempt) -> Self {
        let settings = &gateway.settings;
        Self {
            target,
            used: &gateway.used,
            attempt,
            pvs: &gateway.pvs,
            connect_timeout: settings.device_connect_timeout,
            limit_timeout: settings.check_ctrl_limits.then_some(settings.ctrl_limit_read_timeout),
        }
    }

    /// The same PVs, for another attempt.
    pub(crate) fn with_attempt(self, attempt: &'a Attempt) -> Self {
        Self { attempt, ..self }
    }

    /// The channel of a PV.
    pub(crate) fn channel(&self, pv: &str) -> Arc<dyn PvChannel> {
        self.pvs.channel(pv)
    }

    /// The signal that a device of this kind must have.
    ///
    /// # Errors
    /// [`DeviceError::Failed`] when the class has none with a PV.
    pub(crate) fn required(&self, attr: &str) -> Result<&'a Part, DeviceError> {
        self.target.part(attr).ok_or_else(|| {
            let (class, name) = (&self.target.class, &self.target.name);
            DeviceError::Failed(format!("{class} '{name}' has no {attr} with a PV"))
        })
    }

    /// Reads all `parts` at the same time: as many dead PVs as there may be, they cost one timeout.
    ///
    /// # Errors
    /// [`DeviceError::NotConnected`] with the names of the silent PVs, [`DeviceError::Failed`].
    pub(crate) async fn read<'p>(
        &self,
        parts: &[&'p Part],
        want: Want,
    ) -> Result<Vec<(&'p Part, Sample)>, DeviceError> {
        let reads = parts.iter().map(|part| {
            let want = if part.string { Want::Control } else { want };
            let channel = self.channel(&part.read_pv);
            async move { channel.get(want, self.connect_timeout).await }
        });
        let mut samples = Vec::with_capacity(parts.len());
        let mut silent = Vec::new();
        for (part, result) in parts.iter().zip(join_all(reads).await) {
            match result {
                Ok(sample) => samples.push((*part, sample)),
                Err(error) if is_silence(&error) => silent.push(part.read_pv.as_str()),
                Err(error) => return Err(DeviceError::Failed(error.to_string())),
            }
        }
        if silent.is_empty() { Ok(samples) } else { Err(self.not_connected(&silent)) }
    }

    /// Reads one PV.
    ///
    /// # Errors
    /// As [`Wire::read`].
    pub(crate) async fn get(&self, pv: &str, want: Want) -> Result<Sample, DeviceError> {
        self.channel(pv)
            .get(want, self.connect_timeout)
            .await
            .map_err(|error| self.failure(pv, error, self.connect_timeout))
    }

    /// Waits until the PV answers.
    ///
    /// # Errors
    /// [`DeviceError::NotConnected`].
    pub(crate) async fn connected(&self, pv: &str) -> Result<Arc<dyn PvChannel>, DeviceError> {
        let channel = self.channel(pv);
        match channel.connected(self.connect_timeout).await {
            Ok(_) => Ok(channel),
            Err(_) => Err(self.not_connected(&[pv])),
        }
    }

    /// Writes one PV.
    ///
    /// # Errors
    /// [`DeviceError::NotConnected`], [`DeviceError::Incomplete`], [`DeviceError::Failed`] when the
    /// IOC refuses.
    pub(crate) async fn put(
        &self,
        pv: &str,
        value: PvValue,
        mode: PutMode,
        timeout: Duration,
    ) -> Result<(), DeviceError> {
        let channel = self.connected(pv).await?;
        self.attempt.writes(&*channel, &value);
        channel.put(value, mode, timeout).await.map_err(|error| self.failure(pv, error, timeout))
    }

    /// Checks `value` against the control limits of the PV. Limits that cannot be read are not
    /// checked.
    ///
    /// # Errors
    /// [`DeviceError::Limits`].
    pub(crate) async fn check_limits(&self, pv: &str, value: &Value) -> Result<(), DeviceError> {
        let Some(timeout) = self.limit_timeout else { return Ok(()) };
        match self.channel(pv).get(Want::Control, timeout).await {
            Ok(sample) => Ok(limits::check(pv, value, &sample)?),
            Err(error) => {
                tracing::debug!(pv, %error, "limits are not checked");
                Ok(())
            }
        }
    }

    fn not_connected(&self, pvs: &[&str]) -> DeviceError {
        DeviceError::NotConnected {
            device: self.target.device.clone(),
            class: self.target.class.clone(),
            timeout: self.connect_timeout,
            pvs: pvs.join(", "),
        }
    }

    fn failure(&self, pv: &str, error: PvError, timeout: Duration) -> DeviceError {
        match error {
            PvError::Timeout { .. } => DeviceError::Failed(format!(
                "{}: PV {pv} did not answer within {:?}s",
                self.target.name,
                timeout.as_secs_f64()
            )),
            PvError::NotFound { .. } | PvError::Disconnected { .. } => self.not_connected(&[pv]),
            other => DeviceError::Failed(format!("{}: {other}", self.target.name)),
        }
    }
}

fn is_silence(error: &PvError) -> bool {
    matches!(
        error,
        PvError::NotFound { .. } | PvError::Disconnected { .. } | PvError::Timeout { .. }
    )
}
