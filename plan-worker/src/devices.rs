//! What a plan can move and measure: the interface that the engine uses, and the devices behind it.

pub mod descriptions;
pub mod epics;
pub mod simulated;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use channels::PvError;
use indexmap::IndexMap;
use serde_json::{Map, Value};
use thiserror::Error;

/// A device, shared between a plan and the engine.
pub type DeviceRef = Arc<dyn Device>;

/// Field name to what was read.
pub type Readings = IndexMap<String, Reading>;

/// Field name to its data key in event-model's words: `source`, `dtype`, `shape` and more.
pub type DataKeys = Map<String, Value>;

/// One value with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The value as JSON.
    pub value: Value,
    /// Seconds since 1970.
    pub timestamp: f64,
}

/// Which fields a device wants to see in plots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hints {
    /// The device has no such attribute.
    Absent,
    /// It has the attribute, with nothing in it.
    Empty,
    /// The named fields.
    Fields(Vec<String>),
}

impl Hints {
    /// The named fields; none when there are no hints.
    pub fn fields(&self) -> &[String] {
        match self {
            Self::Fields(fields) => fields,
            Self::Absent | Self::Empty => &[],
        }
    }
}

/// Python class that a device stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonClass {
    /// Short class name.
    pub name: String,
    /// Module of the class.
    pub module: String,
}

/// Something that a plan can read, and perhaps trigger and move.
///
/// Every method is cancellation safe in this sense: a dropped `set` leaves the hardware to itself, and [`Device::stop`] brings it
/// to rest.
#[async_trait]
pub trait Device: Send + Sync + Debug {
    /// Ophyd name; the first part of its field names.
    fn name(&self) -> &str;

    /// Class that clients see.
    fn class(&self) -> PythonClass;

    /// How the device is written into `plan_args`: ophyd's `repr`.
    fn representation(&self) -> String;

    /// Fields to plot.
    fn hints(&self) -> Hints;

    /// Whether [`Device::set`] can work.
    fn is_movable(&self) -> bool;

    /// Whether [`Device::read`] can work.
    fn is_readable(&self) -> bool {
        true
    }

    /// The device as one that measures on its way.
    fn flyer(&self) -> Option<&dyn Flyer> {
        None
    }

    /// Parts that a plan can use by their dotted name.
    fn components(&self) -> Vec<(String, DeviceRef)> {
        Vec::new()
    }

    /// Reads all fields that belong into events.
    ///
    /// # Errors
    /// [`DeviceError::Pv`] when a PV does not answer.
    async fn read(&self) -> Result<Readings, DeviceError>;

    /// Describes the fields of [`Device::read`].
    ///
    /// # Errors
    /// As [`Device::read`].
    async fn describe(&self) -> Result<DataKeys, DeviceError>;

    /// Reads the configuration.
    ///
    /// # Errors
    /// As [`Device::read`].
    async fn read_configuration(&self) -> Result<Readings, DeviceError>;

    /// Describes the fields of [`Device::read_configuration`].
    ///
    /// # Errors
    /// As [`Device::read`].
    async fn describe_configuration(&self) -> Result<DataKeys, DeviceError>;

    /// Takes one measurement; returns when it is there.
    ///
    /// # Errors
    /// [`DeviceError::Pv`].
    async fn trigger(&self) -> Result<(), DeviceError>;

    /// Moves to `value`; returns when the device has arrived.
    ///
    /// # Errors
    /// [`DeviceError::Limits`] before anything moves, [`DeviceError::NotMovable`], [`DeviceError::BadValue`], and
    /// [`DeviceError::Missed`] when it came to rest elsewhere.
    async fn set(&self, value: &Value) -> Result<(), DeviceError>;

    /// Where the device is; the start of a relative move.
    ///
    /// # Errors
    /// As [`Device::read`].
    async fn position(&self) -> Result<Value, DeviceError>;

    /// Brings the device to rest. Nothing to do for a device that does not move by itself.
    ///
    /// # Errors
    /// [`DeviceError::Pv`].
    async fn stop(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

/// What measures by itself on its way, and is asked for its readings afterwards.
#[async_trait]
pub trait Flyer: Send + Sync {
    /// Starts; returns when it is on its way.
    ///
    /// # Errors
    /// [`DeviceError::Pv`].
    async fn kickoff(&self) -> Result<(), DeviceError>;

    /// Returns when it has arrived.
    ///
    /// # Errors
    /// [`DeviceError::NotStarted`], and as [`Device::set`].
    async fn complete(&self) -> Result<(), DeviceError>;

    /// Stream of its readings, and their fields.
    ///
    /// # Errors
    /// [`DeviceError::Pv`].
    async fn describe_collect(&self) -> Result<(String, DataKeys), DeviceError>;

    /// What it has measured since it was started, each with its time in seconds since 1970. Nobody gets it a second time.
    ///
    /// # Errors
    /// [`DeviceError::Pv`].
    async fn collect(&self) -> Result<Vec<(f64, Readings)>, DeviceError>;
}

/// What a device can fail with; every text names the device or the PV.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DeviceError {
    /// A PV failed.
    #[error("{device}: {source}")]
    Pv {
        /// Name of the device.
        device: String,
        /// What the PV says.
        source: PvError,
    },
    /// The target lies outside the limits; nothing was moved.
    #[error("{device}: {value} is outside of the limits [{low}, {high}]")]
    Limits {
        /// Name of the device.
        device: String,
        /// Where it should have gone.
        value: f64,
        /// Lower limit.
        low: f64,
        /// Upper limit.
        high: f64,
    },
    /// The device cannot be set.
    #[error("{device} cannot be moved")]
    NotMovable {
        /// Name of the device.
        device: String,
    },
    /// The device has nothing to read.
    #[error("{device} cannot be read")]
    NotReadable {
        /// Name of the device.
        device: String,
    },
    /// The device does not measure on its way.
    #[error("{device} cannot fly")]
    NotFlyable {
        /// Name of the device.
        device: String,
    },
    /// The end of a flight was asked for before its beginning.
    #[error("{device} was not started")]
    NotStarted {
        /// Name of the device.
        device: String,
    },
    /// The device cannot take this value.
    #[error("{device} cannot be set to {value}: {reason}")]
    BadValue {
        /// Name of the device.
        device: String,
        /// The value.
        value: Value,
        /// Why.
        reason: String,
    },
    /// The device came to rest, but not where it should.
    #[error("{device} was sent to {target} and {reason}")]
    Missed {
        /// Name of the device.
        device: String,
        /// Where it should have gone.
        target: Value,
        /// What happened instead.
        reason: String,
    },
}

/// Seconds since 1970, as documents carry time.
pub fn unix_time(time: SystemTime) -> f64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

/// Now, in seconds since 1970.
pub fn unix_now() -> f64 {
    unix_time(SystemTime::now())
}
