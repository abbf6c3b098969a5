//! How requests, replies and what is published look on 0MQ (contract queue-server §1.1).

use bytes::Bytes;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;
use service::validation::parse_json;

use crate::methods::{Reply, failure};

/// An encoding; both ends of a connection need the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    /// UTF-8 text.
    #[default]
    Json,
    /// MessagePack.
    Msgpack,
}

impl Encoding {
    /// The bytes of something that JSON can hold.
    pub(crate) fn encode(self, value: &impl Serialize) -> Bytes {
        // Into memory, of what JSON can hold: there is nothing that could fail.
        let bytes = match self {
            Self::Json => serde_json::to_vec(value).unwrap_or_default(),
            Self::Msgpack => rmp_serde::to_vec_named(value).unwrap_or_default(),
        };
        bytes.into()
    }

    /// The value of a request.
    ///
    /// # Errors
    /// The reply to a request that is none.
    pub(crate) fn decode(self, request: &[u8]) -> Result<Value, Reply> {
        match self {
            Self::Json => json(request),
            Self::Msgpack => rmp_serde::from_slice(request).map_err(|error| {
                failure(format!("Failed to decode the request: MSGPACK decode error: {error}"))
            }),
        }
    }
}

/// Where the text is wrong is said as Python says it.
fn json(request: &[u8]) -> Result<Value, Reply> {
    parse_json(request).map_err(|problems| {
        let Some(problem) = problems.iter().next() else { return failure("") };
        let words = problem.ctx.as_ref().and_then(|ctx| ctx["error"].as_str()).unwrap_or_default();
        let offset = problem.loc.get(1).and_then(Value::as_u64).unwrap_or_default();
        let before = &request[..usize::try_from(offset).unwrap_or_default().min(request.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|&&byte| byte != b'\n').count();
        failure(format!(
            "Failed to decode the request: JSON decode error: {words}: \
             line {line} column {column} (char {offset})"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_encodings_carry_the_same() {
        let value = json!({"b": [1, -2.5, null, true], "a": {"ü": "x"}, "big": u64::MAX});
        for encoding in [Encoding::Json, Encoding::Msgpack] {
            let decoded = encoding.decode(&encoding.encode(&value)).unwrap();
            assert_eq!(decoded.to_string(), value.to_string(), "{encoding:?}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let reply = Encoding::Msgpack.decode(&[0xc1]).unwrap_err();
        let text = reply["msg"].as_str().unwrap();
        assert!(text.starts_with("Failed to decode the request: MSGPACK decode error: "), "{text}");
    }
}
