//! Bugs on purpose, for tests that must find them. Compiled in by a feature that no program has.

use std::cell::Cell;

/// A bug that a test must be able to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Of leaves written at the same time, the one that this hub saw first wins.
    TiesByArrival,
    /// Nothing is kept of what a tombstone from elsewhere takes away.
    NothingKeptOfReplicated,
    /// Whatever looks like a stamped revision id is taken for one.
    StampsByShape,
}

thread_local! {
    static BUG: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// From now on stores have this bug as far as they work on this thread.
pub fn set(bug: Option<Bug>) {
    BUG.set(bug);
}

/// Whether stores have this bug on this thread.
#[must_use]
pub fn has(bug: Bug) -> bool {
    BUG.get() == Some(bug)
}
