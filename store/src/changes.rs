//! Rows of the changes feed, and their form on disk.

use crate::rev_tree::RevTree;
use crate::{DocId, RevId, Seq, Signature, varint};

/// One document's place in the changes feed: the sequence of its last edit, and its leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Position of the document's last edit.
    pub seq: Seq,
    /// The document.
    pub id: DocId,
    /// Leaf revisions and whether each is deleted, the winner first; never empty.
    pub leaves: Vec<(RevId, bool)>,
}

/// Which way a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

const DELETED: u8 = 1;
const TEXT: u8 = 2;

/// Appends a revision: a byte of flags, the generation, then sixteen bytes of digest, or the length
/// and bytes of a text.
pub(crate) fn encode_rev(out: &mut Vec<u8>, rev: &RevId, deleted: bool) {
    let text = matches!(rev.signature, Signature::Text(_));
    out.push(if deleted { DELETED } else { 0 } | if text { TEXT } else { 0 });
    varint::write(out, rev.generation);
    let bytes = rev.signature.as_bytes();
    if text {
        varint::write(out, bytes.len() as u64);
    }
    out.extend_from_slice(bytes);
}

/// Takes a revision off the front; `None` when the bytes are damaged.
pub(crate) fn decode_rev(bytes: &mut &[u8]) -> Option<(RevId, bool)> {
    let (&flags, rest) = bytes.split_first()?;
    *bytes = rest;
    let generation = varint::read(bytes)?;
    let signature = if flags & TEXT == 0 {
        Signature::Digest(take(bytes, 16)?.try_into().ok()?)
    } else {
        let length = usize::try_from(varint::read(bytes)?).ok()?;
        Signature::Text(std::str::from_utf8(take(bytes, length)?).ok()?.into())
    };
    Some((RevId { generation, signature }, flags & DELETED != 0))
}

/// The leaves of a tree, winner first.
pub(crate) fn encode_leaves(tree: &RevTree) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    for leaf in tree.leaves() {
        let leaf = tree.node(leaf);
        encode_rev(&mut out, &leaf.rev, leaf.deleted);
    }
    out
}

/// Reads what [`encode_leaves`] wrote; `None` when the bytes are damaged.
pub(crate) fn decode_leaves(mut bytes: &[u8]) -> Option<Vec<(RevId, bool)>> {
    let mut leaves = Vec::with_capacity(1);
    while !bytes.is_empty() {
        leaves.push(decode_rev(&mut bytes)?);
    }
    (!leaves.is_empty()).then_some(leaves)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_come_back() {
        let long = format!("300-{}", "ab".repeat(16));
        for (text, deleted) in [("1-x", false), (long.as_str(), true), ("5-é", true)] {
            let rev: RevId = text.parse().unwrap();
            let mut bytes = Vec::new();
            encode_rev(&mut bytes, &rev, deleted);
            assert_eq!(decode_leaves(&bytes), Some(vec![(rev, deleted)]));
            for cut in 1..bytes.len() {
                assert_eq!(decode_leaves(&bytes[..cut]), None, "{text} cut at {cut}");
            }
        }
        assert_eq!(decode_leaves(&[]), None);
    }
}
