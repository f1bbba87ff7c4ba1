//! Revision ids that say when they were made.
//!
//! A revision that a hub writes has a digest of 128 bits, big-endian: 48 bits of Unix milliseconds,
//! 12 bits of counter, 28 bits of hash of the edit, 40 bits of check. To CouchDB it is a digest like
//! any other, so stamps survive every server between two hubs.

use crate::rev_tree::RevTree;
use crate::{RevId, Signature};

const MILLIS_BITS: u32 = 48;
const COUNTER_BITS: u32 = 12;
const HASH_BITS: u32 = 28;
const CHECK_BITS: u32 = 40;

/// Bytes before the check.
const CHECKED_BYTES: usize = 11;

const CHECK_LABEL: &[u8; 14] = b"larder-stamp-1";
const EDIT_LABEL: &[u8; 13] = b"larder-edit-1";

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Millis(pub u64);

/// Time and counter of a stamped revision id: 60 bits, ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp(u64);

impl Stamp {
    /// The greatest: in the year 10889.
    pub const MAX: Self = Self((1 << (MILLIS_BITS + COUNTER_BITS)) - 1);

    /// The first stamp of a millisecond; [`Stamp::MAX`] when that has more than 48 bits.
    #[must_use]
    pub fn at(now: Millis) -> Self {
        if now.0 >> MILLIS_BITS == 0 { Self(now.0 << COUNTER_BITS) } else { Self::MAX }
    }

    /// When; where the counter overflowed or a clock was wrong, only nominally.
    #[must_use]
    pub fn millis(self) -> Millis {
        Millis(self.0 >> COUNTER_BITS)
    }

    /// Which stamp of its millisecond, from 0 to 4095.
    #[must_use]
    pub fn counter(self) -> u16 {
        (self.0 & ((1 << COUNTER_BITS) - 1)) as u16
    }

    /// The one after it, a full counter carrying into the milliseconds; [`Stamp::MAX`] stays.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1).min(Self::MAX)
    }
}

/// What an edit says, as far as its revision id depends on it.
#[derive(Clone, Copy, Debug)]
pub struct EditContent<'e> {
    /// The revision edited; `None` for the first one of a document.
    pub parent: Option<&'e RevId>,
    /// BLAKE3 over the body's JSON text.
    pub body: &'e [u8; 32],
    /// Name and digest of each attachment, in the caller's order.
    pub attachments: &'e [(&'e str, &'e [u8])],
    /// Public key of the device that writes.
    pub device: &'e [u8; 32],
}

impl EditContent<'_> {
    /// BLAKE3 over `larder-edit-1`, the parent's text (empty when there is none), the body's hash, how
    /// many attachments there are, name and digest of each, and the device key.
    ///
    /// Each text or run of bytes follows its length, so that no two edits hash the same input;
    /// numbers have 64 bits, big-endian. Two devices that make the same edit in the same tick get
    /// different ids, by the key.
    fn hash(&self) -> u32 {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(EDIT_LABEL);
        part(self.parent.map(RevId::to_string).unwrap_or_default().as_bytes());
        part(self.body);
        part(&(self.attachments.len() as u64).to_be_bytes());
        for (name, digest) in self.attachments {
            part(name.as_bytes());
            part(digest);
        }
        part(self.device);
        let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
        u32::from_be_bytes([a, b, c, d]) >> (u32::BITS - HASH_BITS)
    }
}

/// The revision id of an edit: its generation is the parent's plus one.
#[must_use]
pub fn stamped(stamp: Stamp, edit: &EditContent<'_>) -> RevId {
    let generation = edit.parent.map_or(0, |parent| parent.generation).saturating_add(1);
    assembled(stamp, edit.hash(), generation)
}

/// The revision id of a stamp, a hash of which the last 28 bits count, and a generation.
pub(crate) fn assembled(stamp: Stamp, hash: u32, generation: u64) -> RevId {
    let hash = hash & ((1 << HASH_BITS) - 1);
    let unchecked = (u128::from(stamp.0) << HASH_BITS | u128::from(hash)) << CHECK_BITS;
    let mut digest = unchecked.to_be_bytes();
    let check = check(generation, &digest);
    digest[CHECKED_BYTES..].copy_from_slice(&check);
    RevId { generation, signature: Signature::Digest(digest) }
}

