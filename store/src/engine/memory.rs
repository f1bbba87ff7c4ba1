//! An engine in ordered maps: for tests and simulations, where a disk would only cost time.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    BlobRow, BodyRow, Counters, DocRow, Engine, HeadRow, HeldRow, LocalRow, OverwrittenRow, Power,
    PurgeRow, Rows, RowsMut, Visit,
};
use crate::attachment::{Staged, StagedData};
use crate::rev_tree::BodyId;
use crate::{AttachmentReader, ContentHash, Direction, Error, IdRange};

/// Rows in memory; a commit replaces the whole state, so that readers keep theirs.
#[derive(Debug, Default)]
pub(crate) struct MemoryEngine {
    committed: Mutex<Arc<State>>,
    writing: Mutex<()>,
    power: Option<Arc<Power>>,
    /// What it holds would survive a loss of power.
    settled: AtomicBool,
    retired: AtomicBool,
}

#[derive(Clone, Debug, Default)]
struct State {
    counters: Counters,
    settings: BTreeMap<String, Vec<u8>>,
    docs: BTreeMap<String, Arc<DocRow>>,
    seqs: BTreeMap<u64, (Arc<str>, Arc<[u8]>)>,
    bodies: BTreeMap<u64, Arc<BodyRow>>,
    locals: BTreeMap<String, Arc<LocalRow>>,
    blobs: BTreeMap<ContentHash, Arc<[u8]>>,
    overwritten: BTreeMap<u64, Arc<OverwrittenRow>>,
    held: BTreeMap<u64, Arc<HeldRow>>,
    purges: BTreeMap<u64, Arc<PurgeRow>>,
}

impl MemoryEngine {
    /// An engine whose commits need power, where there is any to need.
    pub(super) fn new(power: Option<Arc<Power>>, settled: bool) -> Self {
        Self { power, settled: AtomicBool::new(settled), ..Self::default() }
    }

    /// Whether a loss of power leaves it.
    pub(super) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// Whether its rows live elsewhere now.
    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    fn committed(&self) -> MutexGuard<'_, Arc<State>> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for MemoryEngine {
    fn read(&self, look: &mut dyn FnMut(&dyn Rows) -> Result<(), Error>) -> Result<(), Error> {
        let state = Arc::clone(&self.committed());
        look(&*state)
    }

    fn write(
        &self,
        change: &mut dyn FnMut(&mut dyn RowsMut) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = State::clone(&Arc::clone(&self.committed()));
        change(&mut state)?;
        let commit = || {
            *self.committed() = Arc::new(state);
            Ok(())
        };
        match &self.power {
            Some(power) => power.commit(commit),
            None => commit(),
        }
    }

    fn bytes_on_disk(&self) -> u64 {
        0
    }

    fn attachment_folder(&self) -> Option<&Path> {
        None
    }

    fn settle(&self) -> Result<(), Error> {
        let settle = || {
            self.settled.store(true, Ordering::Release);
            Ok(())
        };
        match &self.power {
            Some(power) => power.commit(settle),
            None => settle(),
        }
    }

    fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    fn is_damaged(&self) -> bool {
        false
    }

    fn check(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn copy_into(&self, _path: &Path) -> Result<(), Error> {
        let source = std::io::ErrorKind::Unsupported.into();
        Err(Error::Io { action: "copy a database in memory", source })
    }
}

fn visit_all<R>(rows: impl Iterator<Item = R>, visit: Visit<'_, R>) {
    // Ending early and reaching the end are the same to the caller.
    let _ = rows.into_iter().try_for_each(visit);
}

fn in_range<'a, V>(
    map: &'a BTreeMap<String, V>,
    range: &IdRange,
) -> Box<dyn Iterator<Item = &'a V> + 'a> {
    let (low, high) = match range.direction {
        Direction::Ascending => (&range.start, &range.end),
        Direction::Descending => (&range.end, &range.start),
    };
    let bound = |end: &Option<(String, bool)>| match end.clone() {
        None => Bound::Unbounded,
        Some((id, true)) => Bound::Included(id),
        Some((id, false)) => Bound::Excluded(id),
    };
    let (low, high) = (bound(low), bound(high));
    if is_empty(&low, &high) {
        return Box::new(std::iter::empty());
    }
    let rows = map.range((low, high)).map(|(_, value)| value);
    match range.direction {
        Direction::Ascending => Box::new(rows),
        Direction::Descending => Box::new(rows.rev()),
    }
}

/// Ranges that `BTreeMap::range` would panic on.
fn is_empty(low: &Bound<String>, high: &Bound<String>) -> bool {
    match (low, high) {
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Excluded(high))
        | (Bound::Excluded(low), Bound::Included(high)) => low >= high,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}

impl Rows for State {
    fn counters(&self) -> Result<Counters, Error> {
        Ok(self.counters)
    }

    fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.settings.get(key).cloned())
    }

    fn doc(&self, id: &str) -> Result<Option<DocRow>, Error> {
        Ok(self.docs.get(id).map(|row| DocRow::clone(row)))
    }

    fn docs_among(&self, sorted: &[&str], found: &mut dyn FnMut(DocRow)) -> Result<(), Error> {
        sorted.iter().filter_map(|id| self.docs.get(*id)).for_each(|row| found(DocRow::clone(row)));
        Ok(())
    }

    fn head(&self, id: &str) -> Result<Option<HeadRow>, Error> {
        Ok(self.docs.get(id).map(|row| row.head.clone()))
    }

    fn heads(&self, range: &IdRange, visit: Visit<'_, HeadRow>) -> Result<(), Error> {
        let live = in_range(&self.docs, range).filter(|row| !row.head.deleted);
        visit_all(live.map(|row| row.head.clone()), visit);
        Ok(())
    }

    fn count_before(&self, id: &str, inclusive: bool, direction: Direction) -> Result<u64, Error> {
        let before = |other: &str| match direction {
            Direction::Ascending => other < id || (inclusive && other == id),
            Direction::Descending => other > id || (inclusive && other == id),
        };
        let live = self.docs.values().filter(|row| !row.head.deleted);
        Ok(live.filter(|row| before(&row.head.id)).count() as u64)
    }

    fn docs_after(&self, id: &str, visit: Visit<'_, DocRow>) -> Result<(), Error> {
        let after = (Bound::Excluded(id), Bound::Unbounded);
        visit_all(self.docs.range::<str, _>(after).map(|(_, row)| DocRow::clone(row)), visit);
        Ok(())
    }

    fn changes(
        &self,
        from: u64,
        direction: Direction,
        visit: Visit<'_, (u64, String, Vec<u8>)>,
    ) -> Result<(), Error> {
        let row =
            |(seq, row): (&u64, &(Arc<str>, Arc<[u8]>))| (*seq, row.0.to_string(), row.1.to_vec());
        match direction {
            Direction::Ascending => {
                let after = (Bound::Excluded(from), Bound::Unbounded);
                visit_all(self.seqs.range(after).map(row), visit);
            }
            Direction::Descending => visit_all(self.seqs.range(..from).rev().map(row), visit),
        }
        Ok(())
    }

    fn count_changes(&self, after: u64, until: u64) -> Result<u64, Error> {
        if after >= until {
            return Ok(0);
        }
        let range = (Bound::Excluded(after), Bound::Included(until));
        Ok(self.seqs.range(range).count() as u64)
    }

    fn body(&self, id: BodyId) -> Result<Option<BodyRow>, Error> {
        Ok(self.bodies.get(&id.0).map(|row| BodyRow::clone(row)))
    }

    fn attachments(&self, id: BodyId) -> Result<Option<String>, Error> {
        Ok(self.bodies.get(&id.0).and_then(|row| row.attachments.clone()))
    }

    fn local(&self, id: &str) -> Result<Option<LocalRow>, Error> {
        Ok(self.locals.get(id).map(|row| LocalRow::clone(row)))
    }

    fn locals(&self, range: &IdRange, visit: Visit<'_, LocalRow>) -> Result<(), Error> {
        visit_all(in_range(&self.locals, range).map(|row| LocalRow::clone(row)), visit);
        Ok(())
    }

    fn blob(&self, hash: &ContentHash) -> Result<Option<AttachmentReader>, Error> {
        Ok(self.blobs.get(hash).map(|bytes| AttachmentReader::inline(hash, bytes.to_vec())))
    }

    fn blob_row(&self, hash: &ContentHash) -> Result<Option<BlobRow>, Error> {
        let row =
            |bytes: &Arc<[u8]>| BlobRow { hash: *hash, length: bytes.len() as u64, in_file: false };
        Ok(self.blobs.get(hash).map(row))
    }

    fn blobs(&self, visit: Visit<'_, BlobRow>) -> Result<(), Error> {
        let row = |(hash, bytes): (&ContentHash, &Arc<[u8]>)| BlobRow {
            hash: *hash,
            length: bytes.len() as u64,
            in_file: false,
        };
        visit_all(self.blobs.iter().map(row), visit);
        Ok(())
    }

    fn overwritten(&self, after: u64, visit: Visit<'_, OverwrittenRow>) -> Result<(), Error> {
        let after = (Bound::Excluded(after), Bound::Unbounded);
        let rows = self.overwritten.range(after).map(|(_, row)| OverwrittenRow::clone(row));
        visit_all(rows, visit);
        Ok(())
    }

    fn overwritten_of(&self, doc: &str, visit: Visit<'_, OverwrittenRow>) -> Result<(), Error> {
        let rows = self.overwritten.values().filter(|row| row.doc == doc);
        visit_all(rows.map(|row| OverwrittenRow::clone(row)), visit);
        Ok(())
    }

    fn held(&self, visit: Visit<'_, HeldRow>) -> Result<(), Error> {
        visit_all(self.held.values().map(|row| HeldRow::clone(row)), visit);
        Ok(())
    }

    fn held_of(&self, doc: &str, visit: Visit<'_, HeldRow>) -> Result<(), Error> {
        let rows = self.held.values().filter(|row| row.doc == doc);
        visit_all(rows.map(|row| HeldRow::clone(row)), visit);
        Ok(())
    }

    fn purges(&self, after: u64, visit: Visit<'_, PurgeRow>) -> Result<(), Error> {
        let after = (Bound::Excluded(after), Bound::Unbounded);
        visit_all(self.purges.range(after).map(|(_, row)| PurgeRow::clone(row)), visit);
        Ok(())
    }

    fn count_bodies(&self) -> Result<u64, Error> {
        Ok(self.bodies.len() as u64)
    }

    fn used_bytes(&self) -> Result<u64, Error> {
        Ok(0)
    }
}

