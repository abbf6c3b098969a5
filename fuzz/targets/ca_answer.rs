//! See `channels::fuzzed::ca_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| channels::fuzzed::ca_answer(bytes));
