//! How far a sync is, and what came of it.

use store::{DocId, Millis, RevId, UpdateSeq};

use super::SyncError;

/// How far a sync is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncProgress {
    /// What it is doing.
    pub state: SyncState,
    /// Changed documents that came.
    pub documents: u64,
    /// Changed documents that were to come when it began.
    pub documents_total: u64,
    /// Bytes that came, unpacked, attachments included.
    pub bytes: u64,
    /// About how many bytes were to come when it began, if all had to be sent.
    pub bytes_total: u64,
    /// Revisions that were taken, whether known before or not.
    pub revisions: u64,
    /// Position at the source up to which everything is here and durable.
    pub through: Option<UpdateSeq>,
    /// Position that would be gone on from after a restart.
    pub checkpointed: Option<UpdateSeq>,
    /// When it began.
    pub started: Millis,
    /// When something came or was written last.
    pub moved: Millis,
}

/// What a sync is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// Reading how far this hub is.
    Starting,
    /// Waiting for the source's first word.
    Asking,
    /// Moving documents.
    Running,
    /// Finishing what has begun.
    Stopping,
    /// Over.
    Ended,
}

/// What came of a sync.
#[derive(Debug)]
pub struct SyncOutcome {
    /// The position with which the target has caught up, or why it has not.
    pub ending: Result<UpdateSeq, SyncError>,
    /// Revisions that were left out, the first thousands of them.
    pub skipped: Vec<Skipped>,
    /// How many were left out.
    pub skipped_count: u64,
    /// Whether there was no room for some, by this sync or an earlier one: the checkpoint has passed them,
    /// and says so.
    pub postponed: bool,
    /// How far it came.
    pub progress: SyncProgress,
}

/// A revision that was left out, while the rest went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The document.
    pub id: DocId,
    /// The revision.
    pub rev: RevId,
    /// Why.
    pub reason: SkipReason,
}

/// Why a revision was left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// This hub does not take it, in the words of whoever judges.
    #[error("{0}")]
    Refused(String),
    /// This hub has no room for it now, in the words of whoever judges: it is asked for again later.
    #[error("{0}")]
    NoRoom(String),
    /// Its body is larger than this hub takes.
    #[error("the document is too large")]
    TooLarge,
    /// One of its attachments is larger than this hub takes, or they are too many.
    #[error("an attachment is too large")]
    AttachmentTooLarge,
    /// The source lists it, but does not have it.
    #[error("the source no longer has it")]
    Gone,
    /// It is a deletion, and another revision of the document was left out.
    #[error("another revision of the document was left out")]
    Sibling,
    /// What came makes no sense.
    #[error("it makes no sense: {0}")]
    Unreadable(String),
}
