//! See `control_pod::fuzzed::camera_statements`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| control_pod::fuzzed::camera_statements(bytes));
