//! Limits of parameters: `min` and `max` hold for every number in a value (contract queue-server §2.10).

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::model::taken::Given;
use crate::python;

/// A number that is an integer where it can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// A whole number.
    Int(i128),
    /// Any other.
    Float(f64),
}

impl Limit {
    /// The number in a description.
    ///
    /// # Errors
    /// `Failed to interpret the value …`, as the package says it.
    pub fn read(value: &Value) -> Result<Self, String> {
        let number = match value {
            Value::String(text) => parse(text),
            other => {
                let (text, kind) = (python::str(other), python::type_of(other));
                Err(format!("Value '{text}' is not a string (type: {kind})"))
            }
        };
        number.map_err(|why| {
            let value = python::repr(value);
            format!("Failed to interpret the value {value} as integer or float number: {why}")
        })
    }

    /// The number in JSON: a whole number that is too long for it as a float.
    pub fn to_json(self) -> Value {
        match self {
            Self::Int(int) => {
                i64::try_from(int).map_or_else(|_| json!(self.as_float()), Value::from)
            }
            Self::Float(float) => json!(float),
        }
    }

    fn as_float(self) -> f64 {
        match self {
            // Far beyond what any device is limited to.
            #[allow(clippy::cast_precision_loss, reason = "Python compares the same way")]
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }

    fn shown(self) -> String {
        match self {
            Self::Int(int) => int.to_string(),
            Self::Float(float) => python::repr_float(float),
        }
    }
}

fn parse(text: &str) -> Result<Limit, String> {
    let float: f64 = text
        .trim()
        .parse()
        .map_err(|_| format!("could not convert string to float: {}", python::repr_str(text)))?;
    if float.is_nan() {
        return Err("cannot convert float NaN to integer".to_owned());
    }
    if float.is_infinite() {
        return Err("cannot convert float infinity to integer".to_owned());
    }
    if float.fract() == 0.0 && float.abs() < 1e38 {
        #[allow(clippy::cast_possible_truncation, reason = "whole and within the range")]
        return Ok(Limit::Int(float as i128));
    }
    Ok(Limit::Float(float))
}

/// Whether every number in the value lies within the limits.
///
/// # Errors
/// `Value … is out of range […]`, of the first that does not.
pub fn check(given: &Given<'_>, min: Option<Limit>, max: Option<Limit>) -> Result<(), String> {
    let mut queue: VecDeque<&Value> = match given {
        Given::One(value) => [*value].into(),
        Given::Rest(list) => list.iter().collect(),
        Given::Named(map) => map.values().collect(),
    };
    while let Some(value) = queue.pop_front() {
        let number = match value {
            Value::Bool(flag) => f64::from(u8::from(*flag)),
            Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
            Value::Array(list) => {
                queue.extend(list);
                continue;
            }
            Value::Object(map) => {
                queue.extend(map.values());
                continue;
            }
            Value::Null | Value::String(_) => continue,
        };
        let low = min.is_some_and(|min| number < min.as_float());
        let high = max.is_some_and(|max| number > max.as_float());
        if low || high {
            let min = min.map_or_else(|| "-inf".to_owned(), Limit::shown);
            let max = max.map_or_else(|| "inf".to_owned(), Limit::shown);
            return Err(format!("Value {} is out of range [{min}, {max}]", python::repr(value)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_hold_for_every_number_in_a_value() {
        let (min, max) = (Limit::read(&json!("-10")).ok(), Limit::read(&json!("10.5")).ok());
        let verdict = |value: &Value| check(&Given::One(value), min, max);
        assert_eq!(verdict(&json!([1, {"a": 10.5}, "100", null])), Ok(()));
        assert_eq!(
            verdict(&json!([1, {"a": 11}, -20])).unwrap_err(),
            "Value -20 is out of range [-10, 10.5]"
        );
        assert_eq!(
            check(&Given::One(&json!(true)), None, Some(Limit::Int(0))).unwrap_err(),
            "Value True is out of range [-inf, 0]"
        );
    }

    #[test]
    fn a_limit_that_is_no_number_is_said() {
        assert_eq!(
            Limit::read(&json!("ten")).unwrap_err(),
            "Failed to interpret the value 'ten' as integer or float number: \
             could not convert string to float: 'ten'"
        );
        assert!(Limit::read(&json!("inf")).is_err() && Limit::read(&json!(5)).is_err());
    }
}
