//! Heads of requests: paths, options, headers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hub::fuzzing::query(bytes));
