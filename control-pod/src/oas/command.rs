//! What clients of this API send over a socket, and what it says of it (contract §3, §4.1, §4.3).
//! Pure.

use std::time::Duration;

use axum::extract::ws::Message;
use channels::PvValue;
use serde_json::{Number, Value};

use crate::oas::frames;
use crate::socket::command::Received;
use crate::socket::session::Malformed;

/// Most seconds of a timeout.
const LONGEST_TIMEOUT_S: f64 = 86_400.0;

/// The names of a subscription: a text or a list under `many`, or else under `one`.
///
/// # Errors
/// What is no name.
pub(crate) fn names(received: &Received, one: &str, many: &[&str]) -> Vec<Result<String, Value>> {
    let given = |key: &str| received.get(key).filter(|value| !value.is_null());
    let listed = many.iter().find_map(|key| given(key));
    let Some(names) = listed.or_else(|| given(one)) else { return Vec::new() };
    let name = |value: &Value| match value {
        Value::String(name) if !name.is_empty() => Ok(name.clone()),
        other => Err(other.clone()),
    };
    match names {
        Value::Array(names) => names.iter().map(name).collect(),
        Value::String(empty) if empty.is_empty() => Vec::new(),
        scalar => vec![name(scalar)],
    }
}

/// The answer to what is no command.
pub(crate) fn malformed(malformed: Malformed) -> Message {
    frames::error(match malformed {
        Malformed::NoJson(_) => "Invalid JSON format".to_owned(),
        Malformed::NoObject(value) => {
            format!("Unexpected error: '{}' object has no attribute 'get'", type_name(&value))
        }
    })
}

/// The answer to an unknown action.
pub(crate) fn unknown_action(action: &str, example: &str) -> Message {
    frames::error(format!(
        "Received action: {action}, actions must be 'subscribe', 'unsubscribe', 'refresh', 'subscribeSafely', \
         'subscribeReadOnly', or 'set'. Example msg: {{action: 'subscribe', {example}}}"
    ))
}

/// The type of the value as Python calls it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// The value as Python prints it.
pub(crate) fn printed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => quoted(other),
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(quoted).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("'{key}': {}", quoted(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// The value to write into a PV that shows `like`, where that is known. A text that is a number
/// becomes one unless the PV holds text; what is text and meant for a number is refused. A label
/// stays: the channel knows whether the enum has it.
///
/// # Errors
/// The value can be written into no such PV.
pub(crate) fn value_for(value: &Value, like: Option<&PvValue>) -> Result<Value, Unfit> {
    match (value, like) {
        (Value::Null | Value::Object(_), _) => Err(Unfit::NoValue),
        (Value::String(_), Some(PvValue::String(_) | PvValue::StringArray(_))) => Ok(value.clone()),
        (Value::String(_), Some(PvValue::CharArray(_))) => Ok(value.clone()),
        (Value::String(text), Some(PvValue::Enum(_) | PvValue::EnumArray(_)) | None) => {
            Ok(number(text).map_or_else(|| value.clone(), Value::Number))
        }
        (Value::String(text), Some(_)) => number(text).map(Value::Number).ok_or(Unfit::NoNumber),
        _ => Ok(value.clone()),
    }
}

/// What is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Nothing that any PV takes.
    NoValue,
    /// A text for a number.
    NoNumber,
}

impl Unfit {
    /// The refusal to set `name` to `value`.
    pub(crate) fn told(self, name: &str, value: &Value) -> String {
        let shown = printed(value);
        match self {
            Self::NoValue => {
                format!("Value must be a number. Could not set value of {name} to {shown}")
            }
            Self::NoNumber => {
                let why = format!("could not convert string to float: {}", quoted(value));
                format!("Could not set value of {name} to {shown}: {why}")
            }
        }
    }
}

/// It is no number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoTimeout;

/// The number that a text is. An integer stays one.
fn number(text: &str) -> Option<Number> {
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    text.parse().ok().and_then(Number::from_f64)
}

/// How long a `set` may take, where the client says so; `null` says nothing.
///
/// # Errors
/// It is no number of seconds.
pub(crate) fn timeout(received: &Received) -> Result<Option<Duration>, NoTimeout> {
    let seconds = match received.get("timeout") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Bool(flag)) => f64::from(u8::from(*flag)),
        Some(Value::Number(number)) => number.as_f64().ok_or(NoTimeout)?,
        Some(_) => return Err(NoTimeout),
    };
    if seconds < 0.0 {
        return Err(NoTimeout);
    }
    Ok(Some(Duration::from_secs_f64(seconds.min(LONGEST_TIMEOUT_S))))
}

/// The refusal of a value outside of the limits. Equal limits are none.
pub(crate) fn outside(
    what: &str,
    name: &str,
    value: &Value,
    (low, high): (Value, Value),
) -> Option<String> {
    let number = crate::values::write::checkable_number(value)?;
    let (lowest, highest) = (low.as_f64()?, high.as_f64()?);
    if lowest == highest || (lowest..=highest).contains(&number) {
        return None;
    }
    let value = printed(value);
    Some(format!(
        "Value {value} is outside of limits for {what} {name}. Low limit: {low}, High limit: {high}"
    ))
}

#[cfg(test)]
#[path = "command/tests.rs"]
mod tests;
