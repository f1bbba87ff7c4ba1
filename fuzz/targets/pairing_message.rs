//! Messages of a pairing.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| identity::fuzzing::pairing_message(bytes));
