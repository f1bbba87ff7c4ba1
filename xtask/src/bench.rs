//! `cargo xtask bench`: the crates' own benchmarks, and the way to the load generator.

use crate::command::{self, Outcome, cargo, workspace};

/// A load generator for any CouchDB-compatible URL; it lies beside the checkout, not in it.
const LOAD_GENERATOR: &str = "../shared/bench/couch_bench.py";

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut bench = cargo(["bench", "--package", "store", "--package", "hub"]);
    command::run(bench.args(arguments))?;

    if workspace().join(LOAD_GENERATOR).is_file() {
        println!("\nload from outside, with the hub running in another terminal:");
        println!("  cargo run --release -- run --data-dir /tmp/larder-bench --onion off");
        println!("  url=$(cargo run --release -- url --data-dir /tmp/larder-bench)");
        println!("  python3 {LOAD_GENERATOR} \"$url\" --docs 20000");
    } else {
        println!("\n{LOAD_GENERATOR} is not here: load from outside is skipped");
    }
    Ok(())
}
