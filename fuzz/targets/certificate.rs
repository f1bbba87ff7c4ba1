//! What a peer shows in place of a certificate.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| identity::fuzzing::certificate(bytes));
