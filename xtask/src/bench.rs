//! `cargo xtask bench`: the crates' own benchmarks, then a whole hub under load.

use crate::command::{self, Outcome, Profile, build_hub, cargo};

pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some((first, rest)) = arguments.split_first()
        && first == "whole"
    {
        return whole(rest);
    }
    let mut bench = cargo(["bench", "--package", "store"]);
    command::run(bench.args(arguments))?;
    whole(&[])
}

fn whole(arguments: &[String]) -> Outcome {
    let hub = build_hub(Profile::Release)?;
    let mut bench = cargo(["run", "--release", "--package", "tests", "--bin", "whole", "--"]);
    command::run(bench.args(arguments).env("LARDER_BIN", hub))
}
