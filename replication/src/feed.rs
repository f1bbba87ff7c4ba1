//! What is asked of a changes feed, and what it answers.

use std::sync::Arc;

use store::{DocId, RevId};

use crate::{PeerError, PeerSeq};

/// Which documents are replicated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    #[default]
    All,
    /// These: CouchDB's `doc_ids`.
    DocIds(Arc<[DocId]>),
    /// Those that this Mango selector, a JSON object, matches at the source.
    Selector(Arc<str>),
    /// Those that a function of a design document at the source passes.
    Function(Arc<FunctionFilter>),
}

/// A function of a design document that filters, as CouchDB's `filter` and `query_params` name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionFilter {
    /// `design/function`, or a built-in filter such as `_view`.
    pub name: String,
    /// What it is told: options of the changes feed's query.
    pub options: Vec<(String, String)>,
}

/// What a filter means: whoever makes a [`crate::LocalPeer`] knows.
pub trait Select: Send + Sync {
    /// For each document whether it is meant: its JSON with `_id`, `_rev`, `_deleted` and stubs of
    /// its attachments. May block; no snapshot is kept meanwhile.
    ///
    /// # Errors
    /// Any of [`PeerError`].
    fn select(&self, documents: Vec<String>) -> Result<Vec<bool>, PeerError>;
}

/// Which leaf revisions of a document are replicated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leaves {
    /// All of them, conflicts and tombstones included.
    #[default]
    All,
    /// The winner alone: CouchDB's `winning_revs_only`.
    Winner,
}

/// What is asked of a changes feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesQuery {
    /// Only changes after this position.
    pub since: PeerSeq,
    /// At most this many.
    pub limit: usize,
    /// What to do when there are none.
    pub feed: Feed,
    /// Which documents.
    pub filter: Filter,
    /// Which of their revisions.
    pub leaves: Leaves,
}

/// What a changes feed does when nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Answers that there is nothing.
    Normal,
    /// Waits for a change, as long as the peer sees fit.
    Longpoll,
}

/// Part of a changes feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesBatch {
    /// Changed documents, in the feed's order.
    pub changes: Vec<Change>,
    /// Position behind the last of them.
    pub last_seq: PeerSeq,
    /// How many changes come after that, where the peer says.
    pub pending: Option<u64>,
    /// Whether asking on may bring more at once.
    pub more: bool,
    /// Changes whose document or revision id no hub can hold.
    pub unreadable: u64,
}

/// One changed document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The document.
    pub id: DocId,
    /// Its leaf revisions that were asked for, the winner first; never empty.
    pub leaves: Vec<RevId>,
}
