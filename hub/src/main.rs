//! The program `larder`: a personal device hub that speaks CouchDB's HTTP API.

mod access;
mod app;
mod backup;
mod cli;
mod clock;
mod config;
mod control;
mod couch_config;
mod data_dir;
mod discovery;
mod http;
mod key_file;
mod listener;
mod replicate;
mod tasks;
mod updates;
mod uuids;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Command::parse().execute() {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}
