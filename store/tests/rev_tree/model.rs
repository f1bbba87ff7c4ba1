//! `couch_key_tree` as CouchDB has it: nested lists, recursion, the same clauses in the same order.
//!
//! Slow and plain, for comparison only. Written after CouchDB's
//! `src/couch/src/couch_key_tree.erl`, whose function names it keeps.

/// A revision id's part after the hyphen; depth is a matter of position.
pub(crate) type Key = u8;

/// What a node says of its revision; in the order of Erlang's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Leaf { deleted: bool, body: u64 },
    Missing,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Branch {
    pub(crate) key: Key,
    pub(crate) value: Value,
    pub(crate) children: Vec<Self>,
}

/// Generation of the root, and the root.
pub(crate) type Tree = (i64, Branch);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    NewLeaf,
    NewBranch,
    InternalNode,
}

/// A leaf: generation, keys from the leaf down to its root, value.
pub(crate) type Leaf = (i64, Vec<Key>, Value);

/// A path as a tree; keys oldest first.
pub(crate) fn to_path(start: i64, keys: &[Key], value: Value) -> Tree {
    let branch = |child: Option<Branch>, key: &Key| match child {
        None => Some(Branch { key: *key, value, children: Vec::new() }),
        Some(child) => Some(Branch { key: *key, value: Value::Missing, children: vec![child] }),
    };
    (start, keys.iter().rev().fold(None, branch).unwrap())
}

pub(crate) fn merge(forest: &[Tree], tree: &Tree) -> (Vec<Tree>, Outcome) {
    let (mut merged, outcome) = merge_tree(forest, tree, Vec::new());
    merged.sort();
    (merged, outcome)
}

fn merge_tree(forest: &[Tree], tree: &Tree, mut passed: Vec<Tree>) -> (Vec<Tree>, Outcome) {
    let Some(((depth, node), rest)) = forest.split_first() else {
        let outcome = if passed.is_empty() { Outcome::NewLeaf } else { Outcome::NewBranch };
        passed.push(tree.clone());
        return (passed, outcome);
    };
    let ours = std::slice::from_ref(node);
    match merge_at(ours, depth - tree.0, std::slice::from_ref(&tree.1)) {
        Some((merged, outcome)) => {
            let [merged] = merged.try_into().unwrap();
            passed.push(((*depth).min(tree.0), merged));
            passed.extend_from_slice(rest);
            (passed, outcome)
        }
        None => {
            passed.push((*depth, node.clone()));
            merge_tree(rest, tree, passed)
        }
    }
}

fn merge_at(ours: &[Branch], position: i64, path: &[Branch]) -> Option<(Vec<Branch>, Outcome)> {
    let (step, (node, siblings)) = (path.first()?, ours.split_first()?);
    if position > 0 {
        let (merged, outcome) = merge_at(ours, position - 1, &step.children)?;
        return Some((vec![Branch { children: merged, ..step.clone() }], outcome));
    }
    if position < 0 {
        if let Some((merged, outcome)) = merge_at(&node.children, position + 1, path) {
            let mut nodes = vec![Branch { children: merged, ..node.clone() }];
            nodes.extend_from_slice(siblings);
            return Some((nodes, outcome));
        }
    } else if node.key == step.key {
        let (children, outcome) = merge_extend(&node.children, &step.children);
        let value = value_pref(node.value, step.value);
        let mut nodes = vec![Branch { key: node.key, value, children }];
        nodes.extend_from_slice(siblings);
        return Some((nodes, outcome));
    } else if node.key > step.key {
        return None;
    }
    let (merged, outcome) = merge_at(siblings, position, path)?;
    let mut nodes = vec![node.clone()];
    nodes.extend(merged);
    Some((nodes, outcome))
}

fn merge_extend(ours: &[Branch], path: &[Branch]) -> (Vec<Branch>, Outcome) {
    let Some(step) = path.first() else { return (ours.to_vec(), Outcome::InternalNode) };
    let Some((node, siblings)) = ours.split_first() else {
        return (path.to_vec(), Outcome::NewLeaf);
    };
    if node.key == step.key {
        let (children, outcome) = merge_extend(&node.children, &step.children);
        let value = value_pref(node.value, step.value);
        let mut nodes = vec![Branch { key: node.key, value, children }];
        nodes.extend_from_slice(siblings);
        return (nodes, outcome);
    }
    if node.key > step.key {
        return ([path, ours].concat(), Outcome::NewBranch);
    }
    let (merged, outcome) = merge_extend(siblings, path);
    let outcome = if merged.len() == siblings.len() { outcome } else { Outcome::NewBranch };
    let mut nodes = vec![node.clone()];
    nodes.extend(merged);
    (nodes, outcome)
}

