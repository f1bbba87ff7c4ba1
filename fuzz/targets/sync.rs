//! Answers, batches and requests of `larder-sync/1`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| replication::fuzzing::sync(bytes));
