//! The pages of a tree.
//!
//! A page is a byte that says what it is, then entries in order. An entry begins with how many bytes of
//! its place it has in common with the one before it, and the others.

mod inner;
mod leaf;
mod split;

pub(crate) use self::inner::{Child, ChildView, Inner};
pub(crate) use self::leaf::Leaf;
pub(crate) use self::split::{Filling, separator, split};

use store::varint;

/// Bytes of a page that is not split: with what SQLite adds, it fits in one page of the file.
pub(crate) const PAGE_BYTES_MAX: usize = 4000;

/// Bytes at which a page that is filled in order is full; some room is left for later rows.
pub(crate) const PAGE_BYTES_FULL: usize = 3650;

/// Bytes under which a page looks for a neighbour to be one with; what comes of it is at most full.
pub(crate) const PAGE_BYTES_MIN: usize = 1900;

/// Children under which a page of children is not split, whatever they take: a tree must get narrower.
pub(crate) const CHILDREN_MIN: usize = 4;

const LEAF: u8 = 1;
const INNER: u8 = 2;

/// A page of a tree.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Leaf(Leaf),
    Inner(Inner),
}

impl Node {
    /// Reads a page; `None` when it is damaged, or has no entry.
    pub(crate) fn decode(page: &[u8]) -> Option<Self> {
        let (&kind, entries) = page.split_first()?;
        match kind {
            LEAF if !entries.is_empty() => Leaf::decode(entries).map(Self::Leaf),
            INNER if !entries.is_empty() => Inner::decode(entries).map(Self::Inner),
            _ => None,
        }
    }
}

/// Writes a place behind another one.
fn write_place(out: &mut Vec<u8>, place: &[u8], before: &[u8]) {
    let shared = shared(before, place);
    varint::write(out, shared as u64);
    varint::write(out, (place.len() - shared) as u64);
    out.extend(&place[shared..]);
}

/// Reads a place, given all places so far and where the last one of them begins; it goes behind them.
fn read_place(places: &mut Vec<u8>, before: usize, rest: &mut &[u8]) -> Option<()> {
    let shared = read_length(rest)?;
    let own = take_bytes(rest)?;
    let end = before.checked_add(shared).filter(|end| *end <= places.len())?;
    places.extend_from_within(before..end);
    places.extend(own);
    Some(())
}

fn read_length(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(varint::read(rest)?).ok()
}

/// Reads a length and that many bytes.
fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = read_length(rest)?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::write(out, bytes.len() as u64);
    out.extend(bytes);
}

/// How many bytes two places have in common at their beginning.
pub(crate) fn shared(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests;
