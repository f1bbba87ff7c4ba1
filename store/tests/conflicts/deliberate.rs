//! Bugs on purpose, which the other tests must find.

use std::panic::catch_unwind;

use store::deliberate::{Bug, set};

use super::convergence::{check_order, check_work};
use super::what_bears_no_stamp_is_for_somebody_to_decide;

/// Seeds within which a bug has to show.
const SEEDS: u64 = 200;

#[track_caller]
fn check(bug: Bug, find: impl Fn(u64) + std::panic::RefUnwindSafe) {
    set(Some(bug));
    let found = (0..SEEDS).any(|seed| catch_unwind(|| find(seed)).is_err());
    set(None);
    assert!(found, "{bug:?}");
    find(0);
}

#[test]
fn every_bug_is_found() {
    check(Bug::TiesByArrival, check_order);
    check(Bug::NothingKeptOfReplicated, |seed| check_work(seed, "newest", false));
    check(Bug::StampsByShape, |_| what_bears_no_stamp_is_for_somebody_to_decide());
}
