//! Revisions from the future, which nobody sees yet.

use std::ops::ControlFlow;

use super::queue::Settle;
use super::snapshot::{Page, Snapshot};
use super::{Database, DocTree};
use crate::changes::decode_rev;
use crate::engine::HeldRow;
use crate::{DocId, Error, Millis, RevId};

/// A revision that is held until its time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What it is called here; later ones have greater numbers, and none is given twice.
    pub id: u64,
    /// The document.
    pub doc: DocId,
    /// The revision.
    pub rev: RevId,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// When it may be seen.
    pub due: Millis,
    /// Who brought it.
    pub by: String,
    /// What it takes, attachments included.
    pub bytes: u64,
}

impl Database {
    /// All revisions that are held, in the order in which they came.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn held(&self) -> Result<Vec<Held>, Error> {
        self.read(|snapshot| {
            let mut page = Page::new(0, usize::MAX);
            snapshot.rows.held(&mut |row| page.take(|| held(&row)))?;
            page.finish()
        })
    }

    /// When the next of them is due; `None` when none is held.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn next_due(&self) -> Result<Option<Millis>, Error> {
        self.read(|snapshot| {
            let mut next = None;
            if snapshot.holds()? {
                snapshot.rows.held(&mut |row| {
                    next = Some(next.map_or(row.due, |due: u64| due.min(row.due)));
                    ControlFlow::Continue(())
                })?;
            }
            Ok(next.map(Millis))
        })
    }

    /// Takes the held revisions into their documents whose time has come; how many there were.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn release_due(&self, now: Millis) -> Result<u64, Error> {
        if !self.read(|snapshot| snapshot.holds())? {
            return Ok(0);
        }
        self.settle(Settle::ReleaseDue(now))
    }

    /// Takes one into its document before its time, followed by an edit of ours with the same contents that
    /// is stamped now; whether it was held.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn release(&self, id: u64, now: Millis) -> Result<bool, Error> {
        Ok(self.settle(Settle::Release { id, now })? > 0)
    }
}

impl Snapshot<'_> {
    /// Those of `revs` that are neither in a document's tree nor held, in their order: what
    /// `_revs_diff` asks for. `document` is the document as this snapshot has it.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn missing<'r>(
        &self,
        id: &DocId,
        document: Option<&DocTree>,
        revs: &'r [RevId],
    ) -> Result<Vec<&'r RevId>, Error> {
        let mut missing = match document {
            Some(document) => document.tree.missing(revs),
            None => revs.iter().collect(),
        };
        if !missing.is_empty() && self.holds()? {
            let held = self.held_revs(id)?;
            missing.retain(|rev| !held.contains(rev));
        }
        Ok(missing)
    }

    /// The revisions of a document that are held.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn held_revs(&self, id: &DocId) -> Result<Vec<RevId>, Error> {
        let mut page = Page::new(0, usize::MAX);
        self.rows.held_of(id.as_str(), &mut |row| page.take(|| held(&row).map(|held| held.rev)))?;
        page.finish()
    }

    /// Whether anything is held at all; asked once.
    fn holds(&self) -> Result<bool, Error> {
        if let Some(known) = self.holds.get() {
            return Ok(*known);
        }
        let holds = self.rows.counters()?.pins.held > 0;
        Ok(*self.holds.get_or_init(|| holds))
    }
}

/// A row read; the error says what is damaged.
pub(super) fn held(row: &HeldRow) -> Result<Held, Error> {
    let damaged = || Error::Damaged(format!("held revision {}", row.id));
    let (rev, _) = decode_rev(&mut &row.path[..]).ok_or_else(damaged)?;
    Ok(Held {
        id: row.id,
        doc: row.doc.parse().map_err(|_| damaged())?,
        rev,
        deleted: row.deleted,
        due: Millis(row.due),
        by: row.deliverer.clone(),
        bytes: row.bytes,
    })
}