/// Time and counter of a revision id, if it is stamped: if its check verifies.
///
/// Another id passes by chance once in 2^40.
#[must_use]
pub fn stamp_of(rev: &RevId) -> Option<Stamp> {
    let digest = digest(rev)?;
    #[cfg(feature = "deliberate-bugs")]
    if crate::deliberate::has(crate::deliberate::Bug::StampsByShape) {
        return Some(claimed(digest));
    }
    (digest[CHECKED_BYTES..] == check(rev.generation, digest)).then(|| claimed(digest))
}

/// The stamp of a revision id, if it is stamped later than that millisecond; whether an earlier one
/// is right is not even looked at.
pub(crate) fn stamp_after(rev: &RevId, after: Millis) -> Option<Stamp> {
    digest(rev).filter(|digest| claimed(digest).millis() > after)?;
    stamp_of(rev)
}

/// The id, changed in its last bit should it be taken for a stamped one.
pub(crate) fn unstamped(generation: u64, mut digest: [u8; 16]) -> RevId {
    if digest[CHECKED_BYTES..] == check(generation, &digest) {
        digest[15] ^= 1;
    }
    RevId { generation, signature: Signature::Digest(digest) }
}

/// The stamp for the next edit of a document: `now`, or one tick above the greatest in its tree.
#[must_use]
pub fn next_stamp(tree: &RevTree, now: Millis) -> Stamp {
    tree.nodes().fold(Stamp::at(now), |next, node| match digest(&node.rev) {
        // A claim below what the edit gets anyway changes nothing, true or not: no need to hash.
        Some(digest) if claimed(digest) >= next => stamp_of(&node.rev).map_or(next, Stamp::next),
        _ => next,
    })
}

fn digest(rev: &RevId) -> Option<&[u8; 16]> {
    match &rev.signature {
        Signature::Digest(digest) => Some(digest),
        Signature::Text(_) => None,
    }
}

/// The stamp in a digest, if it is one.
fn claimed(digest: &[u8; 16]) -> Stamp {
    Stamp((u128::from_be_bytes(*digest) >> (HASH_BITS + CHECK_BITS)) as u64)
}

