//! How a tree forgets its oldest revisions.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::resolve::CHAIN_MAX;
use super::{BodyId, Node, NodeId, RevTree, Stored};
use crate::{RevId, Signature};

impl RevTree {
    /// Keeps of every leaf its last `limit` revisions (at least one), and drops what no leaf keeps.
    ///
    /// Returns the bodies that no revision refers to any more. A revision whose parent is dropped
    /// becomes the root of a tree of its own.
    ///
    /// Where a signature stands at several nodes, the forest is planted anew from the kept path of
    /// every leaf, so that a revision that came to stand in two trees stands in one again. Histories
    /// that arrive in pieces need this, so call it after inserting, however short they are.
    ///
    /// Of a leaf that only its ancestors tell the meaning of, those stay whatever the limit:
    /// [`super::resolve`] says which.
    ///
    /// Source: CouchDB's `couch_key_tree:stem/2`.
    pub fn stem(&mut self, limit: usize) -> Vec<Stored> {
        let limit = limit.max(1);
        if let Some(leaf) = self.only_leaf() {
            return self.shorten(self.limit_of(leaf, limit));
        }
        let nodes = if self.repeats_a_signature() {
            self.replanted(limit)
        } else if self.nodes.len() > limit {
            self.cut(limit)
        } else {
            return Vec::new();
        };
        let mut freed = self.stored_bodies();
        let bodies = nodes.iter().filter_map(|node| node.stored);
        let kept: HashSet<BodyId> = bodies.map(|stored| stored.body).collect();
        freed.retain(|stored| !kept.contains(&stored.body));
        self.nodes = nodes;
        freed
    }

    /// How many revisions of a leaf's history are kept where `limit` are of others'.
    fn limit_of(&self, leaf: NodeId, limit: usize) -> usize {
        if limit < CHAIN_MAX { limit.max(self.chain(leaf)) } else { limit }
    }

    /// Stems a single history, at whose limit an often edited document stands for ever.
    fn shorten(&mut self, limit: usize) -> Vec<Stored> {
        let excess = self.nodes.len().saturating_sub(limit);
        let freed = self.nodes.drain(..excess).filter_map(|node| node.stored).collect();
        for node in &mut self.nodes {
            node.parent = node.parent.and_then(|parent| parent.0.checked_sub(excess)).map(NodeId);
        }
        freed
    }

    fn repeats_a_signature(&self) -> bool {
        let mut seen: HashSet<&Signature> = HashSet::with_capacity(self.nodes.len());
        !self.nodes.iter().all(|node| seen.insert(&node.rev.signature))
    }

    fn cut(&self, limit: usize) -> Vec<Node> {
        // How many revisions are kept from a node on downwards, by the leaf that keeps most of them.
        let mut left = vec![0_usize; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().rev() {
            if self.is_leaf(NodeId(at)) {
                left[at] = self.limit_of(NodeId(at), limit);
            }
            if let Some(NodeId(parent)) = node.parent {
                left[parent] = left[parent].max(left[at].saturating_sub(1));
            }
        }
        let mut kept = Vec::new();
        let mut places = vec![None; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            if left[at] > 0 {
                places[at] = Some(NodeId(kept.len()));
                let parent = node.parent.and_then(|parent| places[parent.0]);
                kept.push(Node { parent, ..node.clone() });
            }
        }
        arranged(&kept)
    }

    /// Merges the kept path of every leaf into an empty forest, oldest beginnings first.
    ///
    /// Source: `repair_tree` in `couch_key_tree`.
    fn replanted(&self, limit: usize) -> Vec<Node> {
        let path =
            |leaf| self.ancestry(leaf).take(self.limit_of(leaf, limit)).collect::<Vec<&Node>>();
        let mut paths: Vec<Vec<&Node>> = self.leaf_ids().map(path).collect();
        paths.sort_by(|a, b| {
            let oldest = |path: &[&Node]| path.last().map(|node| node.rev.generation);
            let nodes = || a.iter().map(planting_order).cmp(b.iter().map(planting_order));
            oldest(a).cmp(&oldest(b)).then_with(nodes)
        });
        let mut grove = Grove::default();
        for path in &paths {
            grove.plant(path);
        }
        arranged(&grove.nodes)
    }
}

/// Orders two nodes as CouchDB plants them: by signature, then with a body before without, live
/// before deleted, and the older body first.
fn planting_order<'t>(node: &&'t Node) -> (&'t Signature, bool, bool, Option<Stored>) {
    (&node.rev.signature, node.stored.is_none(), node.deleted, node.stored)
}

