//! Mango selectors, and documents that they are matched against.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| query::fuzzing::selector(bytes));
