//! What is written: edits of documents.

use super::BodyText;
use crate::{Content, DocId, PartitionedIdError, RevId};

/// One revision to write.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The document.
    pub id: DocId,
    /// Where the revision stands in the tree.
    pub lineage: Lineage,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// What it holds.
    pub body: BodyText,
    /// All attachments the revision has; one that is not listed is gone.
    pub attachments: Vec<NewAttachment>,
}

impl Edit {
    /// Bytes of attachments that come with it.
    #[must_use]
    pub fn staged_bytes(&self) -> u64 {
        let staged = self.attachments.iter().map(|attachment| match &attachment.content {
            Content::Staged(staged) => staged.length(),
            Content::Stub | Content::Copied(_) => 0,
        });
        staged.sum()
    }
}

/// Where a new revision stands in its document's tree.
#[derive(Clone, Debug)]
pub enum Lineage {
    /// `new_edits=true`: an edit of this leaf, or the first revision; the store makes its id.
    Child(Option<RevId>),
    /// `new_edits=false`: this revision and its ancestors as another server knows them, newest
    /// first, generations descending by one; never empty.
    Path(Vec<RevId>),
}

/// An attachment of a revision to write.
#[derive(Clone, Debug)]
pub struct NewAttachment {
    /// Its name within the document.
    pub name: String,
    /// Its media type; a stub or a copy keeps the stored one where this is `None`, else
    /// `application/octet-stream`.
    pub content_type: Option<String>,
    /// Generation that the attachment came with, where the writer says (`new_edits=false`).
    pub revpos: Option<u64>,
    /// What it holds.
    pub content: Content,
}

/// Why one edit of a batch was not written; the others are unharmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The revision edited is not a leaf: fetch the winner and try again.
    #[error("Document update conflict.")]
    Conflict,
    /// A stub names an attachment that no stored ancestor has, or a copy one that its source has not.
    #[error("Invalid attachment stub in {id} for {name}")]
    MissingStub {
        /// The document.
        id: String,
        /// The attachment.
        name: String,
    },
    /// The revision path is not one: empty, generations that do not descend by one, or too long.
    #[error("Invalid revision path")]
    InvalidPath,
    /// It comes from the future, and more are held of whoever brings it than may be: to be brought again
    /// when some of them are due.
    #[error("Too many revisions from the future are held")]
    TooManyHeld,
    /// The database is partitioned, and keeps no documents of such ids.
    #[error(transparent)]
    Partition(PartitionedIdError),
}
