//! The device hub behind the program `larder`: command line, listeners, CouchDB's HTTP API.
//!
//! A library so that fuzzers and tests reach its parsers; to programs it offers [`main`] and nothing
//! else.

mod access;
mod app;
mod backup;
mod boot;
mod causes;
mod cli;
mod clock;
mod compaction;
mod config;
mod conflicts;
mod control;
mod couch_config;
mod data_dir;
mod designs;
mod discovery;
mod file_error;
mod functions;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod held;
mod http;
mod import;
mod indexer;
mod listener;
mod mesh;
mod metrics;
mod observe;
mod onion;
mod overwritten;
mod pairing;
mod pause;
mod qr;
mod quota;
mod reads;
mod registry;
mod replicate;
mod sharing;
mod small_file;
mod support;
mod tasks;
mod updates;
mod uuids;
mod validate;
mod verify;

use std::process::ExitCode;

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    // The one TLS stack, with ring; a second installation would be somebody else's.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    // Before all else: the child has no command line, no settings and no log of the hub's.
    #[cfg(feature = "arti")]
    if std::env::args_os().nth(1).is_some_and(|verb| verb == onion::CHILD) {
        return ::onion::onion_child();
    }
    match cli::Command::parse().execute() {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}
