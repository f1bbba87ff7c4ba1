//! A tree and the model of it, driven by the same paths.

use std::collections::HashSet;

use store::rev_tree::{BodyId, Inserted, RevTree, Stored};
use store::{RevId, Signature};

use crate::model::{self, Key, Leaf, Outcome, Tree, Value};

/// A revision with its ancestors, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) start: i64,
    pub(crate) keys: Vec<Key>,
    pub(crate) deleted: bool,
}

impl Path {
    /// Every revision has a body of its own, and another one where it comes deleted.
    pub(crate) fn body(&self) -> u64 {
        let generation = u64::try_from(self.start).unwrap() + self.keys.len() as u64;
        generation << 16 | u64::from(self.keys[self.keys.len() - 1]) << 1 | u64::from(self.deleted)
    }

    pub(crate) fn insert(&self, tree: &mut RevTree) -> Inserted {
        let rev = |(at, key): (usize, &Key)| rev(self.start + i64::try_from(at).unwrap(), *key);
        let mut revs: Vec<RevId> = self.keys.iter().enumerate().map(rev).collect();
        revs.reverse();
        let stored = Stored::new(BodyId(self.body()), 10);
        tree.insert_path(&revs, self.deleted, Some(stored)).unwrap()
    }

    fn model(&self) -> Tree {
        let value = Value::Leaf { deleted: self.deleted, body: self.body() };
        model::to_path(self.start, &self.keys, value)
    }
}

/// What paths are made of: two signatures in each of some generations.
pub(crate) struct Alphabet {
    pub(crate) generations: i64,
    /// Whether no two generations share a signature, as with real revision ids.
    pub(crate) distinct: bool,
    /// Whether every path also comes deleted.
    pub(crate) tombstones: bool,
}

impl Alphabet {
    pub(crate) fn paths(&self) -> Vec<Path> {
        let lengths = |start| (1..=self.generations + 1 - start).map(move |length| (start, length));
        let mut paths = Vec::new();
        for (start, length) in (1..=self.generations).flat_map(lengths) {
            for choice in 0_u8..1 << length {
                let keys = (0..length).map(|step| self.key(start + step, choice >> step & 1));
                let live = Path { start, keys: keys.collect(), deleted: false };
                if self.tombstones {
                    paths.push(Path { deleted: true, ..live.clone() });
                }
                paths.push(live);
            }
        }
        paths
    }

    fn key(&self, generation: i64, choice: u8) -> Key {
        let own = if self.distinct { 2 * u8::try_from(generation).unwrap() } else { 0 };
        b'a' + own + choice
    }
}

fn rev(generation: i64, key: Key) -> RevId {
    let generation = u64::try_from(generation).unwrap();
    RevId { generation, signature: Signature::Digest([key; 16]) }
}

/// A tree, and the model of the same history.
#[derive(Clone, Default)]
pub(crate) struct Pair {
    pub(crate) tree: RevTree,
    pub(crate) model: Vec<Tree>,
}

impl Pair {
    pub(crate) fn insert(&mut self, path: &Path) {
        let inserted = path.insert(&mut self.tree);
        let (model, outcome) = model::merge(&self.model, &path.model());
        self.model = model;
        let expected = match inserted {
            Inserted::NewLeaf => Outcome::NewLeaf,
            Inserted::NewBranch => Outcome::NewBranch,
            Inserted::Known { .. } => Outcome::InternalNode,
        };
        assert_eq!(outcome, expected, "{path:?} into {:?}", self.model);
    }

    pub(crate) fn stem(&mut self, limit: u8) {
        let before = self.tree.stored_bodies();
        let freed = self.tree.stem(usize::from(limit));
        let mut all = [self.tree.stored_bodies(), freed].concat();
        all.sort();
        assert_eq!(all, before, "a body is either kept or freed");
        // CouchDB knows no limit of 0.
        self.model = model::stem(&self.model, i64::from(limit.max(1)));
    }

    /// Compares leaves, ancestries and winner, and what the arena's order promises.
    pub(crate) fn check(&self) {
        let mut expected = model::get_all_leafs(&self.model);
        expected.sort();
        let mut leaves = leaves(&self.tree);
        let live_first = |leaf: &Leaf| match leaf.2 {
            Value::Leaf { deleted, .. } => (!deleted, leaf.0, leaf.1[0]),
            Value::Missing => unreachable!("a leaf came with a body"),
        };
        let order: Vec<_> = leaves.iter().map(live_first).collect();
        assert!(order.is_sorted_by(|a, b| a >= b), "{order:?}");
        assert_eq!(order.first(), expected.iter().map(live_first).max().as_ref());
        leaves.sort();
        assert_eq!(leaves, expected);
        check_round_trip(&self.tree);
    }
}

pub(crate) fn check_round_trip(tree: &RevTree) {
    assert_eq!(RevTree::decode(&tree.encode()).as_ref(), Ok(tree));
}

/// Leaves in winning order, each with its ancestry.
pub(crate) fn leaves(tree: &RevTree) -> Vec<Leaf> {
    let key = |rev: &RevId| rev.signature.as_bytes()[0];
    let leaf = |id| {
        let node = tree.node(id);
        let body = node.stored.map(|stored| stored.body.0).unwrap();
        let value = Value::Leaf { deleted: node.deleted, body };
        let path = tree.ancestry(id).map(|node| key(&node.rev)).collect();
        (i64::try_from(node.rev.generation).unwrap(), path, value)
    };
    tree.leaves().into_iter().map(leaf).collect()
}

/// Every pair that up to `insertions` of the paths lead to, each once.
pub(crate) fn every_tree(paths: &[Path], insertions: usize) -> Vec<Pair> {
    let mut seen = HashSet::new();
    let mut all = vec![Pair::default()];
    let mut last = 0..1;
    for _ in 0..insertions {
        for parent in last.clone() {
            for path in paths {
                let mut pair = all[parent].clone();
                pair.insert(path);
                if seen.insert((pair.tree.encode(), format!("{:?}", pair.model))) {
                    pair.check();
                    all.push(pair);
                }
            }
        }
        last = last.end..all.len();
    }
    all
}
