//! How a path of revisions joins a tree.

use super::{Node, NodeId, RevTree, Stored};
use crate::{RevId, Signature};

/// What became of an inserted path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Inserted {
    /// Its tip follows what was a leaf, or begins the document.
    NewLeaf,
    /// Its tip is a further leaf: on a branch of a stored tree, or in a tree of its own.
    NewBranch,
    /// Its tip was in the tree before.
    Known {
        /// Whether the caller's body was taken: the tip was a leaf without one.
        body_taken: bool,
        /// Whether the path reached further back than the tree it joined.
        ancestors_learnt: bool,
    },
}

/// The greatest generation that the oldest revision of a path may have: what every reader of JSON has an
/// exact number for, and far from where generations end.
const GENERATION_MAX: u64 = 1 << 53;

/// The revisions given are not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There are none.
    #[error("a revision path must not be empty")]
    Empty,
    /// The generations do not descend one by one, or not to between 1 and 2^53.
    #[error("the generations of a revision path must descend one by one, to between 1 and 2^53")]
    Generations,
}

/// Where an incoming path and the tree coincide first.
struct Junction<'p> {
    node: NodeId,
    /// What the path has above it, newest first.
    newer: &'p [RevId],
    /// What the path has below it, newest first; if anything, then `node` is a root.
    older: &'p [RevId],
}

/// Where an incoming path leaves the tree.
struct Parting<'p> {
    node: NodeId,
    /// What the tree does not have, newest first.
    newer: &'p [RevId],
    /// Where in the arena the oldest of `newer` belongs.
    at: usize,
}

impl RevTree {
    /// Adds a revision with as many of its ancestors as the caller knows, newest first.
    ///
    /// The path joins the first node, in depth-first order, that is its oldest revision; else the
    /// first tree whose root it passes through, which thereby gains ancestors; else it becomes a
    /// tree of its own. Thus a revision may come to stand in two trees, which [`stem`](Self::stem)
    /// mends: stem after inserting, as CouchDB does.
    ///
    /// A known tip keeps its body and its `deleted`. Only a *leaf* without a body takes the
    /// caller's, and `deleted` with it. A revision that others followed takes none: CouchDB's
    /// database, too, answers such a delivery with success and ignores it.
    ///
    /// Source: CouchDB's `couch_key_tree:merge/2`.
    ///
    /// # Errors
    /// [`PathError`] when `path` is not one; the tree is unchanged.
    pub fn insert_path(
        &mut self,
        path: &[RevId],
        deleted: bool,
        stored: Option<Stored>,
    ) -> Result<Inserted, PathError> {
        let oldest = check(path)?;
        let (tip, inserted) = match self.junction(path, oldest) {
            Some(junction) => self.join(&junction, stored.is_some()),
            None => {
                let first = self.is_empty();
                let tip = self.graft(self.root_place(oldest), None, path);
                (tip, if first { Inserted::NewLeaf } else { Inserted::NewBranch })
            }
        };
        if !matches!(inserted, Inserted::Known { body_taken: false, .. }) {
            let node = &mut self.nodes[tip.0];
            node.deleted = deleted;
            node.stored = stored;
        }
        Ok(inserted)
    }

