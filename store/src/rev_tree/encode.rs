//! A tree as bytes.
//!
//! ```text
//! tree       version: byte 1 · count of nodes: varint · that many nodes, in the arena's order
//! node       flags: byte · generation: varint, if a root
//!                        · distance: varint, if a branch
//!                        · signature
//!                        · body id: varint · body size in bytes: varint, if stored
//!                        · number of who is charged: varint · bytes: varint, if charged
//! flags      1 deleted · 2 stored · 4 text signature · 8 root · 16 branch · 32 charged, with 2 only
//!            · no other bits
//! signature  16 bytes; or length in bytes: varint · that many bytes of UTF-8, if a text
//! varint     unsigned LEB128
//! ```
//!
//! A node that is neither root nor branch is a child of the node before it. A branch is a child of
//! the node that stands `distance` places before it, 2 or more. A child's generation is its
//! parent's plus one. Nothing follows the last node.

use super::{BodyId, Charge, Node, NodeId, RevTree, Stored};
use crate::{RevId, Signature, varint};

const VERSION: u8 = 1;

const DELETED: u8 = 1;
const STORED: u8 = 2;
const TEXT: u8 = 4;
const ROOT: u8 = 8;
const BRANCH: u8 = 16;
const CHARGED: u8 = 32;
const FLAGS: u8 = DELETED | STORED | TEXT | ROOT | BRANCH | CHARGED;

/// Flags, and a text signature of one byte.
const NODE_BYTES_MIN: usize = 3;

/// The bytes are not an encoded tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A version this release does not know; 0 also stands for no bytes at all.
    #[error("revision tree in unknown format {0}")]
    Version(u8),
    /// The count of nodes cannot be read.
    #[error("revision tree without a count")]
    Count,
    /// This node, counted from 0, ends too soon or cannot stand where it does.
    #[error("node {0} of the revision tree is damaged")]
    Node(usize),
    /// Bytes follow the last node.
    #[error("{0} bytes follow the revision tree")]
    Trailing(usize),
}

impl RevTree {
    /// The tree as bytes, in the layout that `docs/store-format.md` gives.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + 24 * self.nodes.len());
        out.push(VERSION);
        varint::write(&mut out, self.nodes.len() as u64);
        for (at, node) in self.nodes.iter().enumerate() {
            node.encode(at, &mut out);
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are anything else: every invariant of a tree is checked.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some((&VERSION, mut bytes)) = bytes.split_first() else {
            return Err(DecodeError::Version(bytes.first().copied().unwrap_or_default()));
        };
        let count = varint::read(&mut bytes).and_then(|count| usize::try_from(count).ok());
        let count = count.ok_or(DecodeError::Count)?;
        let mut tree = Self { nodes: Vec::with_capacity(count.min(bytes.len() / NODE_BYTES_MIN)) };
        let mut last_root = None;
        for at in 0..count {
            let node = tree.decode_node(last_root, &mut bytes).ok_or(DecodeError::Node(at))?;
            if node.parent.is_none() {
                last_root = Some(at);
            }
            tree.nodes.push(node);
        }
        if bytes.is_empty() { Ok(tree) } else { Err(DecodeError::Trailing(bytes.len())) }
    }

    /// Reads the next node, and checks that it can stand there.
    fn decode_node(&self, last_root: Option<usize>, bytes: &mut &[u8]) -> Option<Node> {
        let flags = *take(bytes, 1)?.first()?;
        let at = self.nodes.len();
        let (parent, generation) = match flags & (ROOT | BRANCH) {
            ROOT => (None, varint::read(bytes).filter(|generation| *generation > 0)?),
            kind @ (0 | BRANCH) => {
                let distance = if kind == 0 { 1 } else { varint::read(bytes)? };
                let parent = at.checked_sub(usize::try_from(distance).ok()?)?;
                let generation = self.nodes.get(parent)?.rev.generation.checked_add(1)?;
                (Some(NodeId(parent)), generation)
            }
            _ => return None,
        };
        let rev = RevId { generation, signature: signature(flags & TEXT != 0, bytes)? };
        let orderly = match parent {
            None => last_root.is_none_or(|root| self.nodes[root].rev < rev),
            Some(parent) if flags & BRANCH != 0 => {
                self.open_child(parent)?.rev.signature < rev.signature
            }
            Some(_) => true,
        };
        let stored = match flags & (STORED | CHARGED) {
            0 => None,
            STORED => Some(Stored::new(BodyId(varint::read(bytes)?), varint::read(bytes)?)),
            CHARGED => return None,
            _ => {
                let stored = Stored::new(BodyId(varint::read(bytes)?), varint::read(bytes)?);
                let to = u32::try_from(varint::read(bytes)?).ok()?;
                let charge = Some(Charge { to, bytes: varint::read(bytes)? });
                Some(Stored { charge, ..stored })
            }
        };
        let sound = orderly && flags & !FLAGS == 0;
        sound.then_some(Node { rev, parent, deleted: flags & DELETED != 0, stored })
    }

    /// The child through which the last node descends from `parent`, if it does.
    fn open_child(&self, parent: NodeId) -> Option<&Node> {
        // No later branch can start from a node passed here, so that all calls together pass each
        // node once.
        let mut node = self.nodes.last()?;
        while node.parent? != parent {
            node = self.nodes.get(node.parent.filter(|id| *id > parent)?.0)?;
        }
        Some(node)
    }
}

