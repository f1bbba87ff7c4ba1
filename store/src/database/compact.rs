//! Compaction: what is live is copied into a new file while readers and writers go on.

mod pins;
mod purges;

use std::collections::HashSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Database;
use super::commit::{
    Attached, Ledger, Weight, charges_of, decode_attachments, decode_tree, doc_row,
};
use crate::changes::encode_leaves;
use crate::engine::{BlobRow, BodyRow, Counters, Engine, Live, Rows, RowsMut, blob_path};
use crate::rev_tree::{BodyId, RevTree};
use crate::{ContentHash, Direction, Error, IdRange};

/// Documents and body bytes copied in one transaction: short enough to pin nothing for long.
const DOCS_AT_ONCE: usize = 500;
const BYTES_AT_ONCE: usize = 4 << 20;

/// Documents left over when writers are made to wait for the last slice.
const LAST_SLICE_DOCS: u64 = 500;

/// Attempts to catch up with writers before they are made to wait whatever is left.
const PASSES_MAX: usize = 8;

/// A document with all that compaction keeps of it.
struct Kept {
    seq: u64,
    id: String,
    tree: RevTree,
    bodies: Vec<(BodyId, BodyRow)>,
}

impl Database {
    /// Copies what is live into a new file and gives the rest back to the disk, while readers and
    /// writers go on; `progress` is told changes done and changes in total.
    ///
    /// # Errors
    /// [`Error::CompactionRunning`], or any other of [`Error`].
    pub fn compact(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
        self.compact_while(&mut |done, total| {
            progress(done, total);
            ControlFlow::Continue(())
        })
    }

    /// [`Self::compact`], which `progress` may end. It is called between slices, when no snapshot is
    /// held, and may take its time.
    ///
    /// # Errors
    /// [`Error::Closing`] where `progress` broke off, [`Error::NoDatabase`] when it was deleted
    /// meanwhile, or as [`Self::compact`].
    pub fn compact_while(
        &self,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.try_compact(progress).map_err(|error| self.unless_deleted(error))
    }

    fn try_compact(
        &self,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let _held = self.try_hold_files()?;
        let _running = Running::begin(&self.compacting);
        let source = self.engine()?;
        // Only then is it certain that the next generation's file is nobody's.
        self.core.catalog.confirm()?;
        let generation = crate::core::lock(&self.slot).generation + 1;
        let target = self.core.backend.open_next(self.uuid, generation)?;
        let copied = self.copy_live(&source, &target, generation, progress);
        if copied.is_err() && self.core.catalog.confirm().is_ok() && !self.uses(&target) {
            target.retire();
        }
        copied
    }

    /// Whether the switch to this file was made.
    fn uses(&self, engine: &Arc<dyn Engine>) -> bool {
        crate::core::lock(&self.slot).is_on(engine)
    }

    fn copy_live(
        &self,
        source: &Arc<dyn Engine>,
        target: &Arc<dyn Engine>,
        generation: u64,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let purged_before = last_purge(&**source)?;
        let mut copied = 0;
        let mut done = 0;
        for _ in 0..PASSES_MAX {
            let left = changes_after(&**source, copied)?;
            if left <= LAST_SLICE_DOCS {
                break;
            }
            let until = self.update_seq().seq.0;
            while copied < until {
                let slice = copy_slice(&**source, &**target, copied)?;
                let Some((last, docs)) = slice else { break };
                copied = last;
                done += docs;
                if progress(done, done + changes_after(&**source, copied)?).is_break() {
                    return Err(Error::Closing);
                }
            }
        }
        let (me, old, new) = (self.me.clone(), Arc::clone(source), Arc::clone(target));
        self.alone(move || {
            let me = me.upgrade().ok_or(Error::NoDatabase)?;
            while let Some((last, _)) = copy_slice(&*old, &*new, copied)? {
                copied = last;
            }
            purges::follow(&*old, &*new, purged_before)?;
            copy_rest(&*old, &*new)?;
            new.settle()?;
            me.switch(generation, Arc::clone(&new))?;
            old.retire();
            me.stale.store(0, Ordering::Relaxed);
            me.superseded_bytes.store(0, Ordering::Relaxed);
            me.forget_charges();
            sweep(&*new)
        })?;
        // It is done, whatever is said to it.
        let _done = progress(done, done);
        Ok(())
    }
}

