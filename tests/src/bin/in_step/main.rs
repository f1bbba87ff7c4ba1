//! Two hubs of one person that keep each other in step, measured: over loopback TLS beside CouchDB's protocol
//! and PouchDB's replicator in the same run, and over a slow line.
//!
//! `cargo xtask bench sync` runs it on a release hub.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]
#![allow(clippy::unwrap_used, reason = "a benchmark")]

mod disk;
mod idle;
mod loopback;
mod pair;
mod slow;

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    rounds: usize,
    /// Documents of the first copy over loopback.
    documents: u64,
    /// Documents of the database of which nothing is new.
    quiet: u64,
    /// Databases in which nothing happens.
    databases: usize,
    peers: usize,
}

const USAGE: &str = "usage: in_step [loopback|slow|idle|disk]… [--rounds N] [--documents N] [--quiet N] [--databases N] [--peers N]";

fn main() {
    let mut extent =
        Extent { rounds: 5, documents: 100_000, quiet: 800_000, databases: 1000, peers: 10 };
    let (mut parts, mut words) = (Vec::new(), std::env::args().skip(1));
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|text| text.parse().ok()).expect(USAGE);
        match word.as_str() {
            "--rounds" => extent.rounds = number(),
            "--documents" => extent.documents = number() as u64,
            "--quiet" => extent.quiet = number() as u64,
            "--databases" => extent.databases = number(),
            "--peers" => extent.peers = number(),
            _ => parts.push(word),
        }
    }
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|word| word == part);
    if wants("loopback") {
        loopback::measure(&extent);
    }
    if wants("slow") {
        slow::measure(&extent);
    }
    if wants("idle") {
        idle::measure(&extent);
    }
    if wants("disk") {
        disk::measure();
    }
}
