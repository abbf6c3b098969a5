//! See `channels::fuzzed::put_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| channels::fuzzed::put_text(bytes));
