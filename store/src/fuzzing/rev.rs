//! Names, revision ids, sequences, and trees as bytes.

use std::collections::HashSet;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use crate::rev_tree::{BodyId, RevTree, Stored};
use crate::{DbName, DbUuid, DocId, DocumentId, LocalId, RevId, Signature, UpdateSeq, stamp};

/// What is read as a name reads the same when written again; a tree read from bytes, or grown from
/// any paths, keeps its invariants, which reading checks.
///
/// # Panics
/// When that does not hold.
pub fn rev(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => names(rest),
        1 => {
            if let Ok(tree) = RevTree::decode(rest) {
                sound(&tree);
            }
        }
        _ => grown(rest),
    }
}

fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    reads_again::<DbName>(text);
    reads_again::<DocId>(text);
    reads_again::<LocalId>(text);
    reads_again::<DocumentId>(text);
    reads_again::<UpdateSeq>(text);
    if let Some(rev) = reads_again::<RevId>(text) {
        let _stamp = stamp::stamp_of(&rev);
    }
    if let Some(uuid) = DbUuid::parse(text) {
        assert_eq!(DbUuid::parse(&uuid.to_string()), Some(uuid));
    }
}

fn reads_again<T: FromStr + Display + Debug + PartialEq>(text: &str) -> Option<T> {
    let read = text.parse::<T>().ok()?;
    assert_eq!(read.to_string().parse::<T>().ok().as_ref(), Some(&read));
    Some(read)
}

/// A tree that is as trees must be.
fn sound(tree: &RevTree) {
    assert_eq!(RevTree::decode(&tree.encode()).as_ref(), Ok(tree));
    let mut leaves = tree.leaves();
    leaves.sort_unstable();
    assert_eq!(leaves.is_empty(), tree.is_empty());
    assert_eq!(tree.winner().is_none(), tree.is_empty());
    let winner = tree.winner_id().into_iter();
    let mut sorted: Vec<_> =
        winner.chain(tree.conflicts()).chain(tree.deleted_conflicts()).collect();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted, leaves, "each leaf wins or is a conflict");
    for leaf in leaves {
        let generations: Vec<_> = tree.ancestry(leaf).map(|node| node.rev.generation).collect();
        assert!(generations.windows(2).all(|pair| pair[0] == pair[1] + 1));
        assert!(!tree.latest(&tree.node(leaf).rev).is_empty());
    }
    let mut whole = tree.clone();
    let _freed = whole.stem(usize::MAX);
    let mut stemmed = whole.clone();
    let _freed = stemmed.stem(3);
    assert_eq!(RevTree::decode(&stemmed.encode()).as_ref(), Ok(&stemmed));
    let mut signatures = HashSet::new();
    if !whole.nodes().all(|node| signatures.insert(node.rev.signature.clone())) {
        // A leaf that also stands below another one keeps what it kept, as in CouchDB.
        return;
    }
    let near_leaves = stemmed.leaves().into_iter().flat_map(|leaf| {
        stemmed.ancestry(leaf).take(3).map(|node| node.rev.clone()).collect::<Vec<_>>()
    });
    let near_leaves: HashSet<_> = near_leaves.collect();
    assert!(stemmed.nodes().all(|node| near_leaves.contains(&node.rev)), "a node no leaf keeps");
    assert_eq!(stemmed.winner().map(|node| &node.rev), whole.winner().map(|node| &node.rev));
}

/// Paths of few generations and few signatures, so that they meet.
fn grown(bytes: &[u8]) {
    let mut tree = RevTree::default();
    let mut body = 0;
    for path in bytes.split(|&byte| byte == 0xff).take(40) {
        let Some((&first, signatures)) = path.split_first() else { continue };
        let signatures = signatures.iter().take(8).map(|byte| Signature::Digest([byte % 8; 16]));
        let generations = (1..=u64::from(first % 16)).rev();
        let revs: Vec<_> = generations
            .zip(signatures)
            .map(|(generation, signature)| RevId { generation, signature })
            .collect();
        body += 1;
        let stored = Some(Stored::new(BodyId(body), 1));
        let Ok(_) = tree.insert_path(&revs, first & 16 != 0, stored) else { continue };
        assert!(revs.first().is_some_and(|rev| tree.contains(rev)));
        if first & 32 != 0 {
            let _freed = tree.stem(usize::from(first >> 6) + 1);
        }
    }
    let _freed = tree.stem(1000);
    sound(&tree);
}
