//! A document's revisions: which edit followed which, as far as it is known here.
//!
//! A forest, since histories may have lost their beginnings. It behaves as CouchDB's
//! `couch_key_tree` does, so that hubs and CouchDB servers agree about every leaf and every winner.
//! Pure: bodies lie elsewhere, and a node only says where.
//!
//! **Invariant:** nodes stand in depth-first order; trees by their root's revision id, siblings by
//! signature. A parent thus stands before its children, a leaf is a node that its successor does
//! not descend from, and the first match in the arena is the one CouchDB finds.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::iter;

use crate::RevId;

mod encode;
mod merge;
mod purge;
pub mod resolve;
mod stem;

pub use encode::DecodeError;
pub(crate) use merge::check as check_path;
pub use merge::{Inserted, PathError};
pub use purge::Purged;
pub use resolve::{Derived, Resolution};

/// A document's revision forest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevTree {
    nodes: Vec<Node>,
}

/// One revision of a document.
///
/// The same revision id under two parents, or in two trees, is two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub rev: RevId,
    /// The revision it edited; `None` for the oldest known one of its history.
    pub parent: Option<NodeId>,
    /// Whether it is a tombstone; `false` too where only the id is known.
    pub deleted: bool,
    /// Its body; `None` where only the id is known.
    pub stored: Option<Stored>,
}

/// Position of a node in its tree, good until the tree changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(usize);

/// Where the body of a revision lies, and how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stored {
    /// Where.
    pub body: BodyId,
    /// Its size in bytes, as the caller counts it.
    pub bytes: u64,
    /// On whose account it is; `None` for what was written here.
    pub charge: Option<Charge>,
}

/// What somebody who brought a revision is charged for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Charge {
    /// Who, by a number that the caller gives out.
    pub to: u32,
    /// How many bytes, attachments included that came with it.
    pub bytes: u64,
}

impl Stored {
    /// A body of so many bytes that nobody is charged for.
    #[must_use]
    pub fn new(body: BodyId, bytes: u64) -> Self {
        Self { body, bytes, charge: None }
    }
}

/// What the store files a body under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BodyId(pub u64);

