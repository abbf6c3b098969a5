//! See `channels::fuzzed::pva_structure`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| channels::fuzzed::pva_structure(bytes));
