//! Batches: changes with the revisions that belong to them.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use bytes::Bytes;
use store::{BodyText, DocId, Encoding, RevId, Seq};

pub use writer::BatchWriter;

/// Revisions, ancestors included, that one batch may name.
const REVS_MAX: u64 = 1 << 18;

/// Revisions that one path may have; older ones are left out, as if they were stemmed.
const PATH_REVS_MAX: usize = 1 << 16;

/// Attachments that one revision may have.
const ATTACHMENTS_MAX: u64 = 1 << 16;

/// Bytes of an attachment's name or media type.
const NAME_BYTES_MAX: u64 = 16 * 1024;

/// Bytes of an attachment that may travel inside a batch.
pub(super) const INLINE_BYTES_MAX: u64 = 64 * 1024;

/// Changes in the order of their sequences, or answers to what was asked for by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Behind which position its changes begin; zero in an answer to what was asked for by name.
    pub from: Seq,
    /// Up to which position they go; zero as above.
    pub through: Seq,
    /// Changes behind that.
    pub pending: u64,
    /// The documents.
    pub documents: Vec<BatchDocument>,
}

/// One changed document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchDocument {
    /// Position of its last edit; zero in an answer to what was asked for by name.
    pub seq: Seq,
    /// The document.
    pub id: DocId,
    /// Its leaves that the target should have; never empty.
    pub leaves: Vec<Leaf>,
}

/// One leaf of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The revision.
    pub rev: RevId,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// What comes with it.
    pub content: LeafContent,
}

/// What comes with a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafContent {
    /// Nothing: the target has it, or asks for it.
    Listed,
    /// Nothing, and asking will not help.
    Withheld(Withheld),
    /// The revision.
    Sent(SentRevision),
}

/// Why a source does not send a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Its body is larger than the target takes.
    TooLarge,
    /// One of its attachments is larger than the target takes, or they are too many.
    AttachmentTooLarge,
    /// The source does not have it, or no longer.
    Gone,
}

impl Withheld {
    fn byte(self) -> u8 {
        match self {
            Self::TooLarge => 1,
            Self::AttachmentTooLarge => 2,
            Self::Gone => 3,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        let known = [Self::TooLarge, Self::AttachmentTooLarge, Self::Gone];
        known.into_iter().find(|reason| reason.byte() == byte)
    }
}

/// A revision with its history and contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRevision {
    /// The revision and its ancestors, newest first; never empty.
    pub path: Vec<RevId>,
    /// Whether the source knows older ancestors, which it left out.
    pub cut: bool,
    /// Its body, or what is wrong with the text that came.
    pub body: Result<BodyText, String>,
    /// All attachments the revision has.
    pub attachments: Vec<SentAttachment>,
}

/// What a revision says of one of its attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentAttachment {
    /// Its name within the document.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// Generation of the revision that brought it.
    pub revpos: u64,
    /// Bytes, decoded.
    pub length: u64,
    /// How its bytes are encoded where they are stored.
    pub encoding: Option<Encoding>,
    /// BLAKE3 over its bytes as they are stored.
    pub content: [u8; 32],
    /// How they travel.
    pub carriage: Carriage,
}

/// How the bytes of an attachment travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// Not at all: the target has them from an ancestor, or asks for them.
    Stub,
    /// Here, as they are stored.
    Inline(Bytes),
    /// In frames before the batch.
    Before,
}

/// Bits of the byte that begins a leaf.
mod flag {
    pub(super) const DELETED: u8 = 1;
    /// The signature is a text, not sixteen bytes.
    pub(super) const TEXT: u8 = 2;
    pub(super) const WITHHELD: u8 = 4;
    pub(super) const SENT: u8 = 8;
    pub(super) const CUT: u8 = 16;
}
