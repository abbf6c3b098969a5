//! One PV as a device: `EpicsSignal`, and every component of a larger device.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use channels::{Metadata, PutMode, PvChannel, PvClient, PvError, Sample, Want};
use crds::device_class::Kind;
use crds::resolve::Signal;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::{
    DataKeys, Device, DeviceError, Hints, PythonClass, Reading, Readings, unix_time,
};
use super::values::{dtype_and_shape, from_json, limit, to_json, tolerance};

/// Longest wait for a PV to connect and be read.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest move: a stage that needs longer is lost.
const MOVE_TIMEOUT: Duration = Duration::from_secs(6 * 3600);
/// Longest wait for a readback after the IOC has called the write complete.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A PV to read, and perhaps another one to write.
pub(super) struct PvSignal {
    field: String,
    class: PythonClass,
    read_pv: String,
    write_pv: String,
    read_only: bool,
    hinted: bool,
    as_text: bool,
    pvs: Arc<dyn PvClient>,
    read: OnceLock<Arc<dyn PvChannel>>,
    write: OnceLock<Arc<dyn PvChannel>>,
}

impl fmt::Debug for PvSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PvSignal")
            .field("field", &self.field)
            .field("read_pv", &self.read_pv)
            .field("write_pv", &self.write_pv)
            .finish_non_exhaustive()
    }
}

impl PvSignal {
    pub(super) fn new(
        field: &str,
        signal: &Signal,
        class: PythonClass,
        pvs: &Arc<dyn PvClient>,
    ) -> Self {
        Self {
            field: field.to_owned(),
            class,
            read_pv: signal.readback_pv.clone(),
            write_pv: signal.pv.clone(),
            read_only: signal.read_only,
            hinted: signal.kind != Kind::Omitted,
            as_text: signal.string,
            pvs: Arc::clone(pvs),
            read: OnceLock::new(),
            write: OnceLock::new(),
        }
    }

    /// The channel that is read, searched for from the first call on.
    pub(super) fn reader(&self) -> &Arc<dyn PvChannel> {
        self.read.get_or_init(|| self.pvs.channel(&self.read_pv))
    }

    fn writer(&self) -> &Arc<dyn PvChannel> {
        self.write.get_or_init(|| self.pvs.channel(&self.write_pv))
    }

    /// The present sample of the PV that is read.
    pub(super) async fn sample(&self, device: &str, want: Want) -> Result<Sample, DeviceError> {
        self.reader().get(want, READ_TIMEOUT).await.map_err(pv_error(device))
    }

    pub(super) async fn field_reading(
        &self,
        device: &str,
    ) -> Result<(String, Reading), DeviceError> {
        let want = if self.as_text { Want::Control } else { Want::Time };
        let sample = self.sample(device, want).await?;
        let value = to_json(&sample.value, sample.metadata.as_deref(), self.as_text);
        Ok((self.field.clone(), Reading { value, timestamp: unix_time(sample.time) }))
    }

    pub(super) async fn field_key(&self, device: &str) -> Result<(String, Value), DeviceError> {
        let sample = self.sample(device, Want::Control).await?;
        let metadata = sample.metadata.as_deref().cloned().unwrap_or_default();
        let (dtype, shape) = dtype_and_shape(&sample.value, self.as_text);
        let limits = metadata
            .control_limits
            .map(|(low, high)| (limit(&sample.value, low), limit(&sample.value, high)));
        let (low, high) = limits.unzip();
        let mut key = Map::new();
        key.insert("source".into(), json!(format!("PV:{}", self.read_pv)));
        key.insert("dtype".into(), json!(dtype));
        key.insert("shape".into(), json!(shape));
        key.insert("units".into(), json!(metadata.units));
        key.insert("lower_ctrl_limit".into(), json!(low));
        key.insert("upper_ctrl_limit".into(), json!(high));
        if let Some(precision) = metadata.precision {
            key.insert("precision".into(), json!(precision));
        }
        if let Some(labels) = metadata.enum_labels {
            key.insert("enum_strs".into(), json!(labels.as_ref()));
        }
        Ok((self.field.clone(), Value::Object(key)))
    }

    /// Writes, and returns when the IOC says that everything the write caused is done.
    pub(super) async fn put(&self, device: &str, value: &Value) -> Result<(), DeviceError> {
        let wanted = from_json(value).map_err(|reason| DeviceError::BadValue {
            device: device.to_owned(),
            value: value.clone(),
            reason,
        })?;
        // The short wait comes first: a PV that nobody serves is told at once and not after the longest move.
        self.writer().connected(READ_TIMEOUT).await.map_err(pv_error(device))?;
        self.writer().put(wanted, PutMode::Completion, MOVE_TIMEOUT).await.map_err(pv_error(device))
    }

