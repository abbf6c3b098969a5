//! See `embedded::fuzzed::selector`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| embedded::fuzzed::selector(bytes));
