//! The workshop's commands, for people and for CI alike: `cargo xtask check|test|demo|bench|fuzz|simulate|testnet`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod bench;
mod check;
mod command;
mod demo;
mod fuzz;
mod needs;
mod simulate;
mod test;
mod testnet;
mod total;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask VERB

  check                     formatting and lints
  test [--no-skip] [ARGS]   every suite; ARGS replace `--workspace` of `cargo test`
                            (`-p store`, `-p tests --test survival`)
  demo [--dev] [ARGS]       two hubs, a real package index and a PouchDB client;
                            `--records N` takes the first N records
  bench [whole|sync|onion] [ARGS]
                            benchmarks of the store, of a whole hub under load, of hubs that keep
                            each other in step, and of hubs over Tor; `whole --rounds N`,
                            `sync --rounds N`, `onion --rounds N` are those alone
  fuzz [TARGET] [--seconds N]
                            hostile bytes for the parsers, 60 s a target; needs a nightly
                            toolchain and cargo-fuzz
  simulate [ARGS]           hubs on a virtual clock, 10,000 seeds unless ARGS say otherwise
                            (`--seeds N`, `--from N`, `--jobs N`, `--seed N --trace`)
  testnet                   a private Tor network for trying things by hand, and the settings of
                            a hub in it; until Ctrl-C

Needs beyond cargo are installed with apt-get when root on Debian; elsewhere what is
missing is named and its tests are skipped, unless CI is set or `--no-skip` is given.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((verb, rest)) = arguments.split_first() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let outcome = match verb.as_str() {
        "check" => check::run(),
        "test" => test::run(rest),
        "demo" => demo::run(rest),
        "bench" => bench::run(rest),
        "fuzz" => fuzz::run(rest),
        "simulate" => simulate::run(rest),
        "testnet" => testnet::run(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(format!("no verb {other:?}\n\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}