/// A forest under construction, its nodes in order of arrival.
#[derive(Default)]
struct Grove<'t> {
    nodes: Vec<Node>,
    children: HashMap<(NodeId, &'t Signature), NodeId>,
    occurrences: HashMap<&'t RevId, Vec<NodeId>>,
}

impl<'t> Grove<'t> {
    /// Merges a path, newest first; none planted before may begin later.
    ///
    /// Does what [`RevTree::insert_path`] does, in time proportional to the path: a document that
    /// strangers filled with branches is planted anew at every edit.
    fn plant(&mut self, path: &[&'t Node]) {
        let Some((oldest, newer)) = path.split_last() else { return };
        let mut at = match self.first(&oldest.rev) {
            Some(known) => self.meet(known, oldest),
            None => self.add(oldest, None),
        };
        for node in newer.iter().rev() {
            at = match self.children.get(&(at, &node.rev.signature)) {
                Some(&known) => self.meet(known, node),
                None => self.add(node, Some(at)),
            };
        }
    }

    /// The first node of this id in the order of the finished tree.
    fn first(&mut self, rev: &'t RevId) -> Option<NodeId> {
        let occurrences = self.occurrences.get(rev)?;
        let first = match occurrences[..] {
            [only] => only,
            _ => occurrences.iter().copied().min_by_key(|id| self.lineage(*id))?,
        };
        // Whatever follows begins no earlier, so it adds no further occurrence.
        self.occurrences.insert(rev, vec![first]);
        Some(first)
    }

    /// Ids from the root up to a node.
    fn lineage(&self, id: NodeId) -> Vec<&RevId> {
        let mut lineage = vec![&self.nodes[id.0].rev];
        let mut at = id;
        while let Some(parent) = self.nodes[at.0].parent {
            lineage.push(&self.nodes[parent.0].rev);
            at = parent;
        }
        lineage.reverse();
        lineage
    }

    fn meet(&mut self, known: NodeId, node: &Node) -> NodeId {
        let known_node = &mut self.nodes[known.0];
        if known_node.stored.is_none() && node.stored.is_some() {
            known_node.deleted = node.deleted;
            known_node.stored = node.stored;
        }
        known
    }

    fn add(&mut self, node: &'t Node, parent: Option<NodeId>) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node { parent, ..node.clone() });
        self.occurrences.entry(&node.rev).or_default().push(id);
        if let Some(parent) = parent {
            self.children.insert((parent, &node.rev.signature), id);
        }
        id
    }
}

/// Puts nodes whose parents are right into the arena's order.
fn arranged(nodes: &[Node]) -> Vec<Node> {
    // Siblings stand together, the last first, as the stack takes them.
    let mut families: Vec<usize> = (0..nodes.len()).collect();
    families.sort_by_key(|at| (nodes[*at].parent, Reverse(&nodes[*at].rev)));
    let children = |parent: Option<NodeId>| {
        let start = families.partition_point(|at| nodes[*at].parent < parent);
        let count = families[start..].partition_point(|at| nodes[*at].parent == parent);
        &families[start..start + count]
    };
    let mut arranged = Vec::with_capacity(nodes.len());
    let mut places = vec![None; nodes.len()];
    let mut stack = children(None).to_vec();
    while let Some(at) = stack.pop() {
        places[at] = Some(NodeId(arranged.len()));
        let parent = nodes[at].parent.and_then(|parent| places[parent.0]);
        arranged.push(Node { parent, ..nodes[at].clone() });
        stack.extend_from_slice(children(Some(NodeId(at))));
    }
    arranged
}
