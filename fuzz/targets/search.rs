//! Queries of full-text search, and texts whose words they mark.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| query::fuzzing::search(bytes));
