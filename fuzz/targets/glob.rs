//! See `registry_pod::fuzzed::glob`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| registry_pod::fuzzed::glob(bytes));