/// Shows that a compaction is running.
struct Running<'a>(&'a AtomicBool);

impl<'a> Running<'a> {
    fn begin(running: &'a AtomicBool) -> Self {
        running.store(true, Ordering::Release);
        Self(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn last_purge(engine: &dyn Engine) -> Result<u64, Error> {
    let mut last = 0;
    engine.read(&mut |rows| {
        last = rows.counters()?.purge_seq;
        Ok(())
    })?;
    Ok(last)
}

fn changes_after(engine: &dyn Engine, seq: u64) -> Result<u64, Error> {
    let mut left = 0;
    engine.read(&mut |rows| {
        left = rows.count_changes(seq, u64::MAX)?;
        Ok(())
    })?;
    Ok(left)
}

/// Copies the next documents after `after`; the last one's sequence and how many they were, or
/// `None` when there are none.
fn copy_slice(
    source: &dyn Engine,
    target: &dyn Engine,
    after: u64,
) -> Result<Option<(u64, u64)>, Error> {
    let mut last = None;
    source.read(&mut |from| {
        let slice = read_slice(from, after)?;
        last = slice.last().map(|kept| (kept.seq, slice.len() as u64));
        if slice.is_empty() {
            return Ok(());
        }
        target.write(&mut |to| {
            let mut sums = Sums::read(to)?;
            slice.iter().try_for_each(|kept| write_kept(kept, &mut sums, from, to))?;
            sums.write(to)
        })
    })?;
    Ok(last)
}

fn read_slice(from: &dyn Rows, after: u64) -> Result<Vec<Kept>, Error> {
    let mut changes = Vec::new();
    from.changes(after, Direction::Ascending, &mut |(seq, id, _)| {
        changes.push((seq, id));
        if changes.len() < DOCS_AT_ONCE {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    let mut slice = Vec::with_capacity(changes.len());
    let mut bytes = 0;
    for (seq, id) in changes {
        let row = from.doc(&id)?;
        let row = row.ok_or_else(|| Error::Damaged(format!("document {id:?} has no row")))?;
        let mut tree = decode_tree(&id, &row.tree)?;
        tree.forget_superseded();
        let mut bodies = Vec::new();
        for stored in tree.stored_bodies() {
            let body = from.body(stored.body)?;
            let body =
                body.ok_or_else(|| Error::Damaged(format!("document {id:?} lost a body")))?;
            bytes += body.body.len();
            bodies.push((stored.body, body));
        }
        slice.push(Kept { seq, id, tree, bodies });
        if bytes > BYTES_AT_ONCE {
            break;
        }
    }
    Ok(slice)
}

/// What is summed up over the documents that were copied.
struct Sums {
    live: Live,
    ledger: Ledger,
}

impl Sums {
    fn read(to: &dyn RowsMut) -> Result<Self, Error> {
        Ok(Self { live: to.counters()?.live, ledger: Ledger::read(to)? })
    }

    fn write(self, to: &mut dyn RowsMut) -> Result<(), Error> {
        self.ledger.write(to)?;
        to.set_counters(&Counters { live: self.live, ..to.counters()? })
    }
}

fn write_kept(
    kept: &Kept,
    sums: &mut Sums,
    from: &dyn Rows,
    to: &mut dyn RowsMut,
) -> Result<(), Error> {
    let Kept { seq, id, tree, bodies } = kept;
    // Edited since an earlier slice had it.
    take_back(id, sums, to)?;
    for (body, row) in bodies {
        to.put_body(*body, row)?;
        sums.live.attach(copy_blobs(row, from, to)?);
    }
    sums.ledger.add(&charges_of(tree));
    to.put_change(*seq, id, &encode_leaves(tree))?;
    let row = doc_row(id, *seq, tree);
    sums.live.row_bytes += Weight::of(&row, tree).rows;
    to.put_doc(&row)
}

/// Removes what was copied of a document, but for its row, and counts it no more; whether it was there.
fn take_back(id: &str, sums: &mut Sums, to: &mut dyn RowsMut) -> Result<bool, Error> {
    let Some(row) = to.doc(id)? else { return Ok(false) };
    to.delete_change(row.head.seq)?;
    let tree = decode_tree(id, &row.tree)?;
    for stored in tree.stored_bodies() {
        let attachments = decode_attachments(to.attachments(stored.body)?.as_deref())?;
        sums.live.detach(Attached::by(&attachments));
        to.delete_body(stored.body)?;
    }
    sums.ledger.take(&charges_of(&tree));
    let live = &mut sums.live;
    live.row_bytes = live.row_bytes.saturating_sub(Weight::of(&row, &tree).rows);
    Ok(true)
}

/// Copies the attachments of a body; how much they are.
fn copy_blobs(body: &BodyRow, from: &dyn Rows, to: &mut dyn RowsMut) -> Result<Attached, Error> {
    let attachments = decode_attachments(body.attachments.as_deref())?;
    for attachment in &attachments {
        let hash = attachment.content;
        let row = from.blob_row(&hash)?;
        to.copy_blob(
            row.ok_or_else(|| Error::Damaged(format!("attachment {hash} is gone")))?,
            from,
        )?;
    }
    Ok(Attached::by(&attachments))
}

/// Copies what has no sequence: settings, local documents, what lost or is held, records of purges,
/// and the counters.
fn copy_rest(source: &dyn Engine, target: &dyn Engine) -> Result<(), Error> {
    source.read(&mut |from| {
        target.write(&mut |to| {
            for key in super::setting::KEPT {
                if let Some(value) = from.setting(key)? {
                    to.set_setting(key, &value)?;
                }
            }
            let everything = IdRange { start: None, end: None, direction: Direction::Ascending };
            let mut failed = Ok(());
            from.locals(&everything, &mut |local| match to.put_local(&local) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Err(error);
                    ControlFlow::Break(())
                }
            })?;
            failed?;
            pins::copy(from, to)?;
            purges::copy(from, to)?;
            let Counters { live, live_unknown, .. } = to.counters()?;
            let mut counters = Counters { live, live_unknown, ..from.counters()? };
            counters.superseded_bytes = 0;
            counters.stale = 0;
            counters.blob_bytes = 0;
            counters.blob_file_bytes = 0;
            to.blobs(&mut |blob: BlobRow| {
                counters.blob_bytes += blob.length;
                counters.blob_file_bytes += if blob.in_file { blob.length } else { 0 };
                ControlFlow::Continue(())
            })?;
            to.set_counters(&counters)
        })
    })
}

/// Removes attachment files that no row names any more. Called while nothing else writes, so that
/// no file is between its renaming and its row.
fn sweep(engine: &dyn Engine) -> Result<(), Error> {
    let Some(folder) = engine.attachment_folder() else { return Ok(()) };
    let mut named = HashSet::new();
    engine.read(&mut |rows| {
        rows.blobs(&mut |blob| {
            if blob.in_file {
                named.insert(blob.hash);
            }
            ControlFlow::Continue(())
        })
    })?;
    let io = Error::io("remove attachments that nothing refers to");
    for shard in fs::read_dir(folder).map_err(&io)? {
        let shard = shard.map_err(&io)?;
        if !shard.file_type().map_err(&io)?.is_dir() {
            continue;
        }
        for file in fs::read_dir(shard.path()).map_err(&io)? {
            let path = file.map_err(&io)?.path();
            if !is_named(folder, &path, &named) {
                fs::remove_file(&path).map_err(&io)?;
            }
        }
    }
    Ok(())
}

fn is_named(folder: &Path, path: &Path, named: &HashSet<ContentHash>) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let hash = blake3::Hash::from_hex(name).map(|hash| ContentHash(*hash.as_bytes()));
    hash.is_ok_and(|hash| named.contains(&hash) && blob_path(folder, &hash) == path)
}
