//! The string and number formats that Kubernetes checks.

use serde_json::Value;

/// A checked format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    DateTime,
    Date,
    Byte,
    Uuid,
    Ipv4,
    Ipv6,
    Int32,
    Int64,
}

impl Format {
    /// The format of that name; `None` for names that only document.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "date-time" => Self::DateTime,
            "date" => Self::Date,
            "byte" => Self::Byte,
            "uuid" => Self::Uuid,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            _ => return None,
        })
    }

    /// The name in the schema and in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DateTime => "date-time",
            Self::Date => "date",
            Self::Byte => "byte",
            Self::Uuid => "uuid",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
        }
    }

    /// Whether `value` has the format. Values of another type are the type check's business.
    pub(crate) fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Self::DateTime, Value::String(text)) => text.parse::<jiff::Timestamp>().is_ok(),
            (Self::Date, Value::String(text)) => text.parse::<jiff::civil::Date>().is_ok(),
            (Self::Byte, Value::String(text)) => is_base64(text),
            (Self::Uuid, Value::String(text)) => uuid::Uuid::parse_str(text).is_ok(),
            (Self::Ipv4, Value::String(text)) => text.parse::<std::net::Ipv4Addr>().is_ok(),
            (Self::Ipv6, Value::String(text)) => text.parse::<std::net::Ipv6Addr>().is_ok(),
            (Self::Int32, Value::Number(n)) => {
                n.as_i64().map_or(n.is_f64(), |n| i32::try_from(n).is_ok())
            }
            _ => true,
        }
    }
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}
