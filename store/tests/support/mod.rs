//! What the suites of this crate share.

#![allow(dead_code, reason = "each suite uses its own part")]

use store::{Edit, Lineage, Options, RevId};

/// A store that commits on the caller's thread and keeps few files open.
pub(crate) fn options() -> Options {
    Options { writer_threads: 0, open_databases_max: 2, device: [7; 32] }
}

/// An edit of this revision, or the first one.
pub(crate) fn put(id: &str, base: Option<RevId>, body: &str) -> Edit {
    Edit {
        id: id.parse().expect("a document id"),
        lineage: Lineage::Child(base),
        deleted: false,
        body: body.into(),
        attachments: Vec::new(),
    }
}

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
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0) % 1_000_000
}
