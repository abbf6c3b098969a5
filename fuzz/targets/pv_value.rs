//! See `control_pod::fuzzed::pv_value`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| control_pod::fuzzed::pv_value(bytes));
