//! Revision trees against CouchDB's own algorithm, over every small tree.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "rev_tree/model.rs"]
mod model;
#[path = "rev_tree/pair.rs"]
mod pair;

use pair::{Alphabet, check_round_trip, every_tree, leaves};
use proptest::prelude::*;
use store::rev_tree::{BodyId, Inserted, NodeId, PathError, RevTree, Stored};
use store::{RevId, Signature};

const SMALL: Alphabet = Alphabet { generations: 3, distinct: true, tombstones: true };
const LIVE: Alphabet = Alphabet { tombstones: false, ..SMALL };
const DEEP: Alphabet = Alphabet { generations: 4, ..LIVE };

#[test]
fn every_small_tree() {
    let check = |alphabet: Alphabet, insertions, count| {
        assert_eq!(every_tree(&alphabet.paths(), insertions).len(), count);
    };
    check(SMALL, 4, 111_961);
    check(LIVE, 5, 31_879);
    check(DEEP, 3, 16_627);
    check(Alphabet { distinct: false, ..LIVE }, 4, 7_831);
}

#[test]
fn every_small_tree_stemmed() {
    let check = |alphabet: Alphabet| {
        for pair in every_tree(&alphabet.paths(), 3) {
            for limit in 0..=4 {
                let mut stemmed = pair.clone();
                stemmed.stem(limit);
                stemmed.check();
            }
        }
    };
    check(SMALL);
    check(DEEP);
    check(Alphabet { distinct: false, ..SMALL });
    check(Alphabet { distinct: false, ..DEEP });
}

#[test]
fn every_small_tree_merged_after_stemming() {
    let paths = DEEP.paths();
    for pair in every_tree(&paths, 2) {
        for (limit, path) in (1..=3).flat_map(|limit| paths.iter().map(move |path| (limit, path))) {
            let mut stemmed = pair.clone();
            stemmed.stem(limit);
            stemmed.insert(path);
            stemmed.check();
            stemmed.stem(limit);
            stemmed.check();
        }
    }
}

#[test]
fn order_of_arrival_does_not_matter_to_whole_histories() {
    let mut paths = LIVE.paths();
    paths.retain(|path| path.start == 1);
    for path in &mut paths {
        path.deleted = path.body() % 3 == 0;
    }
    let choose = |set: u32| (0..paths.len()).filter(move |at| set >> at & 1 == 1);
    for set in (0..1 << paths.len()).filter(|set: &u32| set.count_ones() == 4) {
        let grown = |order: &[usize]| {
            let mut tree = RevTree::default();
            for at in order {
                let _ = paths[*at].insert(&mut tree);
            }
            leaves(&tree)
        };
        let mut order: Vec<usize> = choose(set).collect();
        let expected = grown(&order);
        // Heap's algorithm: every order of the four.
        let (mut turns, mut at) = ([0; 4], 1);
        while at < 4 {
            if turns[at] < at {
                order.swap(if at % 2 == 0 { 0 } else { turns[at] }, at);
                assert_eq!(grown(&order), expected, "{order:?} of {paths:?}");
                turns[at] += 1;
                at = 1;
            } else {
                turns[at] = 0;
                at += 1;
            }
        }
    }
}

/// A tree of paths written `1-a 2-b`, each newest last and live, unless it ends in ` x`.
fn tree(paths: &[&str]) -> RevTree {
    let mut tree = RevTree::default();
    for (body, path) in (0..).zip(paths) {
        let (path, deleted) = path.strip_suffix(" x").map_or((*path, false), |path| (path, true));
        let revs: Vec<RevId> = path.rsplit(' ').map(|rev| rev.parse().unwrap()).collect();
        let stored = Stored::new(BodyId(body), 1);
        let _ = tree.insert_path(&revs, deleted, Some(stored)).unwrap();
    }
    tree
}

fn revs(tree: &RevTree, ids: impl IntoIterator<Item = NodeId>) -> String {
    let texts: Vec<String> = ids.into_iter().map(|id| tree.node(id).rev.to_string()).collect();
    texts.join(" ")
}

