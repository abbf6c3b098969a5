//! What pods share, on the real embedded API.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod lease;
