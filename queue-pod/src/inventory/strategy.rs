//! Which differences between profile and registry are to go away, by a change of the registry.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::python;

/// The words on the wire.
const WORDS: [&str; 3] = ["all", "additions_only", "selected"];

/// Which differences are to go away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// All of them: devices are created, changed and deleted. What is switched off stays so.
    All,
    /// Devices are created, and nothing else happens.
    AdditionsOnly,
    /// These devices are created, changed, or switched on again. None is deleted.
    Selected(HashSet<String>),
}

impl Strategy {
    /// The strategy that a request asks for.
    ///
    /// # Errors
    /// The texts of contract queue-server §5.4.
    pub fn of(params: &Map<String, Value>) -> Result<Self, String> {
        let devices = match params.get("devices") {
            None | Some(Value::Null) => HashSet::new(),
            Some(devices) => names(devices).ok_or_else(|| {
                format!("'devices' is not a list of names: {}", python::repr(devices))
            })?,
        };
        match params.get("strategy") {
            None => Ok(Self::All),
            Some(Value::String(word)) if word == WORDS[0] => Ok(Self::All),
            Some(Value::String(word)) if word == WORDS[1] => Ok(Self::AdditionsOnly),
            Some(Value::String(word)) if word == WORDS[2] && devices.is_empty() => {
                Err("strategy='selected' requires a non-empty 'devices' list".to_owned())
            }
            Some(Value::String(word)) if word == WORDS[2] => Ok(Self::Selected(devices)),
            Some(other) => Err(format!(
                "unknown strategy {}; expected one of {}",
                python::repr(other),
                python::repr_strs(WORDS)
            )),
        }
    }

    pub(super) fn adds(&self, device: &str) -> bool {
        match self {
            Self::All | Self::AdditionsOnly => true,
            Self::Selected(devices) => devices.contains(device),
        }
    }

    pub(super) fn modifies(&self, device: &str) -> bool {
        match self {
            Self::All => true,
            Self::AdditionsOnly => false,
            Self::Selected(devices) => devices.contains(device),
        }
    }

    pub(super) fn enables(&self, device: &str) -> bool {
        matches!(self, Self::Selected(devices) if devices.contains(device))
    }

    pub(super) fn deletes(&self) -> bool {
        *self == Self::All
    }
}

fn names(devices: &Value) -> Option<HashSet<String>> {
    devices.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(params: &Value) -> Result<Strategy, String> {
        Strategy::of(params.as_object().unwrap())
    }

    #[test]
    fn what_is_no_strategy_is_refused_in_the_words_of_the_contract() {
        assert_eq!(of(&json!({})), Ok(Strategy::All));
        assert_eq!(
            of(&json!({"strategy": "some"})).unwrap_err(),
            "unknown strategy 'some'; expected one of ['all', 'additions_only', 'selected']"
        );
        for devices in [json!(null), json!([])] {
            assert_eq!(
                of(&json!({"strategy": "selected", "devices": devices})).unwrap_err(),
                "strategy='selected' requires a non-empty 'devices' list"
            );
        }
        assert!(of(&json!({"strategy": "selected", "devices": "m1"})).is_err());
        let chosen = of(&json!({"strategy": "selected", "devices": ["m1"]}));
        assert_eq!(chosen, Ok(Strategy::Selected(["m1".to_owned()].into())));
    }
}
