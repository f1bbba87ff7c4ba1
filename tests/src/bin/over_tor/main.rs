//! Hubs over a private Tor network: those that speak Tor by themselves beside those on a system Tor, which
//! is C Tor at both ends, in pairs of the same bytes.
//!
//! `cargo xtask bench onion` runs it on a release hub.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]
#![allow(clippy::unwrap_used, reason = "a benchmark")]

mod life;
mod pairs;

use tests::TestNet;

fn main() {
    let mut words = std::env::args().skip_while(|word| word != "--rounds").skip(1);
    let rounds = words.next().map_or(9, |number| number.parse().unwrap());
    let network = TestNet::shared();
    pairs::measure(network, rounds);
    life::measure(network, rounds);
}

/// The middle one of some figures, the greater of two.
fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
