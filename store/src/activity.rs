//! What a store has done since it was opened, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a store has done since it was opened. Counters only rise, save `databases_open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Transactions that were committed.
    pub commits: u64,
    /// Edits of documents that were accepted, those that changed nothing included.
    pub documents_written: u64,
    /// Edits of local documents.
    pub locals_written: u64,
    /// Bodies of revisions that were read.
    pub documents_read: u64,
    /// Bytes of attachments that came with accepted edits.
    pub attachment_bytes_written: u64,
    /// Times that a database's file was opened.
    pub databases_opened: u64,
    /// Databases whose files are open.
    pub databases_open: u64,
}

/// The same while it is counted. Each number stands for itself, so nothing is ordered.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    commits: AtomicU64,
    documents_written: AtomicU64,
    locals_written: AtomicU64,
    documents_read: AtomicU64,
    attachment_bytes_written: AtomicU64,
    databases_opened: AtomicU64,
}

/// What one commit adds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Committed {
    pub(crate) documents: u64,
    pub(crate) locals: u64,
    pub(crate) attachment_bytes: u64,
}

impl Tally {
    pub(crate) fn committed(&self, committed: Committed) {
        add(&self.commits, 1);
        add(&self.documents_written, committed.documents);
        add(&self.locals_written, committed.locals);
        add(&self.attachment_bytes_written, committed.attachment_bytes);
    }

    pub(crate) fn read(&self) {
        add(&self.documents_read, 1);
    }

    pub(crate) fn opened(&self) {
        add(&self.databases_opened, 1);
    }

    pub(crate) fn activity(&self, databases_open: u64) -> Activity {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Activity {
            commits: load(&self.commits),
            documents_written: load(&self.documents_written),
            locals_written: load(&self.locals_written),
            documents_read: load(&self.documents_read),
            attachment_bytes_written: load(&self.attachment_bytes_written),
            databases_opened: load(&self.databases_opened),
            databases_open,
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
