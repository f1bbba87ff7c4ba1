//! Runs of many seeds, those that ever failed first.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::cell::RefCell;
use std::rc::Rc;

use simulation::{Sink, run};

/// Seeds that every run of the tests goes through.
const SEEDS: u64 = 300;

fn check(seed: u64) {
    if let Err(failure) = run(seed, None, None) {
        panic!("{failure}\n  cargo run -p simulation -- --seed {seed} --trace");
    }
}

#[test]
fn seeds_that_failed_once() {
    let lines = include_str!("../failed-seeds.txt").lines();
    let seeds = lines.map(|line| line.split('#').next().unwrap_or_default().trim());
    seeds.filter(|seed| !seed.is_empty()).for_each(|seed| check(seed.parse().unwrap()));
}

#[test]
fn the_first_seeds() {
    (0..SEEDS).for_each(check);
}

#[test]
fn a_seed_decides_everything() {
    let trace = |seed| {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let kept = Rc::clone(&lines);
        let sink: Sink = Box::new(move |line: &str| kept.borrow_mut().push(line.to_owned()));
        run(seed, None, Some(sink)).unwrap();
        lines.take()
    };
    for seed in 0..5 {
        let (once, again) = (trace(seed), trace(seed));
        assert!(once.len() > 500, "seed {seed}: {} lines", once.len());
        for (a, b) in once.iter().zip(&again) {
            assert_eq!(a, b, "seed {seed}");
        }
        assert_eq!(once.len(), again.len());
    }
}
