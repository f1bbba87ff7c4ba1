//! Rows of which one fails on cue.

use std::cell::Cell;

use super::Faults;
use crate::attachment::Staged;
use crate::engine::{
    BlobRow, BodyRow, Counters, DocRow, HeadRow, HeldRow, LocalRow, OverwrittenRow, PurgeRow, Rows,
    RowsMut, Visit,
};
use crate::rev_tree::BodyId;
use crate::{AttachmentReader, ContentHash, Direction, Error, IdRange};

/// The rows of one write, counting what is done with them.
pub(super) struct FaultyRows<'a> {
    rows: &'a mut dyn RowsMut,
    faults: &'a Faults,
    operations: Cell<u64>,
}

impl<'a> FaultyRows<'a> {
    pub(super) fn new(rows: &'a mut dyn RowsMut, faults: &'a Faults) -> Self {
        Self { rows, faults, operations: Cell::new(0) }
    }

    /// The rows for one more operation, unless it is the one that fails.
    fn next(&self) -> Result<&dyn Rows, Error> {
        self.count()?;
        Ok(&*self.rows)
    }

    fn next_mut(&mut self) -> Result<&mut dyn RowsMut, Error> {
        self.count()?;
        Ok(&mut *self.rows)
    }

    fn count(&self) -> Result<(), Error> {
        self.operations.set(self.operations.get() + 1);
        self.faults.strike_row(self.operations.get())
    }
}

impl Rows for FaultyRows<'_> {
    fn counters(&self) -> Result<Counters, Error> {
        self.next()?.counters()
    }

    fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.next()?.setting(key)
    }

    fn doc(&self, id: &str) -> Result<Option<DocRow>, Error> {
        self.next()?.doc(id)
    }

    fn docs_among(&self, sorted: &[&str], found: &mut dyn FnMut(DocRow)) -> Result<(), Error> {
        self.next()?.docs_among(sorted, found)
    }

    fn head(&self, id: &str) -> Result<Option<HeadRow>, Error> {
        self.next()?.head(id)
    }

    fn heads(&self, range: &IdRange, visit: Visit<'_, HeadRow>) -> Result<(), Error> {
        self.next()?.heads(range, visit)
    }

    fn count_before(&self, id: &str, inclusive: bool, direction: Direction) -> Result<u64, Error> {
        self.next()?.count_before(id, inclusive, direction)
    }

    fn docs_after(&self, id: &str, visit: Visit<'_, DocRow>) -> Result<(), Error> {
        self.next()?.docs_after(id, visit)
    }

    fn changes(
        &self,
        from: u64,
        direction: Direction,
        visit: Visit<'_, (u64, String, Vec<u8>)>,
    ) -> Result<(), Error> {
        self.next()?.changes(from, direction, visit)
    }

    fn count_changes(&self, after: u64, until: u64) -> Result<u64, Error> {
        self.next()?.count_changes(after, until)
    }

    fn body(&self, id: BodyId) -> Result<Option<BodyRow>, Error> {
        self.next()?.body(id)
    }

    fn attachments(&self, id: BodyId) -> Result<Option<String>, Error> {
        self.next()?.attachments(id)
    }

    fn local(&self, id: &str) -> Result<Option<LocalRow>, Error> {
        self.next()?.local(id)
    }

    fn locals(&self, range: &IdRange, visit: Visit<'_, LocalRow>) -> Result<(), Error> {
        self.next()?.locals(range, visit)
    }

    fn blob(&self, hash: &ContentHash) -> Result<Option<AttachmentReader>, Error> {
        self.next()?.blob(hash)
    }

    fn blob_row(&self, hash: &ContentHash) -> Result<Option<BlobRow>, Error> {
        self.next()?.blob_row(hash)
    }

    fn blobs(&self, visit: Visit<'_, BlobRow>) -> Result<(), Error> {
        self.next()?.blobs(visit)
    }

    fn overwritten(&self, after: u64, visit: Visit<'_, OverwrittenRow>) -> Result<(), Error> {
        self.next()?.overwritten(after, visit)
    }

    fn overwritten_of(&self, doc: &str, visit: Visit<'_, OverwrittenRow>) -> Result<(), Error> {
        self.next()?.overwritten_of(doc, visit)
    }

    fn held(&self, visit: Visit<'_, HeldRow>) -> Result<(), Error> {
        self.next()?.held(visit)
    }

    fn held_of(&self, doc: &str, visit: Visit<'_, HeldRow>) -> Result<(), Error> {
        self.next()?.held_of(doc, visit)
    }

    fn purges(&self, after: u64, visit: Visit<'_, PurgeRow>) -> Result<(), Error> {
        self.next()?.purges(after, visit)
    }

    fn count_bodies(&self) -> Result<u64, Error> {
        self.next()?.count_bodies()
    }

    fn used_bytes(&self) -> Result<u64, Error> {
        self.next()?.used_bytes()
    }
}

impl RowsMut for FaultyRows<'_> {
    fn set_counters(&mut self, counters: &Counters) -> Result<(), Error> {
        self.next_mut()?.set_counters(counters)
    }

    fn set_setting(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.next_mut()?.set_setting(key, value)
    }

    fn put_doc(&mut self, row: &DocRow) -> Result<(), Error> {
        self.next_mut()?.put_doc(row)
    }

    fn delete_doc(&mut self, id: &str) -> Result<(), Error> {
        self.next_mut()?.delete_doc(id)
    }

    fn put_change(&mut self, seq: u64, id: &str, leaves: &[u8]) -> Result<(), Error> {
        self.next_mut()?.put_change(seq, id, leaves)
    }

    fn retire_change(&mut self, seq: u64) -> Result<(), Error> {
        self.next_mut()?.retire_change(seq)
    }

    fn delete_change(&mut self, seq: u64) -> Result<(), Error> {
        self.next_mut()?.delete_change(seq)
    }

    fn purge_stale(&mut self, limit: u64) -> Result<u64, Error> {
        self.next_mut()?.purge_stale(limit)
    }

    fn put_body(&mut self, id: BodyId, row: &BodyRow) -> Result<(), Error> {
        self.next_mut()?.put_body(id, row)
    }

    fn delete_body(&mut self, id: BodyId) -> Result<(), Error> {
        self.next_mut()?.delete_body(id)
    }

    fn put_local(&mut self, row: &LocalRow) -> Result<(), Error> {
        self.next_mut()?.put_local(row)
    }

    fn delete_local(&mut self, id: &str) -> Result<bool, Error> {
        self.next_mut()?.delete_local(id)
    }

    fn put_blob(&mut self, staged: &Staged) -> Result<Option<BlobRow>, Error> {
        self.next_mut()?.put_blob(staged)
    }

    fn copy_blob(&mut self, row: BlobRow, from: &dyn Rows) -> Result<(), Error> {
        self.next_mut()?.copy_blob(row, from)
    }

    fn put_overwritten(&mut self, row: &OverwrittenRow) -> Result<(), Error> {
        self.next_mut()?.put_overwritten(row)
    }

    fn delete_overwritten(&mut self, id: u64) -> Result<(), Error> {
        self.next_mut()?.delete_overwritten(id)
    }

    fn put_held(&mut self, row: &HeldRow) -> Result<(), Error> {
        self.next_mut()?.put_held(row)
    }

    fn delete_held(&mut self, id: u64) -> Result<(), Error> {
        self.next_mut()?.delete_held(id)
    }

    fn put_purge(&mut self, row: &PurgeRow) -> Result<(), Error> {
        self.next_mut()?.put_purge(row)
    }
}
