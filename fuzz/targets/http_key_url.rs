//! httpkey URLs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| identity::fuzzing::http_key_url(bytes));
