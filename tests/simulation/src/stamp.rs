//! Stamps as `docs/` and the design have them, told by other code than the store's.

use store::{RevId, Signature};

/// When a revision was written, in ticks of which a millisecond has 4096; `None` for one that no hub
/// has stamped: 48 bits of milliseconds, 12 of a counter, 28 of a hash, and 40 that check the others.
pub(crate) fn ticks(rev: &RevId) -> Option<u64> {
    let Signature::Digest(digest) = &rev.signature else { return None };
    let (claim, check) = digest.split_at(11);
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"larder-stamp-1").update(&rev.generation.to_be_bytes()).update(claim);
    let mut ticks = [0; 8];
    ticks.copy_from_slice(&claim[..8]);
    hasher.finalize().as_bytes().starts_with(check).then_some(u64::from_be_bytes(ticks) >> 4)
}
