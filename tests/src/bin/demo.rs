//! `cargo xtask demo` ends up here.

#![allow(clippy::print_stderr, reason = "a program for the terminal")]

use std::process::ExitCode;

use tests::demo::{self, Options};

fn main() -> ExitCode {
    let mut options = Options::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match (word.as_str(), words.next().map(|number| number.parse())) {
            ("--records", Some(Ok(number))) => options.records = Some(number),
            _ => {
                eprintln!("usage: cargo xtask demo [--dev] [--records N]");
                return ExitCode::from(2);
            }
        }
    }
    if demo::run(&options).is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