impl RowsMut for State {
    fn set_counters(&mut self, counters: &Counters) -> Result<(), Error> {
        self.counters = *counters;
        Ok(())
    }

    fn set_setting(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.settings.insert(key.into(), value.into());
        Ok(())
    }

    fn put_doc(&mut self, row: &DocRow) -> Result<(), Error> {
        self.docs.insert(row.head.id.clone(), Arc::new(row.clone()));
        Ok(())
    }

    fn delete_doc(&mut self, id: &str) -> Result<(), Error> {
        self.docs.remove(id);
        Ok(())
    }

    fn put_change(&mut self, seq: u64, id: &str, leaves: &[u8]) -> Result<(), Error> {
        self.seqs.insert(seq, (id.into(), leaves.into()));
        Ok(())
    }

    /// Gone at once: here nothing is gained by waiting.
    fn retire_change(&mut self, seq: u64) -> Result<(), Error> {
        self.seqs.remove(&seq);
        Ok(())
    }

    fn delete_change(&mut self, seq: u64) -> Result<(), Error> {
        self.seqs.remove(&seq);
        Ok(())
    }

    fn purge_stale(&mut self, _limit: u64) -> Result<u64, Error> {
        Ok(0)
    }

    fn put_body(&mut self, id: BodyId, row: &BodyRow) -> Result<(), Error> {
        self.bodies.insert(id.0, Arc::new(row.clone()));
        Ok(())
    }

    fn delete_body(&mut self, id: BodyId) -> Result<(), Error> {
        self.bodies.remove(&id.0);
        Ok(())
    }

    fn put_local(&mut self, row: &LocalRow) -> Result<(), Error> {
        self.locals.insert(row.id.clone(), Arc::new(row.clone()));
        Ok(())
    }

    fn delete_local(&mut self, id: &str) -> Result<bool, Error> {
        Ok(self.locals.remove(id).is_some())
    }

    fn put_blob(&mut self, staged: &Staged) -> Result<Option<BlobRow>, Error> {
        if self.blobs.contains_key(&staged.content) {
            return Ok(None);
        }
        let bytes = match &staged.data {
            StagedData::Inline(bytes) => Arc::clone(bytes),
            StagedData::File(path) => {
                std::fs::read(path.as_ref()).map_err(Error::io("read an attachment"))?.into()
            }
        };
        self.blobs.insert(staged.content, bytes);
        Ok(Some(BlobRow { hash: staged.content, length: staged.stored_length(), in_file: false }))
    }

    fn copy_blob(&mut self, row: BlobRow, from: &dyn Rows) -> Result<(), Error> {
        let Some(mut reader) = from.blob(&row.hash)? else {
            return Err(Error::Damaged(format!("attachment {}", row.hash)));
        };
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(Error::io("read an attachment"))?;
        self.blobs.insert(row.hash, bytes.into());
        Ok(())
    }

    fn put_overwritten(&mut self, row: &OverwrittenRow) -> Result<(), Error> {
        self.overwritten.insert(row.id, Arc::new(row.clone()));
        Ok(())
    }

    fn delete_overwritten(&mut self, id: u64) -> Result<(), Error> {
        self.overwritten.remove(&id);
        Ok(())
    }

    fn put_held(&mut self, row: &HeldRow) -> Result<(), Error> {
        self.held.insert(row.id, Arc::new(row.clone()));
        Ok(())
    }

    fn delete_held(&mut self, id: u64) -> Result<(), Error> {
        self.held.remove(&id);
        Ok(())
    }

    fn put_purge(&mut self, row: &PurgeRow) -> Result<(), Error> {
        self.purges.insert(row.seq, Arc::new(row.clone()));
        Ok(())
    }
}
