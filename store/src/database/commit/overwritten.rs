//! Bodies that lost to a later writer, kept within the transaction that takes them from their trees.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{Attached, Commit, EMPTY, Pending, decode_attachments};
use crate::changes::{decode_rev, encode_rev};
use crate::database::codec;
use crate::engine::{BodyRow, OverwrittenRow, Rows};
use crate::rev_tree::{BodyId, Derived, RevTree, Stored};
use crate::{Attachment, DocId, Error, Millis, RevId};

/// A loser of at least so many bytes deserves attention where little took its place.
const LARGE_BYTES: u64 = 512;

/// A winner that has at most this part of what the loser had is nearly empty.
const NEARLY_EMPTY: u64 = 10;

/// What took the place of a longer history, and has at most this part of its bytes, is suspicious too.
const NEW_AND_SMALL: u64 = 2;

/// A body that a resolution tombstone took from its tree.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) rev: RevId,
    pub(super) deleted: bool,
    pub(super) stored: Stored,
}

impl Lost {
    /// What a revision that comes from elsewhere takes away: where its path leaves the tree by a
    /// resolution tombstone, the leaf below.
    pub(super) fn by(tree: &RevTree, path: &[RevId]) -> Option<Self> {
        #[cfg(feature = "deliberate-bugs")]
        if crate::deliberate::has(crate::deliberate::Bug::NothingKeptOfReplicated) {
            return None;
        }
        let known = |pair: &&[RevId]| tree.contains(&pair[1]);
        let [newer, rev] = path.windows(2).find(known)? else { return None };
        let leaf = tree.find(rev).filter(|at| tree.is_leaf(*at))?;
        let node = tree.node(leaf);
        let overwritten = Derived::of(newer, rev) == Some(Derived::Overwritten);
        let stored = node.stored.filter(|_| overwritten)?;
        Some(Self { rev: rev.clone(), deleted: node.deleted, stored })
    }
}

impl Pending {
    /// Notes that a leaf has lost its place: from now on the tree does not know its body.
    pub(super) fn lose(&mut self, lost: Option<Lost>) {
        // Where somebody planted a revision in several places it may still be a leaf in another one.
        if let Some(lost) = lost.filter(|lost| !self.tree.has_leaf_with(lost.stored.body)) {
            self.tree.forget_body(lost.stored.body);
            self.lost.push(lost);
        }
    }
}

/// What a row of `overwritten` says beside its columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::database) struct OverwrittenInfo {
    /// When it was overwritten here, in milliseconds since 1970.
    pub(in crate::database) when: u64,
    /// Bytes of its JSON.
    pub(in crate::database) bytes: u64,
    /// Bytes of its attachments, as they are stored.
    pub(in crate::database) attachment_bytes: u64,
    /// So little took its place that somebody should look.
    #[serde(default)]
    pub(in crate::database) attention: bool,
}

/// What a stored body holds.
pub(in crate::database) struct Contents {
    row: BodyRow,
    attachments: Vec<Attachment>,
    attached: Attached,
}

impl Contents {
    /// Of a body that must be there.
    pub(in crate::database) fn of(rows: &dyn Rows, body: BodyId) -> Result<Self, Error> {
        let row = rows.body(body)?;
        let row = row.ok_or_else(|| Error::Damaged(format!("body {} is gone", body.0)))?;
        let attachments = decode_attachments(row.attachments.as_deref())?;
        let attached = Attached::by(&attachments);
        Ok(Self { row, attachments, attached })
    }

    /// The JSON text.
    pub(in crate::database) fn json(&self) -> Result<String, Error> {
        codec::decode(self.row.body.clone())
    }

    /// Bytes of the attachments, as they are stored.
    pub(in crate::database) fn attachment_bytes(&self) -> u64 {
        self.attached.stored()
    }

    pub(in crate::database) fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    /// Whether they are the same, whenever their attachments came.
    fn equals(&self, other: &Self) -> bool {
        let same =
            |(a, b): (&Attachment, &Attachment)| *a == Attachment { revpos: a.revpos, ..b.clone() };
        self.row.body == other.row.body
            && self.attachments.len() == other.attachments.len()
            && self.attachments.iter().zip(&other.attachments).all(same)
    }
}

