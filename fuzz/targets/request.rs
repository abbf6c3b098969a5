//! See `queue_pod::fuzzed::request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| queue_pod::fuzzed::request(bytes));