impl Node {
    fn encode(&self, at: usize, out: &mut Vec<u8>) {
        let distance = self.parent.map(|parent| at - parent.0);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        out.push(
            flag(self.deleted, DELETED)
                | flag(self.stored.is_some(), STORED)
                | flag(matches!(self.rev.signature, Signature::Text(_)), TEXT)
                | flag(distance.is_none(), ROOT)
                | flag(distance.is_some_and(|distance| distance > 1), BRANCH)
                | flag(self.stored.is_some_and(|stored| stored.charge.is_some()), CHARGED),
        );
        match distance {
            None => varint::write(out, self.rev.generation),
            Some(1) => {}
            Some(distance) => varint::write(out, distance as u64),
        }
        if let Signature::Text(text) = &self.rev.signature {
            varint::write(out, text.len() as u64);
        }
        out.extend_from_slice(self.rev.signature.as_bytes());
        if let Some(stored) = self.stored {
            varint::write(out, stored.body.0);
            varint::write(out, stored.bytes);
            if let Some(Charge { to, bytes }) = stored.charge {
                varint::write(out, u64::from(to));
                varint::write(out, bytes);
            }
        }
    }
}

fn signature(text: bool, bytes: &mut &[u8]) -> Option<Signature> {
    if !text {
        return Some(Signature::Digest(take(bytes, 16)?.try_into().ok()?));
    }
    let length = usize::try_from(varint::read(bytes)?).ok()?;
    let signature = Signature::parse(std::str::from_utf8(take(bytes, length)?).ok()?).ok()?;
    matches!(signature, Signature::Text(_)).then_some(signature)
}

fn take<'b>(bytes: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signatures of this tree's bytes below: `01…01`, `02…02`, the text `x`.
    fn example() -> RevTree {
        let digest =
            |generation, byte| RevId { generation, signature: Signature::Digest([byte; 16]) };
        let text = RevId { generation: 301, signature: Signature::Text("x".into()) };
        let stored = |body| Some(Stored::new(BodyId(body), 200));
        let charge = Some(Charge { to: 3, bytes: 201 });
        let charged = stored(8).map(|stored| Stored { charge, ..stored });
        let mut tree = RevTree::default();
        let _ = tree.insert_path(&[digest(301, 2), digest(300, 1)], false, stored(7)).unwrap();
        let _ = tree.insert_path(&[text, digest(300, 1)], true, charged).unwrap();
        tree
    }

    fn example_bytes() -> Vec<u8> {
        let root = [&[ROOT, 0xac, 0x02][..], &[1; 16]].concat();
        let child = [&[STORED][..], &[2; 16], &[7, 0xc8, 0x01]].concat();
        let flags = DELETED | STORED | TEXT | BRANCH | CHARGED;
        let branch = [flags, 2, 1, b'x', 8, 0xc8, 0x01, 3, 0xc9, 0x01];
        [&[VERSION, 3][..], &root, &child, &branch].concat()
    }

    #[test]
    fn layout() {
        assert_eq!(example().encode(), example_bytes());
        assert_eq!(RevTree::decode(&example_bytes()), Ok(example()));
        assert_eq!(RevTree::default().encode(), [VERSION, 0]);
        assert_eq!(RevTree::decode(&[VERSION, 0]), Ok(RevTree::default()));
    }

    #[test]
    fn refusals() {
        let check = |bytes: &[u8], expected| assert_eq!(RevTree::decode(bytes), Err(expected));
        check(&[], DecodeError::Version(0));
        check(&[2, 0], DecodeError::Version(2));
        check(&[VERSION], DecodeError::Count);
        check(&[VERSION, 0, 0, 0], DecodeError::Trailing(2));
        check(&[VERSION, 0xff, 0xff, 0x03], DecodeError::Node(0));
        let changed = |at: usize, byte: u8, node: usize| {
            let mut bytes = example_bytes();
            bytes[at] = byte;
            check(&bytes, DecodeError::Node(node));
        };
        let (root, child, branch) = (2, 21, 41);
        changed(root, ROOT | 64, 0);
        changed(root, ROOT | CHARGED, 0);
        changed(root, ROOT | BRANCH, 0);
        changed(root, 0, 0);
        changed(branch + 1, 0, 2);
        changed(branch + 1, 1, 2);
        changed(branch + 1, 3, 2);
        changed(branch + 2, 0, 2);
        changed(branch + 3, 0xff, 2);
        // Siblings and roots out of order.
        changed(child + 1, 0xff, 2);
        let mut roots = [&[VERSION, 2, ROOT, 2][..], &[5; 16], &[ROOT, 2], &[6; 16]].concat();
        assert!(RevTree::decode(&roots).is_ok());
        roots[21] = 1;
        check(&roots, DecodeError::Node(1));
        roots[3] = 0;
        check(&roots, DecodeError::Node(0));
    }

    #[test]
    fn a_branch_starts_from_the_last_nodes_ancestors_only() {
        let node = |flags: u8, distance: &[u8], name: u8| {
            [&[flags | TEXT][..], distance, &[1, name]].concat()
        };
        let nodes = |last_distance| {
            [
                vec![VERSION, 4],
                node(ROOT, &[1], b'a'),
                node(0, &[], b'b'),
                node(BRANCH, &[2], b'c'),
                node(BRANCH, &[last_distance], b'd'),
            ]
            .concat()
        };
        assert!(RevTree::decode(&nodes(3)).is_ok());
        assert_eq!(RevTree::decode(&nodes(2)), Err(DecodeError::Node(3)));
    }
}
