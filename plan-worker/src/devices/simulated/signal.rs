//! One value as a device of its own: a signal of the profile, or a component of another device.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::{DataKeys, Device, DeviceError, Hints, PythonClass, Reading, Readings};
use super::axis::AxisState;
use super::cell::Cell;
use super::peak::Peak;

/// What a signal does when it is triggered or set.
#[derive(Debug)]
pub(super) enum Behaviour {
    /// Keeps what it is given.
    Keep,
    /// Takes a random number between 0 and 1 at each trigger.
    Random,
    /// Cannot be set.
    ReadOnly,
    /// Is what a detector sees.
    Measured(Weak<Peak>),
    /// Moves an axis.
    Setpoint(Weak<AxisState>),
    /// Reads the same for ever, time included.
    Invariant,
}

/// One simulated value.
#[derive(Debug)]
pub(super) struct SoftSignal {
    cell: Arc<Cell>,
    class: (&'static str, &'static str),
    hinted: bool,
    behaviour: Behaviour,
}

impl SoftSignal {
    pub(super) fn new(
        cell: Arc<Cell>,
        class: (&'static str, &'static str),
        behaviour: Behaviour,
    ) -> Self {
        Self { cell, class, hinted: false, behaviour }
    }

    /// With its field among the hints.
    pub(super) fn hinted(self) -> Self {
        Self { hinted: true, ..self }
    }

    pub(super) fn field(&self) -> &str {
        self.cell.field()
    }

    pub(super) fn field_reading(&self) -> (String, Reading) {
        let mut reading = self.cell.reading();
        if matches!(self.behaviour, Behaviour::Invariant) {
            reading.timestamp = 0.0;
        }
        (self.field().to_owned(), reading)
    }

    pub(super) fn field_key(&self) -> (String, Value) {
        (self.field().to_owned(), self.cell.data_key())
    }

    pub(super) fn measure(&self) {
        match &self.behaviour {
            Behaviour::Random => self.cell.store(json!(rand::random::<f64>())),
            Behaviour::Keep | Behaviour::Invariant => self.cell.store(self.cell.raw()),
            Behaviour::Measured(peak) => {
                if let Some(peak) = peak.upgrade() {
                    peak.measure();
                }
            }
            Behaviour::ReadOnly | Behaviour::Setpoint(_) => {}
        }
    }
}

#[async_trait]
impl Device for SoftSignal {
    fn name(&self) -> &str {
        self.field()
    }

    fn class(&self) -> PythonClass {
        let (name, module) = self.class;
        PythonClass { name: name.into(), module: module.into() }
    }

    fn representation(&self) -> String {
        if matches!(self.behaviour, Behaviour::Invariant) {
            return "<INVARIANT REPR>".into();
        }
        let Reading { value, timestamp } = self.cell.reading();
        let value = match value {
            Value::Bool(true) => "True".into(),
            Value::Bool(false) => "False".into(),
            Value::Null => "None".into(),
            Value::String(text) => format!("'{text}'"),
            other => other.to_string(),
        };
        format!("{}(name='{}', value={value}, timestamp={timestamp})", self.class.0, self.field())
    }

    fn hints(&self) -> Hints {
        Hints::Fields(if self.hinted { vec![self.field().to_owned()] } else { Vec::new() })
    }

    fn is_movable(&self) -> bool {
        true
    }

    async fn read(&self) -> Result<Readings, DeviceError> {
        Ok([self.field_reading()].into_iter().collect())
    }

    async fn describe(&self) -> Result<DataKeys, DeviceError> {
        Ok([self.field_key()].into_iter().collect())
    }

    async fn read_configuration(&self) -> Result<Readings, DeviceError> {
        self.read().await
    }

    async fn describe_configuration(&self) -> Result<DataKeys, DeviceError> {
        self.describe().await
    }

    async fn trigger(&self) -> Result<(), DeviceError> {
        if matches!(self.class.0, "SynSignal" | "SynPeriodicSignal" | "InvariantSignal") {
            self.measure();
        }
        Ok(())
    }

    async fn set(&self, value: &Value) -> Result<(), DeviceError> {
        match &self.behaviour {
            Behaviour::Keep | Behaviour::Random | Behaviour::Measured(_) | Behaviour::Invariant => {
                self.cell.put(value)
            }
            Behaviour::Setpoint(axis) => match (axis.upgrade(), value.as_f64()) {
                (Some(axis), Some(target)) => axis.go(&json!(target)),
                _ => Err(DeviceError::BadValue {
                    device: self.field().to_owned(),
                    value: value.clone(),
                    reason: "it is not a number".into(),
                }),
            },
            Behaviour::ReadOnly => Err(DeviceError::NotMovable { device: self.field().to_owned() }),
        }
    }

    async fn position(&self) -> Result<Value, DeviceError> {
        Ok(self.cell.reading().value)
    }
}
