//! Keys of rows, and damaged pages.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| query::fuzzing::key(bytes));