#[test]
fn winners() {
    let check = |paths: &[&str], winner: &str, conflicts: &str, deleted_conflicts: &str| {
        let tree = tree(paths);
        assert_eq!(revs(&tree, tree.winner_id()), winner, "{paths:?}");
        assert_eq!(revs(&tree, tree.conflicts()), conflicts, "{paths:?}");
        assert_eq!(revs(&tree, tree.deleted_conflicts()), deleted_conflicts, "{paths:?}");
        assert_eq!(tree.is_deleted(), conflicts.is_empty() && tree.winner().unwrap().deleted);
    };
    // The example of CouchDB's page "Replication and conflict model".
    let (low, high) = ("2-7c971bb974251ae8541b8fe045964219", "2-de0ea16f8621cbac506d23a0fbbde08a");
    let first = "1-967a00dff5e02add41819138abb3284d";
    check(&[&format!("{first} {high}"), &format!("{first} {low}")], high, low, "");
    check(&[&format!("{first} {low}"), &format!("{first} {high}")], high, low, "");
    // The longer history wins, whatever the signatures, and counted, not compared as text.
    check(&["1-a 2-z", "1-a 2-b 3-a"], "3-a", "2-z", "");
    check(&["9-z", "10-a"], "10-a", "9-z", "");
    // A deleted leaf loses against any live one, but is a leaf still.
    check(&["1-a 2-b 3-c x", "1-b"], "1-b", "", "3-c");
    check(&["1-a 2-b x", "1-a 2-c x"], "2-c", "", "2-b");
    check(&["1-a 2-b x", "1-a 2-c", "1-d", "1-e x"], "2-c", "1-d", "2-b 1-e");
    // An edit of a conflicting leaf settles which history is longer; deleting it ends the conflict.
    check(&["1-a 2-b", "1-a 2-c", "2-b 3-d"], "3-d", "2-c", "");
    check(&["1-a 2-b", "1-a 2-c", "2-c 3-d x"], "2-b", "", "3-d");
    assert_eq!(RevTree::default().winner(), None);
}

#[test]
fn histories_that_arrive_in_pieces() {
    let mut tree = tree(&["1-a", "3-c", "1-a 2-b 3-c"]);
    assert_eq!(revs(&tree, tree.leaves()), "3-c 3-c");
    // The copy with the longer history keeps its body.
    assert_eq!(tree.stem(1000), [Stored::new(BodyId(1), 1)]);
    assert_eq!(revs(&tree, tree.leaves()), "3-c");
    assert_eq!(tree.nodes().len(), 3);
}

#[test]
fn questions() {
    let tree = tree(&["1-a 2-b 3-c", "1-a 2-d", "4-e x", "5-f"]);
    let parse =
        |text: &str| -> Vec<RevId> { text.split(' ').map(|r| r.parse().unwrap()).collect() };
    let latest = |rev: &str| revs(&tree, tree.latest(&rev.parse().unwrap()));
    assert_eq!(latest("1-a"), "3-c 2-d");
    assert_eq!(latest("2-b"), "3-c");
    assert_eq!(latest("4-e"), "4-e");
    assert_eq!(latest("3-x"), "");
    let asked = parse("4-x 1-a 3-y 3-c 5-f");
    let missing = tree.missing(&asked);
    assert_eq!(missing, [&asked[0], &asked[2]]);
    assert_eq!(revs(&tree, tree.possible_ancestors(&missing)), "3-c 2-d");
    assert_eq!(revs(&tree, tree.possible_ancestors(&[])), "");
    let leaf = tree.find(&parse("3-c")[0]).unwrap();
    assert!(tree.is_leaf(leaf) && !tree.is_leaf(tree.find(&parse("2-b")[0]).unwrap()));
    assert!(tree.ancestry(leaf).map(|node| node.rev.clone()).eq(parse("3-c 2-b 1-a")));
    assert!(tree.contains(&asked[1]) && !tree.contains(&asked[0]));
}

