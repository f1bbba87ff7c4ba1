//! A child without Tor, for benchmarks and for tests of what a parent does with children.

use std::process::ExitCode;

fn main() -> ExitCode {
    onion::echo_child()
}
