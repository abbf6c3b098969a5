//! An answer that clients ask for again and again, encoded once for all of them.

use std::sync::OnceLock;

use bytes::Bytes;
use serde::Serialize;

use crate::encoding::Encoding;

/// One answer, in each encoding as soon as somebody has asked for it.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    json: OnceLock<Bytes>,
    msgpack: OnceLock<Bytes>,
}

impl Encoded {
    /// The bytes of `answer`, which is the same each time.
    pub(super) fn get(&self, encoding: Encoding, answer: impl Serialize) -> Bytes {
        let known = match encoding {
            Encoding::Json => &self.json,
            Encoding::Msgpack => &self.msgpack,
        };
        known.get_or_init(|| encoding.encode(&answer)).clone()
    }
}
