//! The last writer wins: which leaves of a conflict lose, decided from the tree alone.
//!
//! Whoever has the same revisions decides the same and writes the same, so that hubs that resolve a
//! conflict at the same time cannot race. Losers end in tombstones whose ids follow from their parents':
//! nobody signs them, and everybody can tell them.
//!
//! - *Candidates* are leaves that are no such tombstone; a person's deletion is one.
//! - Their order is time, then generation, then revision id. A revival stands where the revision stands
//!   that it brings back, only behind it: so it makes no difference whether a hub had to revive.
//! - Nothing is decided while a live leaf has no time.
//! - A live leaf that is not the greatest candidate gets a tombstone.
//! - Where every leaf is dead and nobody wanted that, the greatest of those that lost is revived.

use std::cmp::Ordering;

use super::{Node, NodeId, RevTree};
use crate::RevId;
use crate::stamp::{self, Stamp};

const TOMBSTONE_LABEL: &[u8] = b"larder-tombstone-1";
const REVIVAL_LABEL: &[u8] = b"larder-revival-1";

/// Times that the same contents are revived. A hub that sees more than we do, and something that we
/// are kept from seeing, would otherwise take away for ever what we bring back.
const REVIVALS_MAX: usize = 2;

/// Revisions from a leaf down to the one that it stands for, both included, at most.
pub(super) const CHAIN_MAX: usize = 2 * REVIVALS_MAX + 2;

/// A tombstone whose id follows from its parent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derived {
    /// A resolution tombstone: the parent lost to a later writer.
    Overwritten,
    /// Somebody deleted the parent while another leaf was live, as clients of CouchDB settle conflicts:
    /// the document was not meant to go.
    Discarded,
}

impl Derived {
    /// The tombstone of this kind that follows a revision.
    ///
    /// Its generation is the parent's plus one, its digest one half of BLAKE3 over `larder-tombstone-1`
    /// and the parent's id as text: the first for [`Self::Overwritten`]. It never is a stamped id; should
    /// it look like one, its last bit is the other.
    #[must_use]
    pub fn tombstone(self, parent: &RevId) -> RevId {
        let (overwritten, discarded) = tombstones(parent);
        match self {
            Self::Overwritten => overwritten,
            Self::Discarded => discarded,
        }
    }

    /// What kind of tombstone a revision is of its parent; `None` for an ordinary revision.
    #[must_use]
    pub fn of(rev: &RevId, parent: &RevId) -> Option<Self> {
        let (overwritten, discarded) = tombstones(parent);
        match rev {
            rev if *rev == overwritten => Some(Self::Overwritten),
            rev if *rev == discarded => Some(Self::Discarded),
            _ => None,
        }
    }

    /// The same of the newest revision of a path, newest first.
    #[must_use]
    pub fn of_path(path: &[RevId]) -> Option<Self> {
        let [rev, parent, ..] = path else { return None };
        Self::of(rev, parent)
    }
}

fn tombstones(parent: &RevId) -> (RevId, RevId) {
    let mut hasher = blake3::Hasher::new();
    hasher.update(TOMBSTONE_LABEL).update(parent.to_string().as_bytes());
    let hash = u256_halves(*hasher.finalize().as_bytes());
    let generation = parent.generation.saturating_add(1);
    let [overwritten, discarded] = hash.map(|digest| stamp::unstamped(generation, digest));
    (overwritten, discarded)
}

fn u256_halves(hash: [u8; 32]) -> [[u8; 16]; 2] {
    let mut halves = [[0; 16]; 2];
    let (first, second) = hash.split_at(16);
    halves[0].copy_from_slice(first);
    halves[1].copy_from_slice(second);
    halves
}

/// The revision that brings back what a derived tombstone took away: with the same stamp, if that was
/// stamped, and otherwise without one.
///
/// What else there is to its digest is of BLAKE3 over `larder-revival-1` and the tombstone's id as text.
#[must_use]
pub fn revival(tombstone: &RevId, stamp: Option<Stamp>) -> RevId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(REVIVAL_LABEL).update(tombstone.to_string().as_bytes());
    let [digest, _] = u256_halves(*hasher.finalize().as_bytes());
    let generation = tombstone.generation.saturating_add(1);
    match stamp {
        Some(stamp) => {
            let [.., a, b, c, d] = digest;
            stamp::assembled(stamp, u32::from_be_bytes([a, b, c, d]), generation)
        }
        None => stamp::unstamped(generation, digest),
    }
}