fn value_pref(first: Value, second: Value) -> Value {
    if first == Value::Missing { second } else { first }
}

pub(crate) fn get_all_leafs(forest: &[Tree]) -> Vec<Leaf> {
    paths(forest).into_iter().map(|path| leaf(&path)).collect()
}

fn leaf(path: &(i64, Vec<(Key, Value)>)) -> Leaf {
    (path.0, path.1.iter().map(|node| node.0).collect(), path.1[0].1)
}

/// Generation of each leaf, and the nodes from it down to its root.
fn paths(forest: &[Tree]) -> Vec<(i64, Vec<(Key, Value)>)> {
    fn walk(
        depth: i64,
        node: &Branch,
        below: &[(Key, Value)],
        paths: &mut Vec<(i64, Vec<(Key, Value)>)>,
    ) {
        let path = [&[(node.key, node.value)], below].concat();
        for child in &node.children {
            walk(depth + 1, child, &path, paths);
        }
        if node.children.is_empty() {
            paths.push((depth, path));
        }
    }
    let mut paths = Vec::new();
    for (depth, node) in forest {
        walk(*depth, node, &[], &mut paths);
    }
    paths
}

/// A key stands at several nodes.
struct DupeKeys;

/// What stemming leaves of a subtree.
struct Stemmed {
    /// How many more ancestors the nearest leaf keeps.
    limit: i64,
    kept: Option<Branch>,
    branches: Vec<Tree>,
}

pub(crate) fn stem(forest: &[Tree], limit: i64) -> Vec<Tree> {
    let mut seen = Vec::new();
    let mut stemmed = Vec::new();
    for (depth, node) in forest {
        let Ok(tree) = stem_tree(*depth, node, limit, &mut seen) else {
            return repair_tree(forest, limit);
        };
        stemmed.extend(tree.kept.map(|kept| (*depth, kept)));
        stemmed.extend(tree.branches);
    }
    stemmed.sort();
    stemmed
}

fn stem_tree(
    depth: i64,
    node: &Branch,
    limit: i64,
    seen: &mut Vec<Key>,
) -> Result<Stemmed, DupeKeys> {
    if seen.contains(&node.key) {
        return Err(DupeKeys);
    }
    seen.push(node.key);
    if node.children.is_empty() {
        return Ok(Stemmed { limit: limit - 1, kept: Some(node.clone()), branches: Vec::new() });
    }
    let (mut left, mut children, mut branches) = (-1, Vec::new(), Vec::new());
    for child in &node.children {
        let stemmed = stem_tree(depth + 1, child, limit, seen)?;
        left = left.max(stemmed.limit);
        children.extend(stemmed.kept);
        branches.extend(stemmed.branches);
    }
    let kept = (left > 0).then(|| Branch { children: children.clone(), ..node.clone() });
    if left == 0 {
        branches.extend(children.into_iter().map(|child| (depth + 1, child)));
    }
    Ok(Stemmed { limit: left - 1, kept, branches })
}

fn repair_tree(forest: &[Tree], limit: i64) -> Vec<Tree> {
    let stemmed = |(depth, mut path): (i64, Vec<(Key, Value)>)| {
        path.truncate(usize::try_from(limit).unwrap());
        (depth + 1 - i64::try_from(path.len()).unwrap(), path)
    };
    let mut paths: Vec<_> = paths(forest).into_iter().map(stemmed).collect();
    paths.sort();
    paths.into_iter().fold(Vec::new(), |forest, (start, path)| {
        let branch =
            |child: Vec<Branch>, (key, value)| vec![Branch { key, value, children: child }];
        let [tree] = path.into_iter().fold(Vec::new(), branch).try_into().unwrap();
        merge(&forest, &(start, tree)).0
    })
}
