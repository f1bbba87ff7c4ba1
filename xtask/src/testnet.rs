//! `cargo xtask testnet`: hands over to `tests/src/bin/testnet.rs`, which keeps a private Tor network up.

use crate::command::{self, Outcome, cargo};
use crate::needs::{self, TOR};

pub(crate) fn run() -> Outcome {
    if !needs::missing(&[TOR]).is_empty() {
        return Err("the private Tor network needs tor".into());
    }
    // What keeps watch over its processes lies beside it.
    let package = ["--quiet", "--package", "tests"];
    command::run(cargo(["build"]).args(package).args(["--bin", "guardian", "--bin", "testnet"]))?;
    command::run(cargo(["run"]).args(package).args(["--bin", "testnet"]))
}
