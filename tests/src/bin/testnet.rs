//! `cargo xtask testnet` ends up here: a private Tor network for trying things by hand.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use tests::TestNet;

fn main() {
    eprintln!("starting a private Tor network; this takes about fourteen seconds");
    let network = TestNet::start();
    eprintln!(
        "\
it is up until Ctrl-C. A hub with these lines in its larder.toml uses it, and neither finds the real network
nor is found there; give it a data directory of its own (`--data-dir`), which ends as the network does.
"
    );
    println!("{}", network.hub_settings());
    // However this process ends, the network's guardians see it and end the network.
    loop {
        std::thread::park();
    }
}
