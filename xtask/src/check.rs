//! `cargo xtask check`: formatting and lints, in the profile that the tests use too.

use crate::command::{self, Outcome, cargo};

pub(crate) fn run() -> Outcome {
    command::run(&mut cargo(["fmt", "--all", "--check"]))?;
    command::run(&mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}
