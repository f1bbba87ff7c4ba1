//! What keeps rows: SQLite on disk, or ordered maps in memory.
//!
//! The seam between documents and tables. An engine knows rows and transactions; revision trees,
//! conflicts and sequences are decided above it, in `database`.

mod backend;
mod disk;
#[cfg(test)]
mod faulty;
mod memory;
mod power;
mod schema;

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub(crate) use backend::{ATTACHMENTS, Backend, FIRST_GENERATION, INDEXES, file_name, sync_folder};
pub(crate) use disk::{DiskEngine, opening};
#[cfg(test)]
pub(crate) use faulty::{Faults, FaultyEngine};
pub use power::Moment;
pub(crate) use power::Power;
pub(crate) use schema::PARTITIONED;

use crate::attachment::Staged;
use crate::rev_tree::BodyId;
use crate::{AttachmentReader, ContentHash, Direction, Error, IdRange};

/// A document's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocRow {
    pub(crate) head: HeadRow,
    /// As `RevTree::encode` writes it.
    pub(crate) tree: Vec<u8>,
}

/// The part of a document's row that tells of its winner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeadRow {
    pub(crate) id: String,
    pub(crate) seq: u64,
    /// The winner, as `changes::encode_rev` writes it, deletion flag included.
    pub(crate) rev: Vec<u8>,
    pub(crate) deleted: bool,
    pub(crate) body: BodyId,
}

/// A revision's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyRow {
    /// A codec byte, then the JSON text as that codec has it.
    pub(crate) body: Vec<u8>,
    /// The attachments as JSON; `None` for none.
    pub(crate) attachments: Option<String>,
}

/// A local document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalRow {
    pub(crate) id: String,
    pub(crate) rev: u64,
    pub(crate) body: Vec<u8>,
}

/// A body that lost to a later writer. No tree refers to it: the row keeps it, with its attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OverwrittenRow {
    /// Counts up, and is never given twice.
    pub(crate) id: u64,
    pub(crate) doc: String,
    /// The revision that lost, as `changes::encode_rev` writes it.
    pub(crate) rev: Vec<u8>,
    pub(crate) body: BodyId,
    /// Where the document stood in the feed when it lost.
    pub(crate) seq: u64,
    /// What else is known of it, as JSON.
    pub(crate) info: String,
}

/// A revision from the future, which no tree has yet: the row keeps its body, with its attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldRow {
    /// Counts up, and is never given twice.
    pub(crate) id: u64,
    pub(crate) doc: String,
    /// The revision and its ancestors, newest first, each as `changes::encode_rev` writes it.
    pub(crate) path: Vec<u8>,
    pub(crate) deleted: bool,
    pub(crate) body: BodyId,
    /// When it may be seen, in milliseconds since 1970.
    pub(crate) due: u64,
    /// Who brought it.
    pub(crate) deliverer: String,
    /// What it takes, attachments included.
    pub(crate) bytes: u64,
}

/// The record of one purge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PurgeRow {
    pub(crate) seq: u64,
    /// Chosen at random: what the purge is called wherever its record goes.
    pub(crate) uuid: [u8; 16],
    pub(crate) doc: String,
    /// The revisions asked for, as `changes::encode_rev` writes them.
    pub(crate) revs: Vec<u8>,
}

/// Numbers that every commit keeps in step with the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Position of the last edit.
    pub(crate) update_seq: u64,
    /// Documents whose winner is live.
    pub(crate) docs_live: u64,
    /// Documents whose winner is deleted.
    pub(crate) docs_deleted: u64,
    /// The id the next body gets.
    pub(crate) body_next: u64,
    /// JSON bytes of leaves, before encoding.
    pub(crate) leaf_bytes: u64,
    /// JSON bytes of superseded revisions that are still stored.
    pub(crate) superseded_bytes: u64,
    /// Bytes of all attachments, each counted once.
    pub(crate) blob_bytes: u64,
    /// The part of `blob_bytes` that lies in files of its own.
    pub(crate) blob_file_bytes: u64,
    /// Superseded rows of the changes feed that are still there.
    pub(crate) stale: u64,
    /// Position of the last purge.
    pub(crate) purge_seq: u64,
    pub(crate) pins: Pins,
    pub(crate) live: Live,
    /// The file was written before `live` was counted; its next compaction begins to.
    pub(crate) live_unknown: bool,
}

