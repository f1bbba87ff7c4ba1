//! `cargo xtask check`: formatting and lints, in the profile that the tests use too.

use crate::command::{self, Outcome, cargo};

/// Every crate, with what is off by default.
const EVERYTHING: [&str; 3] =
    ["--workspace", "--features", "larder-client/reqwest,simulation/deliberate-bugs"];

pub(crate) fn run() -> Outcome {
    command::run(&mut cargo(["fmt", "--all", "--check"]))?;
    let mut clippy = cargo(["clippy", "--all-targets"]);
    command::run(clippy.args(EVERYTHING).args(["--", "-D", "warnings"]))
}