impl RevTree {
    /// Whether it holds no revision at all, as before a document's first edit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Every revision; parents before children.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.nodes.iter()
    }

    /// The node at a position.
    ///
    /// # Panics
    /// When `id` was given by another tree, or before this one changed, and lies past the end.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The revision that CouchDB shows: live before deleted, then the greatest revision id.
    ///
    /// Source: CouchDB's `couch_doc:to_doc_info_path/1`.
    #[must_use]
    pub fn winner(&self) -> Option<&Node> {
        self.winner_id().map(|id| self.node(id))
    }

    /// Where the [winner](Self::winner) stands.
    #[must_use]
    pub fn winner_id(&self) -> Option<NodeId> {
        self.leaf_ids().min_by(|a, b| self.order(*a, *b))
    }

    /// Whether the winner is a tombstone, so that the document counts as deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.winner().is_some_and(|node| node.deleted)
    }

    /// Revisions that nothing followed, the winner first, the others in the order in which they
    /// would win.
    #[must_use]
    pub fn leaves(&self) -> Vec<NodeId> {
        self.in_winning_order(self.leaf_ids().collect())
    }

    /// Live leaves but the winner: CouchDB's `_conflicts`.
    #[must_use]
    pub fn conflicts(&self) -> Vec<NodeId> {
        self.losers(false)
    }

    /// Deleted leaves but the winner: CouchDB's `_deleted_conflicts`.
    #[must_use]
    pub fn deleted_conflicts(&self) -> Vec<NodeId> {
        self.losers(true)
    }

    /// Whether nothing followed this revision.
    #[must_use]
    pub fn is_leaf(&self, id: NodeId) -> bool {
        self.nodes.get(id.0 + 1).is_none_or(|next| next.parent != Some(id))
    }

    /// A node of this revision id; a leaf if there is one, else the first.
    #[must_use]
    pub fn find(&self, rev: &RevId) -> Option<NodeId> {
        let mut found = self.occurrences(rev);
        let first = found.next()?;
        if self.is_leaf(first) {
            return Some(first);
        }
        found.find(|id| self.is_leaf(*id)).or(Some(first))
    }

    /// Whether the revision is known, with its body or without.
    #[must_use]
    pub fn contains(&self, rev: &RevId) -> bool {
        self.occurrences(rev).next().is_some()
    }

    /// Whether it is for [`Self::resolve`] to say what becomes of its leaves: there are several, or a dead one.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.only_leaf().map_or_else(|| !self.is_empty(), |only| self.node(only).deleted)
    }

    /// A revision and what it came from, newest first: CouchDB's `_revisions` and `_revs_info`.
    pub fn ancestry(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        iter::successors(self.nodes.get(id.0), |node| node.parent.map(|parent| self.node(parent)))
    }

    /// The leaves that a revision led to, in winning order; itself where nothing followed it.
    ///
    /// A revision that stands under several parents leads to the leaves below each of them; CouchDB
    /// looks below the first only.
    ///
    /// Source: CouchDB's option `latest=true`, `couch_key_tree:get_key_leafs/2`.
    #[must_use]
    pub fn latest(&self, rev: &RevId) -> Vec<NodeId> {
        let below = |id: NodeId| (id.0..self.subtree_end(id)).map(NodeId);
        let ids = self.occurrences(rev).flat_map(below).filter(|id| self.is_leaf(*id));
        self.in_winning_order(ids.collect())
    }

    /// Those of `revs` that this tree does not know, in their order: what `_revs_diff` asks for.
    #[must_use]
    pub fn missing<'a>(&self, revs: &'a [RevId]) -> Vec<&'a RevId> {
        let mut missing: BTreeSet<&RevId> = revs.iter().collect();
        for node in &self.nodes {
            missing.remove(&node.rev);
        }
        revs.iter().filter(|rev| missing.contains(rev)).collect()
    }

    /// The leaves that a missing revision may descend from, in winning order: those of a lower
    /// generation than at least one of `missing`.
    ///
    /// Source: `possible_ancestors` of `_revs_diff`, `couch_db:find_missing/2`.
    #[must_use]
    pub fn possible_ancestors(&self, missing: &[&RevId]) -> Vec<NodeId> {
        let newest = missing.iter().map(|rev| rev.generation).max().unwrap_or_default();
        let mut leaves = self.leaves();
        leaves.retain(|id| self.node(*id).rev.generation < newest);
        leaves
    }

    /// The bodies of all revisions, by id, each once.
    #[must_use]
    pub fn stored_bodies(&self) -> Vec<Stored> {
        let mut bodies: Vec<Stored> = self.nodes.iter().filter_map(|node| node.stored).collect();
        bodies.sort_unstable();
        bodies.dedup_by_key(|stored| stored.body);
        bodies
    }

    /// Forgets where the bodies of superseded revisions lie, as compaction does.
    pub fn forget_superseded(&mut self) {
        for at in 0..self.nodes.len() {
            if !self.is_leaf(NodeId(at)) {
                self.nodes[at].stored = None;
            }
        }
    }

    /// Forgets where a body lies: somebody else keeps it.
    pub fn forget_body(&mut self, body: BodyId) {
        for node in &mut self.nodes {
            if node.stored.is_some_and(|stored| stored.body == body) {
                node.stored = None;
            }
        }
    }

    fn only_leaf(&self) -> Option<NodeId> {
        let mut leaves = self.leaf_ids();
        leaves.next().filter(|_| leaves.next().is_none())
    }

    /// Whether a leaf refers to this body.
    #[must_use]
    pub fn has_leaf_with(&self, body: BodyId) -> bool {
        let mut leaves = self.leaf_ids();
        leaves.any(|leaf| self.node(leaf).stored.is_some_and(|stored| stored.body == body))
    }

    fn leaf_ids(&self) -> impl Iterator<Item = NodeId> {
        (0..self.nodes.len()).map(NodeId).filter(|id| self.is_leaf(*id))
    }

    fn occurrences(&self, rev: &RevId) -> impl Iterator<Item = NodeId> {
        let here = move |(at, node): (usize, &Node)| (node.rev == *rev).then_some(NodeId(at));
        self.nodes.iter().enumerate().filter_map(here)
    }

    fn losers(&self, deleted: bool) -> Vec<NodeId> {
        let mut leaves = self.leaves();
        leaves.drain(..leaves.len().min(1));
        leaves.retain(|id| self.node(*id).deleted == deleted);
        leaves
    }

    fn in_winning_order(&self, mut ids: Vec<NodeId>) -> Vec<NodeId> {
        ids.sort_by(|a, b| self.order(*a, *b));
        ids
    }

    /// The one that wins is less.
    fn order(&self, a: NodeId, b: NodeId) -> Ordering {
        let (a, b) = (self.node(a), self.node(b));
        a.deleted.cmp(&b.deleted).then_with(|| b.rev.cmp(&a.rev))
    }

    /// The position behind a revision's last descendant.
    fn subtree_end(&self, id: NodeId) -> usize {
        let generation = self.node(id).rev.generation;
        let below = |node: &Node| node.parent.is_some() && node.rev.generation > generation;
        let rest = self.nodes.iter().skip(id.0 + 1);
        id.0 + 1 + rest.take_while(|node| below(node)).count()
    }
}
