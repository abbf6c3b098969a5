//! See `crds::fuzzed::import`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| crds::fuzzed::import(bytes));