/// The first 40 bits of BLAKE3 over `larder-stamp-1`, the generation as 64 bits big-endian, and the
/// first 88 bits of the digest.
fn check(generation: u64, digest: &[u8; 16]) -> [u8; 5] {
    let mut input = [0; CHECK_LABEL.len() + 8 + CHECKED_BYTES];
    let (label, rest) = input.split_at_mut(CHECK_LABEL.len());
    let (depth, stamped) = rest.split_at_mut(8);
    label.copy_from_slice(CHECK_LABEL);
    depth.copy_from_slice(&generation.to_be_bytes());
    stamped.copy_from_slice(&digest[..CHECKED_BYTES]);
    let [a, b, c, d, e, ..] = *blake3::hash(&input).as_bytes();
    [a, b, c, d, e]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: &[u8; 32] = &[7; 32];
    const NOW: Millis = Millis(1_700_000_000_000);

    fn first_edit() -> EditContent<'static> {
        EditContent { parent: None, body: &[1; 32], attachments: &[], device: DEVICE }
    }

    fn tree_of(revs: &[RevId]) -> RevTree {
        let mut tree = RevTree::default();
        for rev in revs {
            let _ = tree.insert_path(std::slice::from_ref(rev), false, None).unwrap();
        }
        tree
    }

    #[test]
    fn vectors() {
        let check = |stamp: Stamp, edit: &EditContent<'_>, expected: &str| {
            let rev = stamped(stamp, edit);
            assert_eq!(rev.to_string(), expected);
            assert_eq!(stamp_of(&expected.parse().unwrap()), Some(stamp));
        };
        let first = first_edit();
        check(Stamp::at(NOW), &first, "1-018bcfe56800000a0681aa66df44b5dd");
        let parent = stamped(Stamp::at(NOW), &first);
        let attachments: &[(&str, &[u8])] = &[("a", &[1; 32]), ("b", &[2; 32])];
        let second = EditContent { parent: Some(&parent), attachments, ..first };
        check(Stamp::at(NOW).next(), &second, "2-018bcfe568000015e1131309a5f5d881");
        check(Stamp::MAX, &first, "1-fffffffffffffffa0681aab0f8b742e9");
    }

    #[test]
    fn every_part_of_an_edit_counts() {
        let rev: RevId = "1-a".parse().unwrap();
        let base = first_edit();
        let edits = [
            base,
            EditContent { parent: Some(&rev), ..base },
            EditContent { body: &[2; 32], ..base },
            EditContent { attachments: &[("a", b"bc")], ..base },
            EditContent { attachments: &[("ab", b"c")], ..base },
            EditContent { attachments: &[("a", b"b"), ("c", b"")], ..base },
            EditContent { device: &[8; 32], ..base },
        ];
        for (at, edit) in edits.iter().enumerate() {
            for other in &edits[..at] {
                assert_ne!(edit.hash(), other.hash(), "{edit:?} {other:?}");
            }
        }
    }

    #[test]
    fn counter_carries() {
        let mut stamp = Stamp::at(NOW);
        for counter in 0..4096 {
            assert_eq!((stamp.millis(), stamp.counter()), (NOW, counter));
            stamp = stamp.next();
        }
        assert_eq!(stamp, Stamp::at(Millis(NOW.0 + 1)));
        assert_eq!(Stamp::MAX.next(), Stamp::MAX);
        assert_eq!(Stamp::at(Millis(u64::MAX)), Stamp::MAX);
        assert_eq!(Stamp::at(Millis((1 << 48) - 1)).counter(), 0);
    }

    #[test]
    fn moves_on_from_the_greatest_stamp() {
        let foreign: RevId = "1-ffffffffffffffffffffffffffffffff".parse().unwrap();
        let text: RevId = "1-text".parse().unwrap();
        let check = |tree: &RevTree, now, expected| assert_eq!(next_stamp(tree, now), expected);
        check(&tree_of(&[foreign.clone(), text.clone()]), NOW, Stamp::at(NOW));
        let early = stamped(Stamp::at(Millis(NOW.0 - 5)), &first_edit());
        let late = stamped(Stamp::at(Millis(NOW.0 + 5)).next(), &first_edit());
        let tree = tree_of(&[foreign, text, late.clone(), early.clone()]);
        check(&tree, NOW, Stamp::at(Millis(NOW.0 + 5)).next().next());
        check(&tree, Millis(NOW.0 + 6), Stamp::at(Millis(NOW.0 + 6)));
        check(&tree_of(&[early]), Millis(NOW.0 - 5), Stamp::at(Millis(NOW.0 - 5)).next());
        check(&tree_of(&[late]), Millis(0), Stamp::at(Millis(NOW.0 + 5)).next().next());
        let last = stamped(Stamp::MAX, &first_edit());
        check(&tree_of(&[last]), NOW, Stamp::MAX);
    }

    #[test]
    fn only_the_same_generation_and_bits_verify() {
        let rev = stamped(Stamp::at(NOW), &first_edit());
        let Signature::Digest(digest) = rev.signature else { unreachable!("stamps are digests") };
        let verifies = |generation, digest| {
            stamp_of(&RevId { generation, signature: Signature::Digest(digest) }).is_some()
        };
        assert!(verifies(1, digest));
        assert!(!verifies(0, digest) && !verifies(2, digest));
        for bit in 0..128 {
            let changed = u128::from_be_bytes(digest) ^ 1 << bit;
            assert!(!verifies(1, changed.to_be_bytes()), "bit {bit}");
        }
    }

    #[test]
    fn ten_million_random_ids_are_not_stamped() {
        // SplitMix64, seed 0.
        let mut state = 0_u64;
        let mut random = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            u128::from(z ^ z >> 31)
        };
        for at in 0..10_000_000 {
            let digest = (random() << 64 | random()).to_be_bytes();
            let rev = RevId { generation: at % 100 + 1, signature: Signature::Digest(digest) };
            assert_eq!(stamp_of(&rev), None, "{rev}");
        }
    }
}