#[test]
fn a_leaf_without_a_body_takes_one() {
    let revs: Vec<RevId> = ["2-b", "1-a"].iter().map(|rev| rev.parse().unwrap()).collect();
    let stored = |body| Some(Stored::new(BodyId(body), 1));
    let known = |body_taken| Inserted::Known { body_taken, ancestors_learnt: false };
    let mut tree = RevTree::default();
    assert_eq!(tree.insert_path(&revs, false, None), Ok(Inserted::NewLeaf));
    assert_eq!(tree.insert_path(&revs[1..], false, stored(1)), Ok(known(false)));
    assert_eq!(tree.insert_path(&revs, false, None), Ok(known(false)));
    assert_eq!(tree.insert_path(&revs, true, stored(2)), Ok(known(true)));
    assert_eq!(tree.insert_path(&revs, false, stored(3)), Ok(known(false)));
    assert!(tree.is_deleted());
    assert_eq!(tree.stored_bodies(), [stored(2).unwrap()]);
}

#[test]
fn refuses_what_is_no_path() {
    let check = |path: &str, expected| {
        let revs: Vec<RevId> = path.split_whitespace().map(|rev| rev.parse().unwrap()).collect();
        let mut tree = RevTree::default();
        assert_eq!(tree.insert_path(&revs, false, None), Err(expected), "{path:?}");
        assert!(tree.is_empty());
    };
    check("", PathError::Empty);
    for path in ["0-a", "1-b 0-a", "3-c 1-a", "2-b 2-a", "1-a 2-b", "9007199254740993-a"] {
        check(path, PathError::Generations);
    }
}

#[test]
fn long_histories() {
    let rev = |at: u64| RevId {
        generation: at,
        signature: Signature::Digest((u128::from(at) << 64).to_be_bytes()),
    };
    let revs: Vec<RevId> = (1..=300_000).rev().map(rev).collect();
    let mut tree = RevTree::default();
    assert_eq!(tree.insert_path(&revs, false, None), Ok(Inserted::NewLeaf));
    assert_eq!(tree.insert_path(&[rev(300_001), rev(300_000)], false, None), Ok(Inserted::NewLeaf));
    let fork = RevId { generation: 150_000, signature: Signature::Text("fork".into()) };
    assert_eq!(tree.insert_path(&[fork, rev(149_999)], true, None), Ok(Inserted::NewBranch));
    check_round_trip(&tree);
    assert!(tree.stem(1000).is_empty());
    assert_eq!(tree.nodes().len(), 2000);
    let leaf = tree.winner_id().unwrap();
    assert_eq!(tree.ancestry(leaf).last().unwrap().rev.generation, 299_002);
}

/// Any signature, any stored body: more kinds of node than the exhaustive tests have.
fn any_tree() -> impl Strategy<Value = RevTree> {
    let path =
        (1_u64..5, prop::collection::vec(0_u8..4, 1..6), any::<bool>(), any::<Option<u64>>());
    prop::collection::vec(path, 0..8).prop_map(|paths| {
        let mut tree = RevTree::default();
        for (start, keys, deleted, body) in paths {
            let rev = |(generation, key): (u64, &u8)| {
                let text = Signature::Text(format!("text {key}").into());
                let signature = if *key < 2 { text } else { Signature::Digest([*key; 16]) };
                RevId { generation, signature }
            };
            let mut revs: Vec<RevId> = (start..).zip(&keys).map(rev).collect();
            revs.reverse();
            let stored = body.map(|body| Stored::new(BodyId(body), body / 3));
            let _ = tree.insert_path(&revs, deleted, stored).unwrap();
        }
        tree
    })
}

proptest! {
    #[test]
    fn decodes_what_was_encoded(tree in any_tree()) {
        let bytes = tree.encode();
        check_round_trip(&tree);
        for end in 0..bytes.len() {
            prop_assert!(RevTree::decode(&bytes[..end]).is_err());
        }
        prop_assert!(RevTree::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn survives_damage(
        tree in any_tree(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = tree.encode();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        // What is read all the same is a sound tree, only another one.
        if let Ok(mut tree) = RevTree::decode(&bytes) {
            check_round_trip(&tree);
            prop_assert_eq!(tree.leaves().first().copied(), tree.winner_id());
            tree.stem(2);
            check_round_trip(&tree);
        }
    }

    #[test]
    fn survives_noise(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = RevTree::decode(&[&[1], &bytes[..]].concat());
    }
}
