//! PV values as JSON, and back.

use channels::{Metadata, PvValue};
use serde_json::{Value, json};

/// The value as documents carry it. With `as_text`, an enum becomes its label and characters become text.
pub(super) fn to_json(value: &PvValue, metadata: Option<&Metadata>, as_text: bool) -> Value {
    match value {
        PvValue::String(text) => json!(text),
        PvValue::Short(number) => json!(number),
        PvValue::Float(number) => json!(f64::from(*number)),
        PvValue::Enum(index) => match label(metadata, *index).filter(|_| as_text) {
            Some(label) => json!(label),
            None => json!(index),
        },
        PvValue::Char(number) => json!(number),
        PvValue::Long(number) => json!(number),
        PvValue::Double(number) => json!(number),
        PvValue::StringArray(items) => json!(items.as_ref()),
        PvValue::ShortArray(items) => json!(items.as_ref()),
        PvValue::FloatArray(items) => items.iter().map(|item| f64::from(*item)).collect(),
        PvValue::EnumArray(items) => json!(items.as_ref()),
        PvValue::CharArray(items) if as_text => {
            let text = items.split(|byte| *byte == 0).next().unwrap_or_default();
            json!(String::from_utf8_lossy(text))
        }
        PvValue::CharArray(items) => json!(items.as_ref()),
        PvValue::LongArray(items) => json!(items.as_ref()),
        PvValue::DoubleArray(items) => json!(items.as_ref()),
    }
}

fn label(metadata: Option<&Metadata>, index: u16) -> Option<&str> {
    metadata?.enum_labels.as_ref()?.get(usize::from(index)).map(String::as_str)
}

/// Type and shape in event-model's words.
pub(super) fn dtype_and_shape(value: &PvValue, as_text: bool) -> (&'static str, Vec<usize>) {
    match value {
        PvValue::String(_) => ("string", Vec::new()),
        PvValue::Enum(_) | PvValue::CharArray(_) if as_text => ("string", Vec::new()),
        PvValue::Short(_) | PvValue::Enum(_) | PvValue::Char(_) | PvValue::Long(_) => {
            ("integer", Vec::new())
        }
        PvValue::Float(_) | PvValue::Double(_) => ("number", Vec::new()),
        _ => ("array", vec![value.count()]),
    }
}

/// A limit of `value`, as a whole number where the PV holds such.
pub(super) fn limit(value: &PvValue, limit: f64) -> Value {
    match value {
        PvValue::Float(_)
        | PvValue::Double(_)
        | PvValue::FloatArray(_)
        | PvValue::DoubleArray(_) => json!(limit),
        _ => json!(limit as i64),
    }
}

/// What a user gives as a value to write, or why it is none.
pub(super) fn from_json(value: &Value) -> Result<PvValue, String> {
    match value {
        Value::Bool(on) => Ok(PvValue::Long(i32::from(*on))),
        Value::Number(number) => {
            let whole = number.as_i64().and_then(|whole| i32::try_from(whole).ok());
            match (whole, number.as_f64()) {
                (Some(whole), _) => Ok(PvValue::Long(whole)),
                (None, Some(number)) => Ok(PvValue::Double(number)),
                (None, None) => Err("it is not a number that a PV can hold".into()),
            }
        }
        Value::String(text) => Ok(PvValue::String(text.clone())),
        Value::Array(items) => {
            let numbers: Option<Vec<f64>> = items.iter().map(Value::as_f64).collect();
            let texts = || items.iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect();
            if let Some(numbers) = numbers {
                return Ok(PvValue::DoubleArray(numbers.into()));
            }
            let texts: Option<Vec<String>> = texts();
            texts
                .map(|texts| PvValue::StringArray(texts.into()))
                .ok_or_else(|| "it mixes types".into())
        }
        Value::Null | Value::Object(_) => Err("a PV cannot hold it".into()),
    }
}

/// How far a value may be off and still count as arrived: the last decimal that the PV shows.
pub(super) fn tolerance(metadata: Option<&Metadata>, target: f64) -> f64 {
    /// A single precision PV keeps about seven digits.
    const SINGLE: f64 = 1e-6;
    let shown = metadata
        .and_then(|metadata| metadata.precision)
        .filter(|precision| *precision > 0)
        .map_or(0.0, |precision| 10_f64.powi(-i32::from(precision)));
    shown.max(SINGLE * target.abs())
}
