//! Either side of a replication: a database here, or one reached over HTTP.

mod error;
mod http;
mod local;

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use store::{DocId, Encoding, LocalId, RevId};

pub use error::PeerError;
pub use http::{BoxedIo, Connect, HttpClient, HttpPeer, Io, ParseUrlError, PeerUrl, Timeouts};
pub(crate) use local::revision_text;
pub use local::{Create, Incoming, LocalDatabase, LocalPeer};

use crate::{Change, ChangesBatch, ChangesQuery, PeerSeq, Refusal, Revision, Wanted};

/// What a peer will have answered.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, PeerError>> + Send + 'a>>;

/// A database that documents are replicated from or to.
///
/// Every method may be called again after an error, and after an answer that got lost: asking twice
/// does no harm. Errors are [`PeerError`]; [`PeerError::is_passing`] tells whether it is worth it.
pub trait Peer: Send + Sync {
    /// What to call it in reports and logs; without secrets.
    fn name(&self) -> String;

    /// Says that the database exists, and how far it is.
    fn info(&self) -> Answering<'_, PeerInfo>;

    /// Creates the database; no error when it exists.
    fn create(&self) -> Answering<'_, ()>;

    /// A local document.
    fn local(&self, id: LocalId) -> Answering<'_, Option<LocalDocument>>;

    /// Writes a local document over the one of that revision; returns its new revision.
    fn write_local(&self, id: LocalId, document: LocalDocument) -> Answering<'_, Option<String>>;

    /// Makes durable what was written; returns [`PeerInfo::instance`] as it is now.
    fn commit(&self) -> Answering<'_, Option<String>>;

    /// Part of the changes feed, all leaves of each document.
    fn changes(&self, query: ChangesQuery) -> Answering<'_, ChangesBatch>;

    /// Which of the leaves this database does not know.
    fn revs_diff<'a>(&'a self, changes: &'a [Change]) -> Answering<'a, Vec<Wanted>>;

    /// Revisions with history and contents, newer ones where they were overtaken. Stops when about
    /// `bytes_max` bytes have been read, but not before one document is complete.
    fn revisions<'a>(&'a self, wanted: &'a [Wanted], bytes_max: usize) -> Answering<'a, Fetched>;

    /// The bytes of one attachment; decoded ones may come where stored ones were asked for.
    fn attachment<'a>(
        &'a self,
        id: &'a DocId,
        rev: &'a RevId,
        name: &'a str,
        form: AttachmentForm,
    ) -> Answering<'a, AttachmentStream>;

    /// Adds revisions where their histories put them, fetching from `source` the attachments that
    /// they bring; returns those that were not taken.
    fn write<'a>(
        &'a self,
        revisions: Vec<Revision>,
        source: &'a dyn Peer,
    ) -> Answering<'a, Vec<Refusal>>;
}

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Position of its last change.
    pub update_seq: PeerSeq,
    /// Something that changes when the database is deleted and made anew, where the peer has it.
    ///
    /// Source: CouchDB's `instance_start_time`.
    pub instance: Option<String>,
}

/// A local document, which is never replicated: here, a replication log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalDocument {
    /// Its revision, as the peer prints it.
    pub rev: Option<String>,
    /// The JSON object without `_id` and `_rev`.
    pub body: String,
}

/// Revisions that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The revisions, or newer ones.
    pub revisions: Vec<Revision>,
    /// Revisions that the source lists but no longer has.
    pub missing: u64,
    /// Revisions that the source refuses to show, or that no hub can hold.
    pub refused: u64,
    /// What was not reached within the bytes allowed.
    pub unanswered: Vec<Wanted>,
    /// Requests for many documents that were made, and documents they brought.
    pub bulk: BulkGets,
}

/// Use made of `_bulk_get`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkGets {
    /// Requests.
    pub attempts: u64,
    /// Documents they brought.
    pub docs: u64,
}

/// In which form the bytes of an attachment are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachmentForm {
    /// As its author sent it.
    Decoded,
    /// As the source stores it, so that the target stores the same bytes under the same digest.
    Stored,
}

/// The bytes of an attachment on their way.
pub struct AttachmentStream {
    /// How the bytes are encoded; `None` for as they are.
    pub encoding: Option<Encoding>,
    /// How many there will be, where the source says.
    pub length: Option<u64>,
    /// The bytes in order.
    pub chunks: Pin<Box<dyn Stream<Item = Result<Bytes, PeerError>> + Send>>,
}

impl std::fmt::Debug for AttachmentStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { encoding, length, .. } = self;
        f.debug_struct("AttachmentStream")
            .field("encoding", encoding)
            .field("length", length)
            .finish_non_exhaustive()
    }
}
