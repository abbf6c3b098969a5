//! A device method with its arguments, as REST and sockets ask for it.

use std::time::Duration;

use channels::PutMode;
use serde_json::{Map, Value};

use crate::device::DeviceError;

/// The methods, as the refusal lists them.
pub(crate) const ALLOWED: &str =
    "describe, describe_configuration, get, put, read, read_configuration, set, stop, trigger";

/// What can be asked of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Data type, shape, units and limits of what `read` gives.
    Describe,
    /// The same of what `read_configuration` gives.
    DescribeConfiguration,
    /// The bare value.
    Get,
    /// Write without waiting.
    Put,
    /// Values and times.
    Read,
    /// Values and times of what rarely changes.
    ReadConfiguration,
    /// Write, or move, and wait until it is there.
    Set,
    /// Stop moving.
    Stop,
    /// Measure once.
    Trigger,
}

impl Method {
    /// The method of that name.
    ///
    /// # Errors
    /// [`DeviceError::MethodNotAllowed`].
    pub(crate) fn parse(name: &str) -> Result<Self, DeviceError> {
        Ok(match name {
            "describe" => Self::Describe,
            "describe_configuration" => Self::DescribeConfiguration,
            "get" => Self::Get,
            "put" => Self::Put,
            "read" => Self::Read,
            "read_configuration" => Self::ReadConfiguration,
            "set" => Self::Set,
            "stop" => Self::Stop,
            "trigger" => Self::Trigger,
            other => return Err(DeviceError::MethodNotAllowed(other.to_owned())),
        })
    }

    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::DescribeConfiguration => "describe_configuration",
            Self::Get => "get",
            Self::Put => "put",
            Self::Read => "read",
            Self::ReadConfiguration => "read_configuration",
            Self::Set => "set",
            Self::Stop => "stop",
            Self::Trigger => "trigger",
        }
    }

    /// Whether it changes anything on the beamline.
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Put | Self::Set | Self::Stop | Self::Trigger)
    }
}

/// One call of a method.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// What to do.
    pub(crate) method: Method,
    /// The value of `set` and `put`.
    pub(crate) value: Option<Value>,
    /// How long it may take.
    pub(crate) timeout: Duration,
    /// Whether to wait until it is done.
    pub(crate) wait: bool,
    /// Whether the IOC may still be busy with an earlier write of the same. It would keep a write
    /// that asks for completion waiting until that is done, and with it all that follows.
    pub(crate) supersedes: bool,
}

impl Call {
    /// How the value is written when its arrival is waited for.
    pub(crate) fn put_mode(&self) -> PutMode {
        if self.supersedes { PutMode::NoWait } else { PutMode::Completion }
    }
}

/// Names by which the value of `set` may be given.
const VALUE_NAMES: [&str; 4] = ["value", "position", "new_position", "new_value"];

/// The value among Python's arguments of `method`, and nothing else: an argument that would be
/// ignored is refused.
///
/// # Errors
/// [`DeviceError::BadArguments`] in the words of Python's `TypeError`.
pub(crate) fn value_argument(
    class: &str,
    method: Method,
    args: &[Value],
    kwargs: &Map<String, Value>,
) -> Result<Option<Value>, DeviceError> {
    let name = method.name();
    let takes_value = matches!(method, Method::Set | Method::Put);
    let most = usize::from(takes_value);
    if args.len() > most {
        let (most, given) = (most + 1, args.len() + 1);
        return Err(DeviceError::BadArguments(format!(
            "{class}.{name}() takes {most} positional argument{} but {given} were given",
            if most == 1 { "" } else { "s" }
        )));
    }
    let mut value = args.first().cloned();
    for (key, given) in kwargs {
        let is_value = takes_value && VALUE_NAMES.contains(&key.as_str());
        if !is_value {
            return Err(DeviceError::BadArguments(format!(
                "{class}.{name}() got an unexpected keyword argument '{key}'"
            )));
        }
        if value.replace(given.clone()).is_some() {
            return Err(DeviceError::BadArguments(format!(
                "{class}.{name}() got multiple values for argument '{key}'"
            )));
        }
    }
    if takes_value && value.is_none() {
        return Err(DeviceError::BadArguments(format!(
            "{class}.{name}() missing 1 required positional argument: 'value'"
        )));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn argument(method: Method, args: &Value, kwargs: &Value) -> Result<Option<Value>, String> {
        let args = args.as_array().unwrap();
        let kwargs = kwargs.as_object().unwrap();
        value_argument("EpicsSignal", method, args, kwargs).map_err(|error| error.to_string())
    }

    #[test]
    fn the_value_comes_by_place_or_by_name() {
        assert_eq!(argument(Method::Set, &json!([3.0]), &json!({})), Ok(Some(json!(3.0))));
        assert_eq!(argument(Method::Put, &json!([]), &json!({"value": 1})), Ok(Some(json!(1))));
        assert_eq!(argument(Method::Read, &json!([]), &json!({})), Ok(None));
    }

    #[test]
    fn what_python_would_refuse_is_refused() {
        assert_eq!(
            argument(Method::Set, &json!([]), &json!({})).unwrap_err(),
            "EpicsSignal.set() missing 1 required positional argument: 'value'"
        );
        assert_eq!(
            argument(Method::Read, &json!([1]), &json!({})).unwrap_err(),
            "EpicsSignal.read() takes 1 positional argument but 2 were given"
        );
        assert!(argument(Method::Set, &json!([1]), &json!({"value": 2})).is_err());
        assert!(argument(Method::Set, &json!([1]), &json!({"settle": 2})).is_err());
    }

    #[test]
    fn methods_have_the_names_of_the_contract() {
        for name in ALLOWED.split(", ") {
            assert_eq!(Method::parse(name).map(Method::name), Ok(name));
        }
        assert_eq!(
            Method::parse("destroy").unwrap_err().to_string(),
            "Method 'destroy' is not allowed. Allowed methods: describe, describe_configuration, get, put, read, \
             read_configuration, set, stop, trigger"
        );
    }
}
