//! See `embedded::fuzzed::request_target`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| embedded::fuzzed::request_target(bytes));
