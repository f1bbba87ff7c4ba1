//! How a tree loses revisions for good.

use std::collections::HashSet;

use super::{BodyId, Node, NodeId, RevTree, Stored};
use crate::RevId;

/// What a purge took from a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// The leaves that are gone, in the order in which they were asked for.
    pub revs: Vec<RevId>,
    /// The bodies that no revision refers to any more.
    pub freed: Vec<Stored>,
}

impl RevTree {
    /// Takes the leaves among `revs` away, each with the ancestors that led nowhere else; whatever is
    /// no leaf stays. A tree that loses all its leaves is empty.
    ///
    /// Source: CouchDB's `couch_key_tree:remove_leafs/2`.
    pub fn purge(&mut self, revs: &[RevId]) -> Purged {
        let wanted: HashSet<&RevId> = revs.iter().collect();
        let gone: Vec<NodeId> =
            self.leaf_ids().filter(|at| wanted.contains(&self.node(*at).rev)).collect();
        if gone.is_empty() {
            return Purged::default();
        }
        let mut kept = vec![false; self.nodes.len()];
        for at in (0..self.nodes.len()).rev() {
            kept[at] |= self.is_leaf(NodeId(at)) && !gone.contains(&NodeId(at));
            if let Some(NodeId(parent)) = self.nodes[at].parent {
                kept[parent] |= kept[at];
            }
        }
        let taken: HashSet<RevId> = gone.iter().map(|at| self.node(*at).rev.clone()).collect();
        let mut freed = self.stored_bodies();
        let mut places = vec![None; self.nodes.len()];
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (at, node) in self.nodes.iter().enumerate().filter(|(at, _)| kept[*at]) {
            places[at] = Some(NodeId(nodes.len()));
            let parent = node.parent.and_then(|parent| places[parent.0]);
            nodes.push(Node { parent, ..node.clone() });
        }
        self.nodes = nodes;
        let kept: HashSet<BodyId> =
            self.nodes.iter().filter_map(|node| node.stored).map(|stored| stored.body).collect();
        freed.retain(|stored| !kept.contains(&stored.body));
        let mut told = HashSet::new();
        let revs = revs.iter().filter(|rev| taken.contains(*rev) && told.insert(*rev));
        Purged { revs: revs.cloned().collect(), freed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of these paths, newest first; bodies count from 1.
    fn tree(paths: &[&str]) -> RevTree {
        let mut tree = RevTree::default();
        for (at, path) in paths.iter().enumerate() {
            let path: Vec<RevId> = path.split(' ').map(|rev| rev.parse().unwrap()).collect();
            let stored = Stored::new(BodyId(at as u64 + 1), 1);
            let _ = tree.insert_path(&path, false, Some(stored)).unwrap();
        }
        tree
    }

    /// Purging `revs` takes these leaves and bodies, and leaves these revisions.
    fn check(paths: &[&str], revs: &str, gone: &str, freed: &[u64], left: &str) {
        let mut tree = tree(paths);
        let revs: Vec<RevId> = revs.split_terminator(' ').map(|rev| rev.parse().unwrap()).collect();
        let purged = tree.purge(&revs);
        let list = |revs: Vec<String>| revs.join(" ");
        assert_eq!(list(purged.revs.iter().map(ToString::to_string).collect()), gone);
        assert_eq!(purged.freed.iter().map(|stored| stored.body.0).collect::<Vec<_>>(), freed);
        assert_eq!(list(tree.nodes().map(|node| node.rev.to_string()).collect()), left);
        assert_eq!(RevTree::decode(&tree.encode()).unwrap(), tree, "still a tree");
    }

    #[test]
    fn leaves_go_with_what_led_nowhere_else() {
        let line = &["1-a", "2-b 1-a", "3-c 2-b 1-a"][..];
        check(line, "3-c", "3-c", &[1, 2, 3], "");
        check(line, "2-b 3-c", "3-c", &[1, 2, 3], "");
        check(line, "2-b 1-a 4-x", "", &[], "1-a 2-b 3-c");
        check(line, "", "", &[], "1-a 2-b 3-c");
        let fork = &["2-b 1-a", "3-c 2-b 1-a", "2-d 1-a"][..];
        check(fork, "3-c 3-c", "3-c", &[1, 2], "1-a 2-d");
        check(fork, "2-d", "2-d", &[3], "1-a 2-b 3-c");
        check(fork, "2-d 1-a 3-c", "2-d 3-c", &[1, 2, 3], "");
        let two_trees = &["2-b 1-a", "5-f 4-e", "5-g 4-e"][..];
        check(two_trees, "2-b 5-g", "2-b 5-g", &[1, 3], "4-e 5-f");
    }
}
