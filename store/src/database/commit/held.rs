//! Revisions from the future, kept back until their time has come.

use std::ops::ControlFlow;

use super::{Attached, Commit, Contents, Lost, is_settled};
use crate::changes::{decode_rev, encode_rev};
use crate::engine::HeldRow;
use crate::rev_tree::{Derived, Stored, check_path};
use crate::stamp::{next_stamp, stamp_after, stamp_of};
use crate::{Attachment, BodyText, DocId, Edit, EditError, Error, Millis, RevId};

/// How far ahead of our time a revision may be stamped, in milliseconds.
const AHEAD_MS: u64 = 10 * 60 * 1000;

/// Revisions and bytes that are held of one deliverer.
const REVISIONS_MAX: u64 = 1000;
const BYTES_MAX: u64 = 64 << 20;

/// Whether a revision is kept back.
pub(super) enum Hold {
    Not,
    /// It is already.
    Already,
    /// Until then, in milliseconds since 1970.
    Until(u64),
}

impl Commit<'_> {
    /// Whether a revision that somebody else brings has to be kept back, and can be.
    pub(super) fn hold(
        &self,
        edit: &Edit,
        path: &[RevId],
        derived: Option<Derived>,
        now: Millis,
        by: &str,
    ) -> Result<Result<Hold, EditError>, Error> {
        let Some(tip) = path.first() else { return Ok(Ok(Hold::Not)) };
        let limit = Millis(self.time(now).0.saturating_add(AHEAD_MS));
        let own = stamp_after(tip, limit).map(|stamp| due(stamp.millis()));
        let held = self.held_of(&edit.id)?;
        if held.iter().any(|row| tip_of(row).as_ref() == Some(tip)) {
            return Ok(Ok(Hold::Already));
        }
        let due = match (own, derived, path) {
            (None, Some(Derived::Overwritten), [_, lost, ..]) => {
                self.due_of_winner(&edit.id, lost, &held)?
            }
            (own, ..) => own,
        };
        let Some(due) = due else { return Ok(Ok(Hold::Not)) };
        if check_path(path).is_err() {
            return Ok(Err(EditError::InvalidPath));
        }
        let (mut revisions, mut bytes) = (1, edit.body.len() as u64 + edit.staged_bytes());
        self.rows.held(&mut |row| {
            if row.deliverer == by {
                revisions += 1;
                bytes += row.bytes;
            }
            ControlFlow::Continue(())
        })?;
        if revisions > REVISIONS_MAX || bytes > BYTES_MAX {
            return Ok(Err(EditError::TooManyHeld));
        }
        Ok(Ok(Hold::Until(due)))
    }

    /// When the winner is due that a resolution tombstone was written for, if that is held itself: taken
    /// alone, the tombstone would leave the document with nothing, or with what it took away, back and
    /// forth between us and those that see the winner.
    fn due_of_winner(
        &self,
        id: &DocId,
        lost: &RevId,
        held: &[HeldRow],
    ) -> Result<Option<u64>, Error> {
        let Some(tree) = self.tree(id).filter(|_| !held.is_empty()) else { return Ok(None) };
        if tree.is_beaten(lost, stamp_of(lost), |node| Ok::<_, Error>(stamp_of(&node.rev)))? {
            return Ok(None);
        }
        let beats = |row: &&HeldRow| tip_of(row).is_some_and(|tip| stamp_of(&tip) > stamp_of(lost));
        Ok(held.iter().filter(beats).map(|row| row.due).min())
    }

    /// Keeps a revision back.
    pub(super) fn keep_back(
        &mut self,
        edit: &Edit,
        path: &[RevId],
        attachments: &[Attachment],
        due: u64,
        by: &str,
    ) -> Result<(), Error> {
        let body = self.next_body();
        self.put_body(body, &edit.body, attachments)?;
        let attached = Attached::by(attachments).stored();
        let bytes = edit.body.len() as u64;
        let pins = &mut self.counters.pins;
        pins.last += 1;
        pins.held += 1;
        pins.bytes += bytes;
        pins.attachment_bytes += attached;
        let mut encoded = Vec::with_capacity(20 * path.len());
        path.iter().for_each(|rev| encode_rev(&mut encoded, rev, false));
        self.rows.put_held(&HeldRow {
            id: pins.last,
            doc: edit.id.to_string(),
            path: encoded,
            deleted: edit.deleted,
            body,
            due,
            deliverer: by.into(),
            bytes: bytes + attached,
        })
    }

    /// Takes those in whose time has come; how many there were.
    pub(in crate::database) fn release_due(&mut self, now: Millis) -> Result<u64, Error> {
        self.now = self.now.max(now);
        let (time, mut due) = (self.time(now).0, Vec::new());
        self.rows.held(&mut |row| {
            if row.due <= time {
                due.push(row);
            }
            ControlFlow::Continue(())
        })?;
        for row in &due {
            self.take_in(row)?;
        }
        Ok(due.len() as u64)
    }

    /// Takes one in now, as an edit of our own that follows it; whether it was held.
    pub(in crate::database) fn release(&mut self, id: u64, now: Millis) -> Result<bool, Error> {
        self.now = self.now.max(now);
        let mut found = None;
        self.rows.held(&mut |row| {
            let right = row.id == id;
            found = Some(row).filter(|_| right);
            if right { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let Some(row) = found else { return Ok(false) };
        let (doc, path) = decode(&row)?;
        self.load(&doc)?;
        let Some(tree) = self.tree(&doc) else { return Ok(false) };
        let known = path.first().is_none_or(|tip| tree.contains(tip));
        if known || Derived::of_path(&path).is_some() {
            self.take_in(&row)?;
            return Ok(true);
        }
        let stamp = next_stamp(tree, now);
        let bytes = self.let_go(&row)?;
        let contents = Contents::of(&*self.rows, row.body)?;
        let json = BodyText::from(contents.json()?);
        let rev = self.stamp(stamp, &json, path.first(), contents.attachments());
        let path: Vec<RevId> = std::iter::once(rev).chain(path).collect();
        let charge = self.charge(Some(&row.deliverer), row.bytes)?;
        let stored = Stored { charge, ..Stored::new(row.body, bytes) };
        if self.graft(&doc, &path, row.deleted, stored, true)? != Ok(true) {
            self.rows.delete_body(row.body)?;
        }
        // Tombstones that waited for it need not wait for its time.
        for other in self.held_of(&doc)? {
            if Derived::of_path(&decode(&other)?.1).is_some() {
                self.take_in(&other)?;
            }
        }
        Ok(true)
    }

    /// Takes a held revision into its tree as it is.
    fn take_in(&mut self, row: &HeldRow) -> Result<(), Error> {
        let (doc, path) = decode(row)?;
        self.load(&doc)?;
        let bytes = self.let_go(row)?;
        let charge = self.charge(Some(&row.deliverer), row.bytes)?;
        let stored = Stored { charge, ..Stored::new(row.body, bytes) };
        let Some(tip) = path.first() else { return Ok(()) };
        let Some(tree) = self.tree(&doc) else { return Ok(()) };
        let known = tree.find(tip).filter(|at| is_settled(tree, *at));
        match known {
            // It was overwritten while it was held, and nobody else here may have it.
            Some(at) if tree.node(at).stored.is_none() && tree.is_overwritten(at) => {
                let lost = Lost { rev: tip.clone(), deleted: row.deleted, stored };
                self.keep_late(&doc, &lost)
            }
            Some(_) => self.rows.delete_body(row.body),
            None => match self.graft(&doc, &path, row.deleted, stored, true)? {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => self.rows.delete_body(row.body),
            },
        }
    }

    /// Takes a row away, and leaves its body to the caller; bytes of its JSON.
    fn let_go(&mut self, row: &HeldRow) -> Result<u64, Error> {
        let bytes = self.unpin(row.body)?;
        let pins = &mut self.counters.pins;
        pins.held = pins.held.saturating_sub(1);
        self.rows.delete_held(row.id)?;
        Ok(bytes)
    }

    /// Forgets what is held of a document that is purged: of the revisions asked for, and all where
    /// nothing is left of the document.
    pub(super) fn purge_held(&mut self, id: &DocId, revs: &[RevId]) -> Result<(), Error> {
        let gone = self.tree(id).is_none_or(crate::rev_tree::RevTree::is_empty);
        for row in self.held_of(id)? {
            if gone || tip_of(&row).is_none_or(|tip| revs.contains(&tip)) {
                self.let_go(&row)?;
                self.rows.delete_body(row.body)?;
            }
        }
        Ok(())
    }

    fn held_of(&self, id: &DocId) -> Result<Vec<HeldRow>, Error> {
        let mut held = Vec::new();
        if self.counters.pins.held > 0 {
            self.rows.held_of(id.as_str(), &mut |row| {
                held.push(row);
                ControlFlow::Continue(())
            })?;
        }
        Ok(held)
    }

    /// The time by which others are judged: ours, unless we have written later stamps ourselves.
    fn time(&self, now: Millis) -> Millis {
        now.max(Millis(self.counters.pins.newest_stamp))
    }
}

/// When a revision may be seen that is stamped so.
fn due(stamp: Millis) -> u64 {
    stamp.0.saturating_sub(AHEAD_MS)
}

/// The document of a held revision, and its path.
fn decode(row: &HeldRow) -> Result<(DocId, Vec<RevId>), Error> {
    let damaged = || Error::Damaged(format!("held revision {}", row.id));
    let doc = row.doc.parse().map_err(|_| damaged())?;
    let (mut path, mut bytes) = (Vec::new(), &row.path[..]);
    while !bytes.is_empty() {
        path.push(decode_rev(&mut bytes).ok_or_else(damaged)?.0);
    }
    Ok((doc, path))
}

pub(in crate::database) fn tip_of(row: &HeldRow) -> Option<RevId> {
    decode_rev(&mut &row.path[..]).map(|(rev, _)| rev)
}