/// What is to be done about a document's conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Nothing: there is none, or only somebody can decide it.
    Stands,
    /// These live leaves lose; each is to be followed by [`Derived::Overwritten`].
    Overwrite(Vec<NodeId>),
    /// Every leaf is dead and nobody wanted that. The first of these tombstones whose parent's contents
    /// are at hand is to be followed by its [`revival`]; greatest parent first.
    Revive(Vec<NodeId>),
}

/// A leaf and when it was written.
struct Candidate {
    at: NodeId,
    time: Option<Stamp>,
}

impl RevTree {
    /// What is to be done, where `time` says when a live leaf or a deletion was written, or what a tombstone
    /// took away; `None` is before all else.
    ///
    /// # Errors
    /// What `time` returns.
    pub fn resolve<E>(
        &self,
        mut time: impl FnMut(&Node) -> Result<Option<Stamp>, E>,
    ) -> Result<Resolution, E> {
        let leaves: Vec<NodeId> = self.leaf_ids().collect();
        let live = leaves.iter().filter(|at| !self.node(**at).deleted).count();
        if leaves.is_empty() || (live == 1 && leaves.len() == 1) {
            return Ok(Resolution::Stands);
        }
        if live == 0 {
            return self.revive(&leaves, time);
        }
        let mut greatest: Option<Candidate> = None;
        for at in leaves.iter().copied() {
            let candidate = Candidate { at, time: time(self.node(at))? };
            match (candidate.time, self.node(at).deleted) {
                (None, false) => return Ok(Resolution::Stands),
                // Before all that is live, whatever kind of deletion it is.
                (None, true) => continue,
                (Some(_), true) if self.derived(at).is_some() => continue,
                (Some(_), _) => {}
            }
            if greatest.as_ref().is_none_or(|other| self.compare(&candidate, other).is_gt()) {
                greatest = Some(candidate);
            }
        }
        let greatest = greatest.map(|greatest| greatest.at);
        let loses = |at: &NodeId| !self.node(*at).deleted && Some(*at) != greatest;
        let losers: Vec<NodeId> = leaves.into_iter().filter(loses).collect();
        Ok(if losers.is_empty() { Resolution::Stands } else { Resolution::Overwrite(losers) })
    }

