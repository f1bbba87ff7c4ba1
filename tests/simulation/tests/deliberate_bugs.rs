//! Bugs on purpose are found.

use simulation::{Bug, run};

/// Seeds within which each is found.
const SEEDS: u64 = 200;

#[test]
fn each_is_found() {
    for bug in Bug::ALL {
        let found = (0..SEEDS).find_map(|seed| run(seed, Some(bug), None).err());
        assert!(found.is_some(), "{bug} was not found by {SEEDS} seeds");
    }
}
