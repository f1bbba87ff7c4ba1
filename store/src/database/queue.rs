//! Writes that wait to be committed together.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{DocId, Edit, EditError, Error, LocalId, Millis, Purge, RevId};

/// Writes that may wait for one database; past this its callers are told to come back.
const WAITING_MAX: usize = 8192;

/// Edits and bytes of bodies committed at once: enough to share the cost of making them durable,
/// few enough that nobody waits long.
const EDITS_AT_ONCE: usize = 1000;
const BYTES_AT_ONCE: usize = 4 << 20;

pub(super) type Edited = Result<Vec<Result<RevId, EditError>>, Error>;

/// For each purge the leaves that are gone.
pub(super) type Purged = Result<Vec<Vec<RevId>>, Error>;

/// One write and whom to tell.
pub(super) enum Job {
    Edits {
        edits: Vec<Edit>,
        now: Millis,
        /// Who brings them, where that is somebody else.
        by: Option<Arc<str>>,
        done: Box<dyn FnOnce(Edited) + Send>,
    },
    Local {
        write: LocalWrite,
        done: Box<dyn FnOnce(Result<Option<u64>, Error>) + Send>,
    },
    Setting {
        key: &'static str,
        value: Vec<u8>,
        done: Box<dyn FnOnce(Result<(), Error>) + Send>,
    },
    Purge {
        purges: Vec<Purge>,
        done: Box<dyn FnOnce(Purged) + Send>,
    },
    Settle {
        settle: Settle,
        done: Box<dyn FnOnce(Result<u64, Error>) + Send>,
    },
    /// Runs while nothing else writes.
    Alone(Box<dyn FnOnce() + Send>),
}

/// A local document to write over whatever stands there.
#[derive(Clone, Debug)]
pub(super) struct LocalWrite {
    pub(super) id: LocalId,
    pub(super) base: u64,
    pub(super) json: Option<String>,
}

/// What is done about conflicts, what they left behind, and what is held.
#[derive(Clone, Debug)]
pub(super) enum Settle {
    /// Decides the conflicts of these documents; how many changed.
    Resolve { ids: Vec<DocId>, now: Millis },
    /// Forgets an overwritten body; 1 if it was there.
    Dismiss(u64),
    /// Forgets overwritten bodies by age and bytes; how many.
    Trim { before: Millis, bytes_max: u64 },
    /// Takes held revisions in whose time has come; how many.
    ReleaseDue(Millis),
    /// Takes a held revision in now; 1 if it was there.
    Release { id: u64, now: Millis },
}

impl Job {
    /// Tells the caller that nothing was written.
    pub(super) fn fail(self, error: Error) {
        match self {
            Self::Edits { done, .. } => done(Err(error)),
            Self::Local { done, .. } => done(Err(error)),
            Self::Setting { done, .. } => done(Err(error)),
            Self::Purge { done, .. } => done(Err(error)),
            Self::Settle { done, .. } => done(Err(error)),
            // Whoever waits for it sees its channel close.
            Self::Alone(_) => {}
        }
    }

    /// Its edits; none for other kinds of writes.
    pub(super) fn edits(&self) -> &[Edit] {
        match self {
            Self::Edits { edits, .. } => edits,
            Self::Local { .. }
            | Self::Setting { .. }
            | Self::Purge { .. }
            | Self::Settle { .. }
            | Self::Alone(_) => &[],
        }
    }

    /// Whether it may change a design document.
    pub(super) fn touches_designs(&self) -> bool {
        match self {
            Self::Edits { edits, .. } => edits.iter().any(|edit| edit.id.is_design()),
            Self::Purge { purges, .. } => purges.iter().any(|purge| purge.id.is_design()),
            Self::Settle { settle, .. } => match settle {
                Settle::Resolve { ids, .. } => ids.iter().any(DocId::is_design),
                // Of which documents shows only then.
                Settle::ReleaseDue(_) | Settle::Release { .. } => true,
                Settle::Dismiss(_) | Settle::Trim { .. } => false,
            },
            Self::Local { .. } | Self::Setting { .. } | Self::Alone(_) => false,
        }
    }

    fn weight(&self) -> (usize, usize) {
        match self {
            Self::Edits { edits, .. } => {
                (edits.len(), edits.iter().map(|edit| edit.body.len()).sum())
            }
            Self::Local { write, .. } => (1, write.json.as_ref().map_or(0, String::len)),
            Self::Setting { value, .. } => (1, value.len()),
            Self::Purge { purges, .. } => (purges.len(), 0),
            Self::Settle { settle: Settle::Resolve { ids, .. }, .. } => (ids.len(), 0),
            Self::Settle { .. } => (1, 0),
            Self::Alone(_) => (1, 0),
        }
    }
}

/// The writes of one database that wait, and whether a thread is at work on them.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Job>,
    at_work: bool,
}

/// What the thread at work does next.
pub(super) enum Next {
    /// Commits these together.
    Together(Vec<Job>),
    /// Runs this alone.
    Alone(Box<dyn FnOnce() + Send>),
    /// Goes home.
    Idle,
}

impl Queue {
    /// Adds a write; `true` when a thread must be set to work.
    pub(super) fn push(&mut self, job: Job) -> Result<bool, Job> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(job);
        }
        self.waiting.push_back(job);
        Ok(!std::mem::replace(&mut self.at_work, true))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The thread at work stops; `true` when another must go on, because writes wait or for `upkeep`.
    pub(super) fn rest(&mut self, upkeep: bool) -> bool {
        self.at_work = upkeep || !self.waiting.is_empty();
        self.at_work
    }

    pub(super) fn next(&mut self) -> Next {
        let mut together = Vec::new();
        let (mut edits, mut bytes) = (0, 0);
        while let Some(job) = self.waiting.front() {
            let weight = job.weight();
            let full = edits + weight.0 > EDITS_AT_ONCE || bytes + weight.1 > BYTES_AT_ONCE;
            let alone = matches!(job, Job::Alone(_));
            if !together.is_empty() && (full || alone) {
                break;
            }
            match self.waiting.pop_front() {
                Some(Job::Alone(work)) => return Next::Alone(work),
                Some(job) => together.push(job),
                None => break,
            }
            edits += weight.0;
            bytes += weight.1;
        }
        if together.is_empty() {
            self.at_work = false;
            return Next::Idle;
        }
        Next::Together(together)
    }
}