impl Commit<'_> {
    /// Keeps what a document lost in this transaction, but for what its winner holds too.
    pub(super) fn keep_lost(&mut self, id: &str, seq: u64, pending: &Pending) -> Result<(), Error> {
        for lost in &pending.lost {
            self.keep(id, seq, lost, &pending.tree)?;
        }
        Ok(())
    }

    fn keep(&mut self, id: &str, seq: u64, lost: &Lost, tree: &RevTree) -> Result<(), Error> {
        let body = lost.stored.body;
        let contents = Contents::of(&*self.rows, body)?;
        let bytes = lost.stored.bytes + contents.attachment_bytes();
        let (mut left, mut begun) = (0, false);
        if let Some(winner) = tree.winner()
            && let Some(stored) = winner.stored
        {
            let winning = Contents::of(&*self.rows, stored.body)?;
            if winner.deleted == lost.deleted && winning.equals(&contents) {
                return self.rows.delete_body(body);
            }
            let emptied = winner.deleted || stored.bytes <= EMPTY.len() as u64;
            let json = if emptied { 0 } else { stored.bytes };
            left = json + winning.attachment_bytes();
            begun = winner.rev.generation == 1 && lost.rev.generation > 1;
        }
        let part = if begun { NEW_AND_SMALL } else { NEARLY_EMPTY };
        let info = OverwrittenInfo {
            when: self.now.0,
            bytes: lost.stored.bytes,
            attachment_bytes: contents.attachment_bytes(),
            attention: bytes >= LARGE_BYTES && left.saturating_mul(part) <= bytes,
        };
        self.put_overwritten(id, seq, lost, &info)
    }

    fn put_overwritten(
        &mut self,
        id: &str,
        seq: u64,
        lost: &Lost,
        info: &OverwrittenInfo,
    ) -> Result<(), Error> {
        let pins = &mut self.counters.pins;
        pins.last += 1;
        pins.overwritten += 1;
        pins.bytes += info.bytes;
        pins.attachment_bytes += info.attachment_bytes;
        let mut rev = Vec::with_capacity(20);
        encode_rev(&mut rev, &lost.rev, lost.deleted);
        let info = serde_json::to_string(info)
            .map_err(|error| Error::Damaged(format!("row of overwritten: {error}")))?;
        let (doc, body) = (id.into(), lost.stored.body);
        self.rows.put_overwritten(&OverwrittenRow { id: pins.last, doc, rev, body, seq, info })
    }

    /// The body of a revision of a document that lost, while it is kept.
    pub(super) fn overwritten_body(
        &self,
        id: &DocId,
        rev: &RevId,
    ) -> Result<Option<BodyId>, Error> {
        let pending = self.docs.get(id).map(|pending| &pending.lost[..]).unwrap_or_default();
        if let Some(lost) = pending.iter().find(|lost| lost.rev == *rev) {
            return Ok(Some(lost.stored.body));
        }
        Ok(self.overwritten_row(id, rev)?.map(|row| row.body))
    }

    pub(super) fn overwritten_row(
        &self,
        id: &DocId,
        rev: &RevId,
    ) -> Result<Option<OverwrittenRow>, Error> {
        let mut found = None;
        if self.counters.pins.overwritten == 0 {
            return Ok(found);
        }
        self.rows.overwritten_of(id.as_str(), &mut |row| {
            if decode_rev(&mut &row.rev[..]).is_some_and(|(lost, _)| lost == *rev) {
                found = Some(row);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Takes a row away, and leaves its body to the caller; bytes of its JSON.
    pub(super) fn release_overwritten(&mut self, row: &OverwrittenRow) -> Result<u64, Error> {
        let bytes = self.unpin(row.body)?;
        let pins = &mut self.counters.pins;
        pins.overwritten = pins.overwritten.saturating_sub(1);
        self.rows.delete_overwritten(row.id)?;
        Ok(bytes)
    }

    /// Counts a body as pinned no more; bytes of its JSON.
    pub(super) fn unpin(&mut self, body: BodyId) -> Result<u64, Error> {
        let contents = Contents::of(&*self.rows, body)?;
        let bytes = contents.json()?.len() as u64;
        let pins = &mut self.counters.pins;
        pins.bytes = pins.bytes.saturating_sub(bytes);
        pins.attachment_bytes = pins.attachment_bytes.saturating_sub(contents.attachment_bytes());
        Ok(bytes)
    }

    /// Forgets an overwritten body for good; whether it was there.
    pub(in crate::database) fn dismiss(&mut self, id: u64) -> Result<bool, Error> {
        let mut found = None;
        self.rows.overwritten(id.saturating_sub(1), &mut |row| {
            found = Some(row).filter(|row| row.id == id);
            ControlFlow::Break(())
        })?;
        let Some(row) = found else { return Ok(false) };
        self.forget_overwritten(&row)?;
        Ok(true)
    }

    fn forget_overwritten(&mut self, row: &OverwrittenRow) -> Result<(), Error> {
        self.release_overwritten(row)?;
        self.rows.delete_body(row.body)
    }

    /// Forgets what was overwritten before a time, and of the rest the oldest, until it takes at most so
    /// many bytes; how many bodies were forgotten.
    pub(in crate::database) fn trim(
        &mut self,
        before: Millis,
        bytes_max: u64,
    ) -> Result<u64, Error> {
        let (mut rows, mut damaged) = (Vec::new(), false);
        self.rows.overwritten(0, &mut |row| {
            match serde_json::from_str::<OverwrittenInfo>(&row.info) {
                Ok(info) => rows.push((row, info)),
                Err(_) => damaged = true,
            }
            if damaged { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if damaged {
            return Err(Error::Damaged("row of overwritten".into()));
        }
        let weigh = |info: &OverwrittenInfo| info.bytes + info.attachment_bytes;
        let mut bytes: u64 = rows.iter().map(|(_, info)| weigh(info)).sum();
        let mut forgotten = 0;
        for (row, info) in rows {
            if info.when < before.0 || bytes > bytes_max {
                self.forget_overwritten(&row)?;
                bytes -= weigh(&info);
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    /// Forgets what is kept of a document that is purged: of the revisions asked for, of those that its
    /// tree had `before` and has no more, and all where nothing is left of the document.
    pub(super) fn purge_overwritten(
        &mut self,
        id: &DocId,
        revs: &[RevId],
        before: &[RevId],
    ) -> Result<(), Error> {
        let Some(pending) = self.docs.get_mut(id) else { return Ok(()) };
        let tree = &pending.tree;
        let went = |rev: &RevId| before.contains(rev) && !tree.contains(rev);
        let goes = |rev: &RevId| tree.is_empty() || revs.contains(rev) || went(rev);
        let lost = std::mem::take(&mut pending.lost).into_iter();
        let (gone, kept): (Vec<Lost>, Vec<Lost>) = lost.partition(|lost| goes(&lost.rev));
        let mut rows = Vec::new();
        if self.counters.pins.overwritten > 0 {
            self.rows.overwritten_of(id.as_str(), &mut |row| {
                if decode_rev(&mut &row.rev[..]).is_none_or(|(rev, _)| goes(&rev)) {
                    rows.push(row);
                }
                ControlFlow::Continue(())
            })?;
        }
        pending.lost = kept;
        for lost in gone {
            self.note_attached(id, lost.stored.body)?;
            self.rows.delete_body(lost.stored.body)?;
        }
        rows.iter().try_for_each(|row| self.forget_overwritten(row))
    }

    /// Keeps a body right away that came too late to be a leaf.
    pub(super) fn keep_late(&mut self, id: &DocId, lost: &Lost) -> Result<(), Error> {
        let seq = self.docs.get(id).and_then(|p| p.before.as_ref()).map_or(0, |before| before.seq);
        let attachment_bytes = Contents::of(&*self.rows, lost.stored.body)?.attachment_bytes();
        let (when, bytes) = (self.now.0, lost.stored.bytes);
        let info = OverwrittenInfo { when, bytes, attachment_bytes, attention: false };
        self.put_overwritten(id.as_str(), seq, lost, &info)
    }
}
