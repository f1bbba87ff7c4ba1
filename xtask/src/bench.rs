//! `cargo xtask bench`: the crates' own benchmarks, then a whole hub under load, hubs that keep each other in step,
//! and hubs over Tor.

use crate::command::{self, Outcome, Profile, build_hub, cargo};

pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some((first, rest)) = arguments.split_first()
        && let Some(name) = named(first)
    {
        return program(name, rest);
    }
    let mut bench = cargo(["bench", "--package", "store"]);
    command::run(bench.args(arguments))?;
    program("whole", &[])?;
    program("in_step", &[])?;
    program("over_tor", &[])
}

/// The program of `tests` that a word means.
fn named(word: &str) -> Option<&'static str> {
    match word {
        "whole" => Some("whole"),
        "onion" => Some("over_tor"),
        "sync" => Some("in_step"),
        _ => None,
    }
}

/// Runs one of the programs of `tests` on a release hub.
fn program(name: &str, arguments: &[String]) -> Outcome {
    let hub = build_hub(Profile::Release)?;
    command::run(&mut cargo(["build", "--release", "--package", "tests", "--bins"]))?;
    let mut bench = cargo(["run", "--release", "--package", "tests", "--bin", name, "--"]);
    command::run(bench.args(arguments).env("LARDER_BIN", hub))
}
