//! A JSON value as something to write to a PV. The channel converts it to the PV's own type.

use channels::PvValue;
use serde_json::Value;
use thiserror::Error;

/// The value cannot be written to any PV.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Unwritable {
    /// `null`.
    #[error("float() argument must be a string or a real number, not 'NoneType'")]
    Null,
    /// An object.
    #[error("a JSON object cannot be written to a PV")]
    Object,
    /// An array that is neither all numbers nor all text.
    #[error("an array must hold numbers only or text only")]
    Mixed,
    /// A number beyond double precision.
    #[error("{0} is no number that a PV can hold")]
    TooLarge(String),
}

/// The value that `json` stands for (contract §2.4): a number, a text, or an array of either.
pub(crate) fn from_json(json: &Value) -> Result<PvValue, Unwritable> {
    match json {
        Value::Null => Err(Unwritable::Null),
        Value::Object(_) => Err(Unwritable::Object),
        Value::Bool(flag) => Ok(PvValue::Long(i32::from(*flag))),
        Value::Number(_) => match integer(json) {
            Some(whole) => Ok(PvValue::Long(whole)),
            None => number(json).map(PvValue::Double),
        },
        Value::String(text) => Ok(PvValue::String(text.clone())),
        Value::Array(items) => array(items),
    }
}

fn array(items: &[Value]) -> Result<PvValue, Unwritable> {
    if !items.is_empty() && items.iter().all(Value::is_string) {
        let texts = items.iter().filter_map(Value::as_str).map(str::to_owned);
        return Ok(PvValue::StringArray(texts.collect()));
    }
    if let Some(whole) = items.iter().map(integer).collect::<Option<Vec<_>>>() {
        return Ok(PvValue::LongArray(whole.into()));
    }
    let numbers = items.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    Ok(PvValue::DoubleArray(numbers.into()))
}

/// The value as a number for a limit check; text and arrays have none (contract §2.4 step 4).
pub(crate) fn checkable_number(json: &Value) -> Option<f64> {
    match json {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::Number(number) => number.as_f64(),
        _ => None,
    }
}

fn integer(json: &Value) -> Option<i32> {
    match json {
        Value::Bool(flag) => Some(i32::from(*flag)),
        Value::Number(number) => number.as_i64().and_then(|whole| i32::try_from(whole).ok()),
        _ => None,
    }
}

fn number(json: &Value) -> Result<f64, Unwritable> {
    match json {
        Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        Value::Number(number) => number
            .as_f64()
            .filter(|value| value.is_finite())
            .ok_or_else(|| Unwritable::TooLarge(number.to_string())),
        _ => Err(Unwritable::Mixed),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_texts_and_arrays_of_either_are_written() {
        assert_eq!(from_json(&json!(3)), Ok(PvValue::Long(3)));
        assert_eq!(from_json(&json!(2.5)), Ok(PvValue::Double(2.5)));
        assert_eq!(from_json(&json!(5_000_000_000_i64)), Ok(PvValue::Double(5e9)));
        assert_eq!(from_json(&json!(true)), Ok(PvValue::Long(1)));
        assert_eq!(from_json(&json!("Open")), Ok(PvValue::String("Open".into())));
        assert_eq!(from_json(&json!([1, 2])), Ok(PvValue::LongArray(vec![1, 2].into())));
        assert_eq!(from_json(&json!([1, 2.5])), Ok(PvValue::DoubleArray(vec![1.0, 2.5].into())));
        assert_eq!(
            from_json(&json!(["a", "b"])),
            Ok(PvValue::StringArray(vec!["a".to_owned(), "b".to_owned()].into()))
        );
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(from_json(&json!(null)), Err(Unwritable::Null));
        assert_eq!(from_json(&json!({"a": 1})), Err(Unwritable::Object));
        assert_eq!(from_json(&json!([1, "a"])), Err(Unwritable::Mixed));
        assert_eq!(from_json(&json!([[1]])), Err(Unwritable::Mixed));
    }

    #[test]
    fn only_scalars_are_checked_against_limits() {
        assert_eq!(checkable_number(&json!(true)), Some(1.0));
        assert_eq!(checkable_number(&json!(-1.5)), Some(-1.5));
        assert_eq!(checkable_number(&json!("5")), None);
        assert_eq!(checkable_number(&json!([5])), None);
    }
}
