//! Bodies of several parts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hub::fuzzing::multipart(bytes));