    /// Whether the tree holds a candidate that is greater than a revision of this id and time;
    /// [`Self::resolve`] says what `time` is.
    ///
    /// # Errors
    /// What `time` returns.
    pub fn is_beaten<E>(
        &self,
        rev: &RevId,
        rev_time: Option<Stamp>,
        mut time: impl FnMut(&Node) -> Result<Option<Stamp>, E>,
    ) -> Result<bool, E> {
        for at in self.leaf_ids() {
            let node = self.node(at);
            if node.rev == *rev {
                continue;
            }
            let by_time = time(node)?.cmp(&rev_time);
            let greater = by_time.then_with(|| self.origin(at).0.cmp(rev)).is_gt();
            if greater && self.derived(at).is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What kind of derived tombstone a leaf is. Live leaves are none: nothing else is ever delivered
    /// under such an id.
    #[must_use]
    pub fn derived(&self, at: NodeId) -> Option<Derived> {
        let node = self.node(at);
        let parent = node.parent.filter(|_| node.deleted)?;
        Derived::of(&node.rev, &self.node(parent).rev)
    }

    /// Whether all that followed a revision are resolution tombstones, at least one.
    #[must_use]
    pub fn is_overwritten(&self, at: NodeId) -> bool {
        let rev = &self.node(at).rev;
        let mut children = self.nodes.iter().filter(|node| node.parent == Some(at)).peekable();
        let overwrites = |node: &Node| Derived::of(&node.rev, rev) == Some(Derived::Overwritten);
        children.peek().is_some() && children.all(overwrites)
    }

    fn revive<E>(
        &self,
        leaves: &[NodeId],
        mut time: impl FnMut(&Node) -> Result<Option<Stamp>, E>,
    ) -> Result<Resolution, E> {
        let mut lost = Vec::new();
        for at in leaves {
            let (Some(_), Some(parent)) = (self.derived(*at), self.node(*at).parent) else {
                return Ok(Resolution::Stands);
            };
            let node = self.node(parent);
            if node.deleted {
                // It was deleted all the same, by somebody who meant it.
                return Ok(Resolution::Stands);
            }
            if self.origin(parent).1 < REVIVALS_MAX {
                lost.push((*at, Candidate { at: parent, time: time(node)? }));
            }
        }
        lost.sort_by(|(_, a), (_, b)| self.compare(b, a));
        let lost: Vec<NodeId> = lost.into_iter().map(|(tombstone, _)| tombstone).collect();
        Ok(if lost.is_empty() { Resolution::Stands } else { Resolution::Revive(lost) })
    }

    fn compare(&self, a: &Candidate, b: &Candidate) -> Ordering {
        #[cfg(feature = "deliberate-bugs")]
        if crate::deliberate::has(crate::deliberate::Bug::TiesByArrival) {
            let arrival = |at: NodeId| self.node(at).stored.map(|stored| stored.body);
            return a.time.cmp(&b.time).then_with(|| arrival(b.at).cmp(&arrival(a.at)));
        }
        a.time.cmp(&b.time).then_with(|| self.origin(a.at).cmp(&self.origin(b.at)))
    }

    /// The revision that a leaf brings back, and how often it has been; its own where it is no revival.
    fn origin(&self, at: NodeId) -> (&RevId, usize) {
        let (mut at, mut revivals) = (at, 0);
        while let Some(lost) = self.revived(at) {
            (at, revivals) = (lost, revivals + 1);
        }
        (&self.node(at).rev, revivals)
    }

    /// What a revision brings back, if it is a revival: what lies below the tombstone that it follows.
    fn revived(&self, at: NodeId) -> Option<NodeId> {
        let node = self.node(at);
        let tombstone = self.node(node.parent?);
        let lost = tombstone.parent?;
        let expected = revival(&tombstone.rev, stamp::stamp_of(&node.rev));
        let lost_rev = &self.node(lost).rev;
        let revives = node.rev == expected && Derived::of(&tombstone.rev, lost_rev).is_some();
        revives.then_some(lost)
    }

    /// How many revisions of a leaf's history must stay, so that everybody can tell what it is: a derived
    /// tombstone with its parent, a revival with what it brings back.
    pub(super) fn chain(&self, leaf: NodeId) -> usize {
        let (mut at, mut count) = (leaf, 1);
        while count < CHAIN_MAX {
            let node = self.node(at);
            let Some(parent) = node.parent else { break };
            let derived = Derived::of(&node.rev, &self.node(parent).rev).is_some();
            if !derived && self.revived(at).is_none() {
                break;
            }
            (at, count) = (parent, count + 1);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BodyId, Stored};
    use super::*;
    use crate::{Millis, Signature};

    fn stamped(millis: u64, generation: u64, salt: u32) -> RevId {
        stamp::assembled(Stamp::at(Millis(millis)), salt, generation)
    }

    fn add(tree: &mut RevTree, path: &[&RevId], deleted: bool) {
        let path: Vec<RevId> = path.iter().map(|rev| (*rev).clone()).collect();
        let stored = Stored::new(BodyId(tree.nodes().len() as u64 + 1), 9);
        let _ = tree.insert_path(&path, deleted, Some(stored)).unwrap();
    }

    fn resolved(tree: &RevTree) -> String {
        let list = |ids: &[NodeId]| {
            ids.iter().map(|at| tree.node(*at).rev.to_string()).collect::<Vec<_>>().join(" ")
        };
        match tree.resolve(|node| Ok::<_, ()>(stamp::stamp_of(&node.rev))).unwrap() {
            Resolution::Stands => "stands".into(),
            Resolution::Overwrite(losers) => format!("overwrite {}", list(&losers)),
            Resolution::Revive(tombstones) => format!("revive {}", list(&tombstones)),
        }
    }

    #[test]
    fn vectors() {
        let check = |parent: &str, expected: [&str; 3]| {
            let parent: RevId = parent.parse().unwrap();
            let overwritten = Derived::Overwritten.tombstone(&parent);
            let discarded = Derived::Discarded.tombstone(&parent);
            let revival = revival(&overwritten, stamp::stamp_of(&parent));
            assert_eq!([overwritten, discarded, revival].map(|rev| rev.to_string()), expected);
        };
        let stamped = [
            "2-9cad6122fd23b460c4835019ca92fee3",
            "2-e2135ba379430e31d4255a43680b904c",
            "3-018bcfe56800000f990a2a7d7d2c32d1",
        ];
        check("1-018bcfe56800000a0681aa66df44b5dd", stamped);
        let foreign = [
            "4-fa218e9875201bd7d5bc50c97ecc4768",
            "4-452649288fa9d32e0bbc8d7d7a388ff9",
            "5-9db2ce48b251406daff2f0d8a22d42e4",
        ];
        check("3-foreign", foreign);
    }

    #[test]
    fn ids_follow_from_the_whole_parent() {
        let parents = ["1-0a", "1-0b", "2-0a", "10-0a", "1-00000000000000000000000000000000"];
        let parents = parents.map(|rev| rev.parse::<RevId>().unwrap());
        for (parent, other) in parents.iter().flat_map(|a| parents.iter().map(move |b| (a, b))) {
            for kind in [Derived::Overwritten, Derived::Discarded] {
                let rev = kind.tombstone(parent);
                assert_eq!(rev.generation, parent.generation + 1);
                assert_eq!(stamp::stamp_of(&rev), None);
                let expected = (parent == other).then_some(kind);
                assert_eq!(Derived::of(&rev, other), expected, "{parent} {other}");
                let deep = [rev.clone(), other.clone()];
                assert_eq!(Derived::of_path(&deep), expected);
                assert_eq!(Derived::of_path(&deep[..1]), None);
            }
        }
    }

    #[test]
    fn what_looks_like_a_stamp_is_changed() {
        let rev = stamped(5, 2, 77);
        let Signature::Digest(digest) = rev.signature else { unreachable!("stamps are digests") };
        let changed = stamp::unstamped(2, digest);
        assert_ne!(changed.signature, Signature::Digest(digest));
        assert_eq!(stamp::stamp_of(&changed), None);
        assert_eq!(stamp::unstamped(3, digest).signature, Signature::Digest(digest));
    }

    #[test]
    fn of_live_leaves_the_greatest_candidate_stays() {
        let (root, a, b) = (stamped(1, 1, 0), stamped(2, 2, 1), stamped(3, 2, 2));
        let mut tree = RevTree::default();
        assert_eq!(resolved(&tree), "stands");
        add(&mut tree, &[&a, &root], false);
        assert_eq!(resolved(&tree), "stands");
        add(&mut tree, &[&b, &root], false);
        assert_eq!(resolved(&tree), format!("overwrite {a}"));
        // A deletion that is later takes all.
        let gone = stamped(4, 3, 0);
        add(&mut tree, &[&gone, &b], true);
        assert_eq!(resolved(&tree), format!("overwrite {a}"));
        // One that is earlier takes nothing.
        let late = stamped(5, 2, 5);
        add(&mut tree, &[&late, &root], false);
        assert_eq!(resolved(&tree), format!("overwrite {a}"));
        let lost = Derived::Overwritten.tombstone(&a);
        add(&mut tree, &[&lost, &a, &root], true);
        assert_eq!(resolved(&tree), "stands");
        // Nobody can tell when that was.
        let foreign: RevId = "2-foreign".parse().unwrap();
        let early = stamped(1, 2, 9);
        add(&mut tree, &[&early, &root], false);
        assert_eq!(resolved(&tree), format!("overwrite {early}"));
        add(&mut tree, &[&foreign, &root], false);
        assert_eq!(resolved(&tree), "stands");
    }

    #[test]
    fn at_one_time_generation_and_id_decide() {
        let (short, long) = (stamped(7, 1, 9), stamped(7, 2, 1));
        let mut tree = RevTree::default();
        add(&mut tree, &[&short], false);
        add(&mut tree, &[&long, &stamped(6, 1, 1)], false);
        assert_eq!(resolved(&tree), format!("overwrite {short}"));
        let mut tree = RevTree::default();
        let other = stamped(7, 1, 8);
        add(&mut tree, &[&short], false);
        add(&mut tree, &[&other], false);
        assert_eq!(resolved(&tree), format!("overwrite {}", other.min(short)));
    }

    #[test]
    fn what_nobody_wanted_deleted_is_revived() {
        let (a, b) = (stamped(2, 1, 1), stamped(3, 1, 2));
        let (lost_a, lost_b) =
            (Derived::Overwritten.tombstone(&a), Derived::Discarded.tombstone(&b));
        let mut tree = RevTree::default();
        add(&mut tree, &[&lost_a, &a], true);
        assert_eq!(resolved(&tree), format!("revive {lost_a}"));
        add(&mut tree, &[&lost_b, &b], true);
        assert_eq!(resolved(&tree), format!("revive {lost_b} {lost_a}"));
        let foreign: RevId = "1-gone".parse().unwrap();
        let mut deleted = tree.clone();
        add(&mut deleted, &[&foreign], true);
        assert_eq!(resolved(&deleted), "stands");

        // Twice, and no more.
        let mut path = vec![lost_b, b];
        for round in 0..3 {
            let revived = revival(&path[0], stamp::stamp_of(&path[1]));
            path.insert(0, revived.clone());
            add(&mut tree, &path.iter().collect::<Vec<_>>(), false);
            assert_eq!(tree.chain(tree.find(&revived).unwrap()), (path.len()).min(CHAIN_MAX));
            let lost = Derived::Overwritten.tombstone(&revived);
            path.insert(0, lost.clone());
            add(&mut tree, &path.iter().collect::<Vec<_>>(), true);
            let first = if round == 0 { format!("{lost} ") } else { String::new() };
            assert_eq!(resolved(&tree), format!("revive {first}{lost_a}"), "round {round}");
        }
    }

    #[test]
    fn a_revival_stands_where_the_lost_one_stood() {
        let (root, a) = (stamped(1, 1, 0), stamped(7, 2, 1));
        let lost = Derived::Overwritten.tombstone(&a);
        let revived = revival(&lost, stamp::stamp_of(&a));
        assert_eq!(stamp::stamp_of(&revived), stamp::stamp_of(&a));
        for salt in 0..8 {
            let b = stamped(7, 2, salt << 20);
            let mut tree = RevTree::default();
            add(&mut tree, &[&revived, &lost, &a, &root], false);
            add(&mut tree, &[&b, &root], false);
            let loser = if b > a { &revived } else { &b };
            assert_eq!(resolved(&tree), format!("overwrite {loser}"), "whatever its generation");
        }
    }

    #[test]
    fn stemming_keeps_what_tells_a_leaf() {
        let (root, a) = (stamped(1, 1, 0), stamped(2, 2, 1));
        let lost = Derived::Overwritten.tombstone(&a);
        let revived = revival(&lost, stamp::stamp_of(&a));
        let check = |path: &[&RevId], deleted: bool, other: bool, left: usize| {
            let mut tree = RevTree::default();
            add(&mut tree, path, deleted);
            if other {
                add(&mut tree, &[&stamped(9, 2, 9), &root], false);
            }
            let others = if other { 1 } else { 0 };
            let _ = tree.stem(1);
            assert_eq!(tree.nodes().len(), left + others);
            let at = tree.find(path[0]).unwrap();
            assert_eq!(tree.ancestry(at).count(), left);
        };
        for other in [false, true] {
            check(&[&a, &root], false, other, 1);
            check(&[&lost, &a, &root], true, other, 2);
            check(&[&Derived::Discarded.tombstone(&a), &a, &root], true, other, 2);
            check(&[&revived, &lost, &a, &root], false, other, 3);
            let foreign: RevId = "3-gone".parse().unwrap();
            check(&[&foreign, &a, &root], true, other, 1);
        }
    }
}
