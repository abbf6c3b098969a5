//! See `control_pod::fuzzed::socket_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| control_pod::fuzzed::socket_message(bytes));
