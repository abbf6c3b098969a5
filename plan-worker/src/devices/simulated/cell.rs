//! A value with its time, and how it is read and described.

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::super::{DeviceError, Reading, unix_now};

/// A named value in memory.
#[derive(Debug)]
pub(super) struct Cell {
    field: String,
    precision: Option<i64>,
    labels: Option<&'static [&'static str]>,
    now: Mutex<Reading>,
}

impl Cell {
    pub(super) fn new(field: impl Into<String>, value: Value) -> Self {
        let now = Reading { value, timestamp: unix_now() };
        Self { field: field.into(), precision: None, labels: None, now: Mutex::new(now) }
    }

    /// With that many decimals.
    pub(super) fn precision(self, precision: i64) -> Self {
        Self { precision: Some(precision), ..self }
    }

    /// An index into `labels`, read as text.
    pub(super) fn labels(self, labels: &'static [&'static str]) -> Self {
        Self { labels: Some(labels), ..self }
    }

    pub(super) fn field(&self) -> &str {
        &self.field
    }

    /// The value as it is stored.
    pub(super) fn raw(&self) -> Value {
        self.now.lock().value.clone()
    }

    /// The value as a number, 0 when it is none.
    pub(super) fn number(&self) -> f64 {
        self.now.lock().value.as_f64().unwrap_or_default()
    }

    /// The value as it is read.
    pub(super) fn reading(&self) -> Reading {
        let mut reading = self.now.lock().clone();
        if let Some(label) = self.label(&reading.value) {
            reading.value = json!(label);
        }
        reading
    }

    fn label(&self, value: &Value) -> Option<&'static str> {
        let index = usize::try_from(value.as_u64()?).ok()?;
        self.labels?.get(index).copied()
    }

    pub(super) fn store(&self, value: Value) {
        *self.now.lock() = Reading { value, timestamp: unix_now() };
    }

    /// Stores what a user gives; a label becomes its index.
    pub(super) fn put(&self, value: &Value) -> Result<(), DeviceError> {
        let value = match (self.labels, value.as_str()) {
            (Some(labels), Some(text)) => match labels.iter().position(|label| *label == text) {
                Some(index) => json!(index),
                None => {
                    return Err(DeviceError::BadValue {
                        device: self.field.clone(),
                        value: value.clone(),
                        reason: format!("it is not one of {}", labels.join(", ")),
                    });
                }
            },
            _ => value.clone(),
        };
        self.store(value);
        Ok(())
    }

    pub(super) fn data_key(&self) -> Value {
        let value = self.raw();
        let (dtype, shape) = dtype_and_shape(&value);
        let mut key = Map::new();
        key.insert("source".into(), json!(format!("SIM:{}", self.field)));
        key.insert("dtype".into(), json!(dtype));
        key.insert("shape".into(), json!(shape));
        if let Some(precision) = self.precision {
            key.insert("precision".into(), json!(precision));
        }
        if let Some(labels) = self.labels {
            key.insert("enum_strs".into(), json!(labels));
        }
        Value::Object(key)
    }
}

/// Type and shape in event-model's words.
fn dtype_and_shape(value: &Value) -> (&'static str, Vec<usize>) {
    match value {
        Value::Array(items) => {
            let mut shape = vec![items.len()];
            if let Some(first) = items.first() {
                shape.extend(dtype_and_shape(first).1);
            }
            ("array", shape)
        }
        Value::String(_) => ("string", Vec::new()),
        Value::Number(number) if number.is_f64() => ("number", Vec::new()),
        _ => ("integer", Vec::new()),
    }
}
