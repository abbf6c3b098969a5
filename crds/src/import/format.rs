//! Which formats there are, and how a text tells which one it is.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::dbl;

/// A format that devices can be imported from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A happi database in JSON.
    Happi,
    /// The `devices.yml` of BITS, read by guarneri.
    Bits,
    /// The `existing_plans_and_devices.yaml` of bluesky-queueserver.
    Queueserver,
    /// What `dbl` prints in the shell of an IOC.
    Dbl,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Happi, Self::Bits, Self::Queueserver, Self::Dbl];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Happi => "happi",
            Self::Bits => "bits",
            Self::Queueserver => "queueserver",
            Self::Dbl => "dbl",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bits => "BITS",
            other => other.as_str(),
        })
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| format!("'{text}' is not one of happi, bits, queueserver, dbl"))
    }
}

/// The format that `text` looks like.
pub(super) fn detect(text: &str) -> Option<Format> {
    if text.trim_start().starts_with(['{', '[']) {
        return match serde_json::from_str(text).ok()? {
            Value::Object(members) if members.contains_key("existing_devices") => {
                Some(Format::Queueserver)
            }
            _ => Some(Format::Happi),
        };
    }
    if dbl::looks_like(text) {
        return Some(Format::Dbl);
    }
    match serde_saphyr::from_str(text).ok()? {
        Value::Object(members) if members.contains_key("existing_devices") => {
            Some(Format::Queueserver)
        }
        Value::Object(members) if members.values().all(Value::is_array) => Some(Format::Bits),
        _ => None,
    }
}