/// What all documents and their leaves amount to, beside the JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    /// Bytes that the documents' rows and theirs in the feed take in pages.
    pub(crate) row_bytes: u64,
    /// Bytes of the leaves' attachments, decoded, each as often as leaves have it.
    pub(crate) attachment_bytes: u64,
    /// The same, as they are stored.
    pub(crate) stored_attachment_bytes: u64,
}

/// What rows of `overwritten` and `held` amount to, and what goes on counting with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pins {
    /// The id that the last of these rows was given.
    pub(crate) last: u64,
    /// Rows of each table.
    pub(crate) overwritten: u64,
    pub(crate) held: u64,
    /// JSON bytes of their bodies, before encoding.
    pub(crate) bytes: u64,
    /// Bytes of their attachments, as they are stored.
    pub(crate) attachment_bytes: u64,
    /// The newest stamp that was written here, in milliseconds since 1970.
    pub(crate) newest_stamp: u64,
}

/// Told of each row in turn; `Break` ends the scan.
pub(crate) type Visit<'a, R> = &'a mut dyn FnMut(R) -> ControlFlow<()>;

/// Rows as they were at one moment.
pub(crate) trait Rows {
    fn counters(&self) -> Result<Counters, Error>;
    fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;
    fn doc(&self, id: &str) -> Result<Option<DocRow>, Error>;
    /// Those of these documents, in the order of their ids, that are there.
    fn docs_among(&self, sorted: &[&str], found: &mut dyn FnMut(DocRow)) -> Result<(), Error>;
    fn head(&self, id: &str) -> Result<Option<HeadRow>, Error>;
    /// Live winners in the range.
    fn heads(&self, range: &IdRange, visit: Visit<'_, HeadRow>) -> Result<(), Error>;
    /// Live winners with ids before (descending: after) this one, the id itself by `inclusive`.
    fn count_before(&self, id: &str, inclusive: bool, direction: Direction) -> Result<u64, Error>;
    /// Every document, deleted or not, whose id is greater.
    fn docs_after(&self, id: &str, visit: Visit<'_, DocRow>) -> Result<(), Error>;
    /// Feed rows with sequences above `from` (descending: below), stale ones left out; each is a
    /// sequence, a document id, and leaves as `changes::encode_leaves` writes them.
    fn changes(
        &self,
        from: u64,
        direction: Direction,
        visit: Visit<'_, (u64, String, Vec<u8>)>,
    ) -> Result<(), Error>;
    /// Feed rows with sequences above `after` and up to `until`, stale ones left out.
    fn count_changes(&self, after: u64, until: u64) -> Result<u64, Error>;
    fn body(&self, id: BodyId) -> Result<Option<BodyRow>, Error>;
    /// The attachments of a body as JSON, without the body.
    fn attachments(&self, id: BodyId) -> Result<Option<String>, Error>;
    fn local(&self, id: &str) -> Result<Option<LocalRow>, Error>;
    fn locals(&self, range: &IdRange, visit: Visit<'_, LocalRow>) -> Result<(), Error>;
    fn blob(&self, hash: &ContentHash) -> Result<Option<AttachmentReader>, Error>;
    fn blob_row(&self, hash: &ContentHash) -> Result<Option<BlobRow>, Error>;
    fn blobs(&self, visit: Visit<'_, BlobRow>) -> Result<(), Error>;
    /// Overwritten bodies whose rows have greater ids, in order.
    fn overwritten(&self, after: u64, visit: Visit<'_, OverwrittenRow>) -> Result<(), Error>;
    /// Those of one document.
    fn overwritten_of(&self, doc: &str, visit: Visit<'_, OverwrittenRow>) -> Result<(), Error>;
    /// All revisions that are held, in the order in which they came.
    fn held(&self, visit: Visit<'_, HeldRow>) -> Result<(), Error>;
    /// Those of one document.
    fn held_of(&self, doc: &str, visit: Visit<'_, HeldRow>) -> Result<(), Error>;
    /// Records of purges after a position, in order.
    fn purges(&self, after: u64, visit: Visit<'_, PurgeRow>) -> Result<(), Error>;
    /// How many bodies are stored.
    fn count_bodies(&self) -> Result<u64, Error>;
    /// Bytes of the pages that hold something, wherever they lie.
    fn used_bytes(&self) -> Result<u64, Error>;
}

/// What is known of a stored attachment's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlobRow {
    pub(crate) hash: ContentHash,
    pub(crate) length: u64,
    /// Whether the bytes lie in a file of their own.
    pub(crate) in_file: bool,
}

/// Rows within a write; nothing lasts until the whole write commits.
pub(crate) trait RowsMut: Rows {
    fn set_counters(&mut self, counters: &Counters) -> Result<(), Error>;
    fn set_setting(&mut self, key: &str, value: &[u8]) -> Result<(), Error>;
    fn put_doc(&mut self, row: &DocRow) -> Result<(), Error>;
    fn delete_doc(&mut self, id: &str) -> Result<(), Error>;
    fn put_change(&mut self, seq: u64, id: &str, leaves: &[u8]) -> Result<(), Error>;
    /// Marks a feed row superseded; readers skip it from now on.
    fn retire_change(&mut self, seq: u64) -> Result<(), Error>;
    fn delete_change(&mut self, seq: u64) -> Result<(), Error>;
    /// Deletes the oldest superseded feed rows for good; how many there were.
    fn purge_stale(&mut self, limit: u64) -> Result<u64, Error>;
    fn put_body(&mut self, id: BodyId, row: &BodyRow) -> Result<(), Error>;
    fn delete_body(&mut self, id: BodyId) -> Result<(), Error>;
    fn put_local(&mut self, row: &LocalRow) -> Result<(), Error>;
    fn delete_local(&mut self, id: &str) -> Result<bool, Error>;
    /// Files the bytes under their hash; what it added, or `None` when they were there.
    fn put_blob(&mut self, staged: &Staged) -> Result<Option<BlobRow>, Error>;
    /// Takes over a row of another engine on the same folder of attachment files.
    fn copy_blob(&mut self, row: BlobRow, from: &dyn Rows) -> Result<(), Error>;
    fn put_overwritten(&mut self, row: &OverwrittenRow) -> Result<(), Error>;
    fn delete_overwritten(&mut self, id: u64) -> Result<(), Error>;
    fn put_held(&mut self, row: &HeldRow) -> Result<(), Error>;
    fn delete_held(&mut self, id: u64) -> Result<(), Error>;
    fn put_purge(&mut self, row: &PurgeRow) -> Result<(), Error>;
}

/// Keeps the rows of one database.
pub(crate) trait Engine: Debug + Send + Sync {
    /// Shows one consistent state; never waits for writers.
    fn read(&self, look: &mut dyn FnMut(&dyn Rows) -> Result<(), Error>) -> Result<(), Error>;
    /// All or nothing; durable when it returns `Ok`. Nothing lasts when `change` fails.
    fn write(
        &self,
        change: &mut dyn FnMut(&mut dyn RowsMut) -> Result<(), Error>,
    ) -> Result<(), Error>;
    /// Bytes on disk, attachments in files of their own left out.
    fn bytes_on_disk(&self) -> u64;
    /// Where attachments are staged; `None` for memory only.
    fn attachment_folder(&self) -> Option<&Path>;
    /// Makes everything written so far durable; for an engine that is filled before use.
    fn settle(&self) -> Result<(), Error>;
    /// The rows live elsewhere now: removes them from the disk once the last user lets go.
    fn retire(&self);
    /// Whether a page was met that cannot be right: nothing more should be trusted to it.
    fn is_damaged(&self) -> bool;
    /// Looks for damage below the rows; findings in plain words.
    fn check(&self) -> Result<Vec<String>, Error>;
    /// Writes a consistent copy of the rows into a file of its own.
    fn copy_into(&self, path: &Path) -> Result<(), Error>;
}

/// Where the bytes of an attachment lie, below the folder for attachments.
pub(crate) fn blob_path(folder: &Path, hash: &ContentHash) -> PathBuf {
    let name = hash.to_string();
    folder.join(&name[..2]).join(name)
}
