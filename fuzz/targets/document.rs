//! Text of documents, and JSON in general.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| store::fuzzing::document(bytes));