    /// Writes without waiting for what it causes.
    pub(super) async fn put_now(&self, device: &str, value: &Value) -> Result<(), DeviceError> {
        let wanted = from_json(value).map_err(|reason| DeviceError::BadValue {
            device: device.to_owned(),
            value: value.clone(),
            reason,
        })?;
        self.writer().put(wanted, PutMode::NoWait, READ_TIMEOUT).await.map_err(pv_error(device))
    }

    /// The limits that a target has to keep, if the PV has any.
    pub(super) async fn limits(&self, device: &str) -> Result<Option<(f64, f64)>, DeviceError> {
        let sample =
            self.writer().get(Want::Control, READ_TIMEOUT).await.map_err(pv_error(device))?;
        let limits = sample.metadata.and_then(|metadata| metadata.control_limits);
        Ok(limits.filter(|(low, high)| low < high))
    }

    /// Waits until changes of the PV that is read come in by themselves.
    pub(super) async fn watched(&self, device: &str) -> Result<(), DeviceError> {
        let mut latest = self.reader().monitor();
        let there = latest.wait_for(|sample| sample.as_ref().is_some_and(|now| now.connected));
        match timeout(READ_TIMEOUT, there).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                let pv = self.read_pv.clone();
                Err(pv_error(device)(PvError::NotFound { pv, timeout: READ_TIMEOUT }))
            }
        }
    }

    /// Waits until the PV reads `target`.
    async fn arrived(&self, target: f64) -> Result<(), DeviceError> {
        let deadline = Instant::now() + ARRIVAL_TIMEOUT;
        let mut monitor = self.reader().monitor();
        let mut sample = self.sample(&self.field, Want::Control).await?;
        loop {
            if is_at(&sample, target) {
                return Ok(());
            }
            if !matches!(timeout_at(deadline, monitor.changed()).await, Ok(Ok(()))) {
                return Err(DeviceError::Missed {
                    device: self.field.clone(),
                    target: json!(target),
                    reason: format!("reads {}", to_json(&sample.value, None, false)),
                });
            }
            let newest = monitor.borrow_and_update().clone();
            if let Some(newest) = newest {
                let metadata = newest.metadata.clone().or(sample.metadata.take());
                sample = Sample { metadata, ..newest.as_ref().clone() };
            }
        }
    }
}

/// Whether a sample is where it should be, as exactly as the PV shows it.
pub(super) fn is_at(sample: &Sample, target: f64) -> bool {
    let metadata: Option<&Metadata> = sample.metadata.as_deref();
    sample.value.as_f64().is_none_or(|value| (value - target).abs() <= tolerance(metadata, target))
}

/// A PV's error as that of a device.
pub(super) fn pv_error(device: &str) -> impl FnOnce(PvError) -> DeviceError + '_ {
    move |source| DeviceError::Pv { device: device.to_owned(), source }
}

#[async_trait]
impl Device for PvSignal {
    fn name(&self) -> &str {
        &self.field
    }

    fn class(&self) -> PythonClass {
        self.class.clone()
    }

    fn representation(&self) -> String {
        format!("{}(read_pv='{}', name='{}')", self.class.name, self.read_pv, self.field)
    }

    fn hints(&self) -> Hints {
        Hints::Fields(if self.hinted { vec![self.field.clone()] } else { Vec::new() })
    }

    fn is_movable(&self) -> bool {
        !self.read_only
    }

    async fn read(&self) -> Result<Readings, DeviceError> {
        Ok([self.field_reading(&self.field).await?].into_iter().collect())
    }

    async fn describe(&self) -> Result<DataKeys, DeviceError> {
        Ok([self.field_key(&self.field).await?].into_iter().collect())
    }

    async fn read_configuration(&self) -> Result<Readings, DeviceError> {
        self.read().await
    }

    async fn describe_configuration(&self) -> Result<DataKeys, DeviceError> {
        self.describe().await
    }

    async fn trigger(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    async fn set(&self, value: &Value) -> Result<(), DeviceError> {
        if self.read_only {
            return Err(DeviceError::NotMovable { device: self.field.clone() });
        }
        self.put(&self.field, value).await?;
        match value.as_f64() {
            Some(target) => self.arrived(target).await,
            None => Ok(()),
        }
    }

    async fn position(&self) -> Result<Value, DeviceError> {
        Ok(self.field_reading(&self.field).await?.1.value)
    }
}
