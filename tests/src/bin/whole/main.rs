//! A whole hub under load, beside what it is made of and what it is compared with, in one run:
//! the engine alone, a web server that answers a constant, and the figures of Apache CouchDB.
//!
//! `cargo xtask bench` runs it on a release hub; `wrk` gives the rates of single requests. Every
//! round measures everything, so that ratios compare the same minutes; medians are printed.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]
#![allow(clippy::unwrap_used, reason = "a benchmark")]

mod constant;
mod couchdb;
mod engine;
mod load;
mod queries;
mod report;
mod starts;

use self::report::Report;

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    rounds: usize,
    documents: u64,
    /// Length of each run of `wrk`, in seconds.
    seconds: u64,
}

fn main() {
    let extent = extent(std::env::args().skip(1));
    let mut report = Report::default();
    for round in 1..=extent.rounds {
        println!("round {round} of {}", extent.rounds);
        engine::measure(extent.documents, &mut report);
        load::measure(extent.documents, extent.seconds, &mut report);
        starts::measure(&mut report);
    }
    report.print();
}

/// `--rounds N`, `--documents N`, `--seconds N`; what cargo adds is passed over.
fn extent(arguments: impl Iterator<Item = String>) -> Extent {
    let mut extent = Extent { rounds: 5, documents: 100_000, seconds: 5 };
    let mut arguments = arguments.peekable();
    while let Some(name) = arguments.next() {
        let mut number = || arguments.next_if(|text| text.parse::<u64>().is_ok());
        match name.as_str() {
            "--rounds" => extent.rounds = number().unwrap().parse().unwrap(),
            "--documents" => extent.documents = number().unwrap().parse().unwrap(),
            "--seconds" => extent.seconds = number().unwrap().parse().unwrap(),
            _ => {}
        }
    }
    extent
}
