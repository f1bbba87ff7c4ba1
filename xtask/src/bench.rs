//! `cargo xtask bench`: the crates' own benchmarks, then a whole hub under load.

use crate::command::{self, Outcome, Profile, build_hub, cargo};

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (whole, criterion): (Vec<_>, Vec<_>) = match arguments.split_first() {
        Some((first, rest)) if first == "whole" => (rest.iter().collect(), vec![]),
        _ => (vec![], arguments.iter().collect()),
    };
    if arguments.first().is_none_or(|first| first != "whole") {
        let mut bench = cargo(["bench", "--package", "store"]);
        command::run(bench.args(criterion))?;
    }
    let hub = build_hub(Profile::Release)?;
    let mut bench = cargo(["bench", "--package", "tests", "--bench", "whole", "--"]);
    command::run(bench.args(whole).env("LARDER_BIN", hub))
}
