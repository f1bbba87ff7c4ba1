//! Names, revision ids, sequences, revision trees.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| store::fuzzing::rev(bytes));
