//! From the JSON of a call to what a plan works with: devices, numbers, metadata.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::PlanError;
use super::signature::{Bound, Signature};
use crate::devices::DeviceRef;
use crate::environment::Devices;
use crate::protocol::PlanCall;

/// The arguments of one call, with the devices that their names mean.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    named: Map<String, Value>,
    rest: Vec<Value>,
    devices: &'a Devices,
}

impl<'a> Arguments<'a> {
    /// Binds `call` to `signature`.
    ///
    /// # Errors
    /// [`PlanError::Bind`]; [`PlanError::Hook`] for a Python hook, which the native engine cannot run.
    pub(super) fn new(
        signature: &Signature,
        call: &PlanCall,
        devices: &'a Devices,
    ) -> Result<Self, PlanError> {
        let Bound { named, rest } = signature.bind(&call.args, &call.kwargs)?;
        for hook in ["per_shot", "per_step"] {
            if named.get(hook).is_some_and(|given| !given.is_null()) {
                return Err(PlanError::Hook(hook));
            }
        }
        Ok(Self { named, rest, devices })
    }

    /// The value of a parameter, unless it is absent or `None`.
    pub(super) fn given(&self, name: &str) -> Option<&Value> {
        self.named.get(name).filter(|value| !value.is_null())
    }

    /// The value of a parameter as given, `None` included, or the default.
    pub(super) fn named_or(&self, name: &str, default: Value) -> Value {
        self.named.get(name).cloned().unwrap_or(default)
    }

    /// The value of a parameter that has to be given; `None` if it is absent.
    pub(super) fn value(&self, name: &str) -> &Value {
        self.named.get(name).unwrap_or(&Value::Null)
    }

    /// The number that a parameter has to be.
    ///
    /// # Errors
    /// [`PlanError::Argument`].
    pub(super) fn number(&self, name: &'static str) -> Result<f64, PlanError> {
        number(name, self.value(name))
    }

    /// A boolean, `default` unless given.
    ///
    /// # Errors
    /// [`PlanError::Argument`].
    pub(super) fn flag(&self, name: &'static str, default: bool) -> Result<bool, PlanError> {
        match self.named.get(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(PlanError::argument(name, format!("is no boolean: {other}"))),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// [`PlanError::Argument`].
    pub(super) fn text(&self, name: &'static str) -> Result<String, PlanError> {
        let value = self.value(name);
        value
            .as_str()
            .map(ToOwned::to_owned)
            .ok_or_else(|| PlanError::argument(name, format!("is no text: {value}")))
    }

    /// The further positions.
    pub(super) fn rest(&self) -> &[Value] {
        &self.rest
    }

    /// The metadata parameter `md`.
    ///
    /// # Errors
    /// [`PlanError::Argument`] when it is no dictionary.
    pub(super) fn metadata(&self) -> Result<Map<String, Value>, PlanError> {
        match self.given("md") {
            None => Ok(Map::new()),
            Some(Value::Object(metadata)) => Ok(metadata.clone()),
            Some(_) => Err(PlanError::argument("md", "has to be a dictionary")),
        }
    }

    /// The devices that a list names.
    ///
    /// # Errors
    /// [`PlanError::Argument`] when it is no list, [`PlanError::NoSuchDevice`].
    pub(super) fn detectors(&self) -> Result<Vec<DeviceRef>, PlanError> {
        match self.given("detectors") {
            Some(Value::Array(names)) => names.iter().map(|name| self.device(name)).collect(),
            _ => Err(PlanError::argument("detectors", "has to be a list of devices")),
        }
    }

    /// The device that `name` means.
    ///
    /// # Errors
    /// [`PlanError::NoSuchDevice`].
    pub(super) fn device(&self, name: &Value) -> Result<DeviceRef, PlanError> {
        name.as_str()
            .and_then(|name| self.devices.get(name))
            .ok_or_else(|| PlanError::NoSuchDevice(name.clone()))
    }

    /// The motor that a parameter names.
    ///
    /// # Errors
    /// As [`Arguments::motor`].
    pub(super) fn motor_of(&self, parameter: &'static str) -> Result<DeviceRef, PlanError> {
        self.motor(self.value(parameter))
    }

    /// The device that `name` means, which has to be movable.
    ///
    /// # Errors
    /// [`PlanError::NoSuchDevice`], [`PlanError::NotMovable`].
    pub(super) fn motor(&self, name: &Value) -> Result<DeviceRef, PlanError> {
        let device = self.device(name)?;
        if device.is_movable() {
            Ok(device)
        } else {
            Err(PlanError::NotMovable(device.name().to_owned()))
        }
    }
}

/// A number that counts something.
///
/// # Errors
/// [`PlanError::Argument`] when it is not a whole number of 0 or more, or more than a plan can have.
pub(super) fn count_of(name: &'static str, value: &Value) -> Result<usize, PlanError> {
    value
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count <= MOST_POINTS)
        .ok_or_else(|| PlanError::argument(name, format!("has to be a whole number, not {value}")))
}

/// Points that one scan can have at most; a number beyond it is a typing mistake.
pub(super) const MOST_POINTS: usize = 100_000_000;

/// A number.
///
/// # Errors
/// [`PlanError::Argument`].
pub(super) fn number(name: &'static str, value: &Value) -> Result<f64, PlanError> {
    value
        .as_f64()
        .ok_or_else(|| PlanError::argument(name, format!("needs a number instead of {value}")))
}

/// Fails when a motor is listed more than once.
///
/// # Errors
/// [`PlanError::Argument`].
pub(super) fn each_once(motors: &[DeviceRef]) -> Result<(), PlanError> {
    for (position, motor) in motors.iter().enumerate() {
        if motors[..position].iter().any(|other| Arc::ptr_eq(other, motor)) {
            return Err(PlanError::argument(
                "args",
                format!("list the motor {} more than once", motor.name()),
            ));
        }
    }
    Ok(())
}
