//! What documents weigh: the bytes that a database says it holds.

use super::{Commit, Pending, decode_attachments};
use crate::engine::{DocRow, Live};
use crate::rev_tree::{BodyId, RevTree};
use crate::{Attachment, DocId, Error};

/// What a row of `docs` and the one in the feed take beside ids, trees and revisions.
const ROW_BYTES: u64 = 24;

/// Bytes of a page.
const PAGE: u64 = 4096;

/// What an overflow page holds of a row.
const OVERFLOW: u64 = PAGE - 4;

/// The largest row of a table without row ids that lies within one page, and the least of a larger one
/// that does.
///
/// Source: SQLite's file format, "cell payload overflow pages".
const LOCAL_MAX: u64 = (PAGE - 12) * 64 / 255 - 23;
const LOCAL_MIN: u64 = (PAGE - 12) * 32 / 255 - 23;

/// What the feed says of a leaf.
const LEAF_BYTES: u64 = 19;

/// Bytes of a document without its attachments.
#[derive(Clone, Copy, Default)]
pub(in crate::database) struct Weight {
    /// JSON of the leaves.
    pub(in crate::database) leaves: u64,
    /// JSON of superseded revisions.
    pub(in crate::database) superseded: u64,
    /// What is kept of it whatever its revisions hold: its share of pages.
    pub(in crate::database) rows: u64,
}

impl Weight {
    /// Of a document with this row; the same whenever it is asked.
    pub(in crate::database) fn of(row: &DocRow, tree: &RevTree) -> Self {
        let (leaves, superseded) = weigh(tree);
        let (id, rev) = (row.head.id.len() as u64, row.head.rev.len() as u64);
        let feed = id + LEAF_BYTES * tree.leaves().len() as u64;
        let (local, overflow) = laid_out(id + rev + row.tree.len() as u64);
        let local = local + feed + ROW_BYTES;
        // Rows that come in any order fill three quarters of their pages.
        Self { leaves, superseded, rows: local + local / 3 + overflow }
    }
}

/// How much of a row lies among others, and the pages that it has for itself.
fn laid_out(bytes: u64) -> (u64, u64) {
    if bytes <= LOCAL_MAX {
        return (bytes, 0);
    }
    let fitting = LOCAL_MIN + (bytes - LOCAL_MIN) % OVERFLOW;
    let local = if fitting <= LOCAL_MAX { fitting } else { LOCAL_MIN };
    (local, (bytes - local).div_ceil(OVERFLOW) * PAGE)
}

/// JSON bytes of a document's leaves and of its superseded revisions.
pub(in crate::database) fn weigh(tree: &RevTree) -> (u64, u64) {
    let all: u64 = tree.stored_bodies().iter().map(|stored| stored.bytes).sum();
    let leaves = tree.leaves();
    let leaves = leaves.iter().filter_map(|at| tree.node(*at).stored).map(|stored| stored.bytes);
    let leaves = leaves.sum::<u64>().min(all);
    (leaves, all - leaves)
}

/// The bodies of the leaves, in the order of their ids.
pub(super) fn leaf_bodies(tree: &RevTree) -> Vec<BodyId> {
    let stored = tree.leaves().into_iter().filter_map(|at| tree.node(at).stored);
    let mut bodies: Vec<BodyId> = stored.map(|stored| stored.body).collect();
    bodies.sort_unstable();
    bodies
}

/// Bytes of one revision's attachments.
#[derive(Clone, Copy, Default)]
pub(in crate::database) struct Attached {
    decoded: u64,
    stored: u64,
}

impl Attached {
    pub(in crate::database) fn by(attachments: &[Attachment]) -> Self {
        Self {
            decoded: attachments.iter().map(|attachment| attachment.length).sum(),
            stored: attachments.iter().map(Attachment::stored_length).sum(),
        }
    }

    /// As they are stored.
    pub(in crate::database) fn stored(self) -> u64 {
        self.stored
    }
}

impl Live {
    pub(in crate::database) fn attach(&mut self, attached: Attached) {
        self.attachment_bytes += attached.decoded;
        self.stored_attachment_bytes += attached.stored;
    }

    pub(in crate::database) fn detach(&mut self, attached: Attached) {
        self.attachment_bytes = self.attachment_bytes.saturating_sub(attached.decoded);
        self.stored_attachment_bytes = self.stored_attachment_bytes.saturating_sub(attached.stored);
    }
}

impl Commit<'_> {
    /// Counts a document with this weight in the place of what it was before.
    pub(super) fn reweigh(&mut self, pending: &Pending, after: Weight) -> Result<(), Error> {
        let before = pending.before.as_ref();
        let old = before.map(|before| before.weight).unwrap_or_default();
        let replace = |sum: &mut u64, old: u64, new: u64| *sum = (*sum + new).saturating_sub(old);
        let counters = &mut self.counters;
        replace(&mut counters.leaf_bytes, old.leaves, after.leaves);
        replace(&mut counters.superseded_bytes, old.superseded, after.superseded);
        replace(&mut counters.live.row_bytes, old.rows, after.rows);
        if counters.blob_bytes == 0 {
            return Ok(());
        }
        let (old, new) = (before.map_or(&[][..], |b| &b.leaves), leaf_bodies(&pending.tree));
        for body in new.iter().filter(|body| old.binary_search(body).is_err()) {
            let attached = self.attached(*body)?;
            self.counters.live.attach(attached);
        }
        for body in old.iter().filter(|body| new.binary_search(body).is_err()) {
            let attached = self.attached(*body)?;
            self.counters.live.detach(attached);
        }
        Ok(())
    }

    /// Remembers what a leaf had attached, before its body goes.
    pub(super) fn note_attached(&mut self, id: &DocId, body: BodyId) -> Result<(), Error> {
        let before = self.docs.get(id).and_then(|pending| pending.before.as_ref());
        let was_leaf = before.is_some_and(|before| before.leaves.binary_search(&body).is_ok());
        if was_leaf && self.counters.blob_bytes > 0 {
            let attached = self.attached(body)?;
            self.attached.insert(body, attached);
        }
        Ok(())
    }

    /// The bytes of a revision's attachments; its body is read only where it is older than this
    /// transaction.
    fn attached(&self, body: BodyId) -> Result<Attached, Error> {
        match self.attached.get(&body) {
            Some(attached) => Ok(*attached),
            None if body >= self.first_body => Ok(Attached::default()),
            None => {
                let found = self.rows.attachments(body)?;
                Ok(Attached::by(&decode_attachments(found.as_deref())?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rows_take_pages_of_their_own() {
        let check =
            |bytes, local, overflow| assert_eq!(laid_out(bytes), (local, overflow), "{bytes}");
        check(0, 0, 0);
        check(1002, 1002, 0);
        check(1003, 489, PAGE);
        check(489 + OVERFLOW, 489, PAGE);
        check(1002 + OVERFLOW, 1002, PAGE);
        check(1003 + OVERFLOW, 489, 2 * PAGE);
    }
}
