//! Hubs over a private Tor network: those that speak Tor by themselves beside those on a system Tor, which
//! is C Tor at both ends, in pairs of the same bytes.
//!
//! `cargo xtask bench onion` runs it on a release hub. The pairs need root, for a network namespace.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]
#![allow(clippy::unwrap_used, reason = "a benchmark")]

mod life;
mod pairs;

use std::process::Command;

use tests::TestNet;

/// A network of one's own in which whatever arrives is acknowledged at once. Elsewhere that waits for 40 ms, and
/// relays wait with it before they send a second cell: six times a round trip, which no real network has.
const QUICK_NETWORK: &str = "ip link set lo up
    && ip route change table local local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1 quickack 1
    && ip route del table local local 127.0.0.1
    && exec \"$0\" --pairs --rounds \"$1\"";

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let rounds = words.iter().skip_while(|word| *word != "--rounds").nth(1);
    let rounds = rounds.map_or(9, |number| number.parse().unwrap());
    if words.iter().any(|word| word == "--pairs") {
        return pairs::measure(TestNet::shared(), rounds);
    }
    let mut apart = Command::new("unshare");
    apart.args(["--net", "sh", "-c", &QUICK_NETWORK.replace('\n', " ")]);
    apart.arg(std::env::current_exe().unwrap()).arg(rounds.to_string());
    assert!(apart.status().unwrap().success(), "the pairs were not measured");
    life::measure(TestNet::shared(), rounds);
}
