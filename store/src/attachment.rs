//! Attachments: what a revision says of them, and their bytes on the way in and out.

mod form;
mod reader;
mod writer;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

pub use form::{Compression, Encoding, Intake};
pub use reader::AttachmentReader;
pub(crate) use writer::StagedData;
pub use writer::{AttachmentWriter, Staged};

use crate::{DocId, RevId};

/// Attachments up to this many bytes lie in the database file; larger ones in files of their own.
pub(crate) const INLINE_BYTES_MAX: usize = 64 * 1024;

/// What a stored revision says of one of its attachments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name within the document.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// Generation of the revision that brought it.
    pub revpos: u64,
    /// What CouchDB calls its digest: of the bytes stored.
    pub digest: Md5Digest,
    /// Length in bytes, decoded.
    pub length: u64,
    /// What its bytes are filed under.
    pub content: ContentHash,
    /// How the bytes stored are encoded; `None` for as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// How many bytes are stored, where they are encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoded_length: Option<u64>,
}

impl Attachment {
    /// How many bytes are stored.
    #[must_use]
    pub fn stored_length(&self) -> u64 {
        self.encoded_length.filter(|_| self.encoding.is_some()).unwrap_or(self.length)
    }
}

/// MD5 of an attachment, printed as CouchDB prints it: `md5-` and base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Md5Digest(pub [u8; 16]);

impl fmt::Display for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "md5-{}", STANDARD.encode(self.0))
    }
}

/// BLAKE3 of an attachment's stored bytes; equal bytes are kept once in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentHash(pub [u8; 32]);

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What an attachment of a new revision holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// The bytes its name has in the nearest stored ancestor of the same document.
    Stub,
    /// The bytes its name has in another document of the same database, found when the revision is
    /// written: nothing but a stored revision can vouch for bytes.
    Copied(CopySource),
    /// Bytes that an [`AttachmentWriter`] took in.
    Staged(Staged),
}

/// A stored revision that attachments are copied from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The document.
    pub id: DocId,
    /// Its revision.
    pub rev: RevId,
}