    fn junction<'p>(&self, path: &'p [RevId], oldest: &RevId) -> Option<Junction<'p>> {
        if let Some(node) = self.occurrences(oldest).next() {
            return Some(Junction { node, newer: &path[..path.len() - 1], older: &[] });
        }
        // From here on only roots younger than the path's can match, for an older tree that the
        // path belongs to would hold its oldest revision.
        self.nodes.iter().enumerate().filter(|(_, node)| node.parent.is_none()).find_map(
            |(root, node)| {
                let age = path[0].generation.checked_sub(node.rev.generation)?;
                let age = usize::try_from(age).ok()?;
                (path.get(age)? == &node.rev).then(|| Junction {
                    node: NodeId(root),
                    newer: &path[..age],
                    older: &path[age + 1..],
                })
            },
        )
    }

    /// Adds what either side of the junction lacks; returns where the path's tip stands then.
    fn join(&mut self, junction: &Junction<'_>, has_body: bool) -> (NodeId, Inserted) {
        let known = self.gain_ancestors(junction.node, junction.older);
        let parting = self.parting(known, junction.newer);
        let leaf = self.is_leaf(parting.node);
        if parting.newer.is_empty() {
            let body_taken = has_body && leaf && self.node(parting.node).stored.is_none();
            let ancestors_learnt = !junction.older.is_empty();
            return (parting.node, Inserted::Known { body_taken, ancestors_learnt });
        }
        let tip = self.graft(parting.at, Some(parting.node), parting.newer);
        (tip, if leaf { Inserted::NewLeaf } else { Inserted::NewBranch })
    }

    /// Follows a path upwards as far as the tree has it.
    fn parting<'p>(&self, from: NodeId, path: &'p [RevId]) -> Parting<'p> {
        let mut parting = Parting { node: from, newer: path, at: from.0 };
        while let Some((next, newer)) = parting.newer.split_last() {
            match self.child(parting.node, &next.signature) {
                Ok(child) => parting = Parting { node: child, newer, at: child.0 },
                Err(at) => return Parting { at, ..parting },
            }
        }
        parting
    }

    /// The child of this signature, or else where in the arena it belongs.
    fn child(&self, parent: NodeId, signature: &Signature) -> Result<NodeId, usize> {
        let generation = self.node(parent).rev.generation;
        let mut at = parent.0 + 1;
        while let Some(node) = self.nodes.get(at)
            && node.parent.is_some()
            && node.rev.generation > generation
        {
            if node.parent == Some(parent) && node.rev.signature >= *signature {
                return if node.rev.signature == *signature { Ok(NodeId(at)) } else { Err(at) };
            }
            at += 1;
        }
        Err(at)
    }

    /// Where in the arena a root of this id belongs.
    fn root_place(&self, rev: &RevId) -> usize {
        let after = |node: &Node| node.parent.is_none() && node.rev > *rev;
        self.nodes.iter().position(after).unwrap_or(self.nodes.len())
    }

    /// Inserts a path of revisions known by id only, in one piece; returns where its tip stands.
    fn graft(&mut self, at: usize, parent: Option<NodeId>, path: &[RevId]) -> NodeId {
        for node in &mut self.nodes[at..] {
            node.parent =
                node.parent.map(|id| NodeId(if id.0 < at { id.0 } else { id.0 + path.len() }));
        }
        let nodes = path.iter().rev().enumerate().map(|(step, rev)| Node {
            rev: rev.clone(),
            parent: if step == 0 { parent } else { Some(NodeId(at + step - 1)) },
            deleted: false,
            stored: None,
        });
        self.nodes.splice(at..at, nodes);
        NodeId(at + path.len() - 1)
    }

    /// Puts ancestors, newest first, below a root; returns where the former root stands then.
    fn gain_ancestors(&mut self, root: NodeId, older: &[RevId]) -> NodeId {
        let Some(oldest) = older.last() else { return root };
        // The tree has an older root now, so it may have to move up past other trees.
        let below = self.graft(self.root_place(oldest), None, older);
        let (start, root) = (below.0 + 1, root.0 + older.len());
        let end = self.subtree_end(NodeId(root));
        let (passed, moved) = self.nodes[start..end].split_at_mut(root - start);
        shift(passed, |id| id + moved.len());
        shift(moved, |id| id - passed.len());
        moved[0].parent = Some(below);
        self.nodes[start..end].rotate_left(root - start);
        NodeId(start)
    }
}

/// Checks that it is a path; returns its oldest revision.
pub(crate) fn check(path: &[RevId]) -> Result<&RevId, PathError> {
    let oldest = path.last().ok_or(PathError::Empty)?;
    let descends = |pair: &[RevId]| pair[0].generation.checked_sub(1) == Some(pair[1].generation);
    if !(1..=GENERATION_MAX).contains(&oldest.generation) || !path.windows(2).all(descends) {
        return Err(PathError::Generations);
    }
    Ok(oldest)
}

fn shift(nodes: &mut [Node], to: impl Fn(usize) -> usize) {
    for node in nodes {
        node.parent = node.parent.map(|id| NodeId(to(id.0)));
    }
}
