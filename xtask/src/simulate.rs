//! `cargo xtask simulate`: hubs on a virtual clock, a seed after the other.

use crate::command::{self, Outcome, cargo};

/// How many seeds unless it is said.
const SEEDS: &str = "10000";

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut simulation = cargo(["run", "--release", "--package", "simulation", "--"]);
    if arguments.is_empty() {
        simulation.args(["--seeds", SEEDS, "--jobs", "2"]);
    }
    command::run(simulation.args(arguments))
}
