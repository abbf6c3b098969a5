//! `SynAxis`: a motor that arrives at once.

use std::sync::Arc;

use async_trait::async_trait;
use crds::device_class::Kind;
use serde_json::{Value, json};

use super::super::{DataKeys, Device, DeviceError, DeviceRef, Hints, PythonClass, Readings};
use super::cell::Cell;
use super::signal::{Behaviour, SoftSignal};
use super::{CONFIG, Part, Parts, READ, SIM};

/// Decimals of a simulated axis.
const PRECISION: i64 = 3;

/// Which of the profile's axis classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AxisClass {
    /// `SynAxis`.
    Plain,
    /// `SynAxis` whose readback is off by a random number between 0 and 1.
    Jittery,
    /// `SynAxisNoHints`.
    NoHints,
    /// `SynAxisEmptyHints`.
    EmptyHints,
    /// `SynAxisNoPosition`.
    NoPosition,
}

/// Where an axis is and where it was sent.
#[derive(Debug)]
pub(super) struct AxisState {
    readback: Arc<Cell>,
    setpoint: Arc<Cell>,
    jittery: bool,
}

impl AxisState {
    /// Goes to `target`. The way there is added to the old setpoint, as ophyd does it, which decides the last bit.
    pub(super) fn go(&self, target: &Value) -> Result<(), DeviceError> {
        let Some(number) = target.as_f64() else {
            return Err(DeviceError::BadValue {
                device: self.readback.field().to_owned(),
                value: target.clone(),
                reason: "it is not a number".into(),
            });
        };
        let old = self.setpoint.number();
        self.setpoint.store(target.clone());
        let arrived = old + (number - old);
        let off = if self.jittery { rand::random::<f64>() } else { 0.0 };
        self.readback.store(json!(arrived + off));
        Ok(())
    }
}

/// A simulated motor.
#[derive(Debug)]
pub(super) struct Axis {
    parts: Parts,
    state: Arc<AxisState>,
    class: AxisClass,
}

impl Axis {
    pub(super) fn new(name: &str, class: AxisClass) -> Self {
        let jittery = class == AxisClass::Jittery;
        let start = if jittery { json!(rand::random::<f64>()) } else { json!(0) };
        let readback = Arc::new(Cell::new(name, start).precision(PRECISION));
        let setpoint =
            Arc::new(Cell::new(format!("{name}_setpoint"), json!(0)).precision(PRECISION));
        let state = Arc::new(AxisState {
            readback: Arc::clone(&readback),
            setpoint: Arc::clone(&setpoint),
            jittery,
        });
        let constant = |attribute: &'static str, kind| Part {
            attribute,
            kind,
            signal: Arc::new(SoftSignal::new(
                Arc::new(Cell::new(format!("{name}_{attribute}"), json!(1))),
                ("Signal", "ophyd.signal"),
                Behaviour::Keep,
            )),
        };
        let readback_kind = if class == AxisClass::NoHints { Kind::Omitted } else { Kind::Hinted };
        let to_setpoint = Behaviour::Setpoint(Arc::downgrade(&state));
        let parts = vec![
            Part {
                attribute: "readback",
                kind: readback_kind,
                signal: Arc::new(SoftSignal::new(
                    readback,
                    ("_ReadbackSignal", SIM),
                    Behaviour::ReadOnly,
                )),
            },
            Part {
                attribute: "setpoint",
                kind: Kind::Normal,
                signal: Arc::new(SoftSignal::new(setpoint, ("_SetpointSignal", SIM), to_setpoint)),
            },
            constant("velocity", Kind::Config),
            constant("acceleration", Kind::Config),
            constant("unused", Kind::Omitted),
        ];
        let class_name = match class {
            AxisClass::Plain | AxisClass::Jittery => "SynAxis",
            AxisClass::NoHints => "SynAxisNoHints",
            AxisClass::EmptyHints => "SynAxisEmptyHints",
            AxisClass::NoPosition => "SynAxisNoPosition",
        };
        Self { parts: Parts { name: name.to_owned(), class: class_name, parts }, state, class }
    }

    /// Where the axis is, for detectors that look at it.
    pub(super) fn readback(&self) -> Arc<Cell> {
        Arc::clone(&self.state.readback)
    }
}

#[async_trait]
impl Device for Axis {
    fn name(&self) -> &str {
        &self.parts.name
    }

    fn class(&self) -> PythonClass {
        self.parts.class()
    }

    fn representation(&self) -> String {
        self.parts.representation()
    }

    fn hints(&self) -> Hints {
        match self.class {
            AxisClass::NoHints => Hints::Absent,
            AxisClass::EmptyHints => Hints::Empty,
            AxisClass::Plain | AxisClass::Jittery | AxisClass::NoPosition => self.parts.hints(),
        }
    }

    fn is_movable(&self) -> bool {
        true
    }

    fn components(&self) -> Vec<(String, DeviceRef)> {
        self.parts.components()
    }

    async fn read(&self) -> Result<Readings, DeviceError> {
        Ok(self.parts.readings(READ))
    }

    async fn describe(&self) -> Result<DataKeys, DeviceError> {
        Ok(self.parts.data_keys(READ))
    }

    async fn read_configuration(&self) -> Result<Readings, DeviceError> {
        Ok(self.parts.readings(CONFIG))
    }

    async fn describe_configuration(&self) -> Result<DataKeys, DeviceError> {
        Ok(self.parts.data_keys(CONFIG))
    }

    async fn trigger(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    async fn set(&self, value: &Value) -> Result<(), DeviceError> {
        self.state.go(value)
    }

    async fn position(&self) -> Result<Value, DeviceError> {
        Ok(self.state.readback.raw())
    }
}
