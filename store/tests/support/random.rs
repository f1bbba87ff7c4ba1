//! Choices that a seed repeats. The suite `survival` of the crate `tests` makes them the same way.

use std::hash::{BuildHasher as _, RandomState};

/// An xorshift generator: small, and the same on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// A seed that nobody has used before.
pub(crate) fn fresh_seed() -> u64 {
    RandomState::new().hash_one(0) % 1_000_000
}
