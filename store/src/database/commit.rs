//! Deciding edits against the rows, within the one transaction that keeps them.

mod attach;
mod charge;
mod held;
mod overwritten;
mod purge;
mod resolution;
mod weight;

use std::collections::HashMap;

pub(super) use self::charge::{Ledger, charges_of};
use self::overwritten::Lost;
pub(super) use self::overwritten::{Contents, OverwrittenInfo};
pub(super) use self::resolution::time_of;
pub(super) use self::weight::{Attached, Weight, weigh};
use super::codec;
use super::lineage::{edited_leaf, is_settled, known_ancestors};
use super::queue::LocalWrite;
use crate::changes::{encode_leaves, encode_rev};
use crate::engine::{BodyRow, Counters, DocRow, HeadRow, LocalRow, RowsMut};
use crate::rev_tree::{BodyId, Charge, Derived, Inserted, NodeId, RevTree, Stored};
use crate::stamp::{EditContent, Stamp, next_stamp, stamped};
use crate::{
    Attachment, BodyText, ConflictRule, DocId, Edit, EditError, Error, Lineage, Millis, RevId,
};

/// Where the winner's body lies when only its id is known.
const NO_BODY: BodyId = BodyId(0);

/// The body of a derived tombstone.
const EMPTY: &str = "{}";

/// Edits that are worth looking for together.
const EXPECTED_MIN: usize = 8;

/// One transaction's edits, decided in order, each seeing those before it.
pub(super) struct Commit<'a> {
    rows: &'a mut dyn RowsMut,
    counters: Counters,
    revs_limit: usize,
    device: &'a [u8; 32],
    docs: HashMap<DocId, Pending>,
    /// The first body of this transaction.
    first_body: BodyId,
    /// Attachments of bodies that came or went in this transaction.
    attached: HashMap<BodyId, Attached>,
    /// Documents that changed, in the order in which they first did.
    changed: Vec<DocId>,
    /// What is done about conflicts, once that was asked.
    rule: Option<ConflictRule>,
    /// What time it is, as far as those who write have said.
    now: Millis,
    /// Who is charged for what, once that was asked.
    ledger: Option<Ledger>,
}

/// A document as this transaction sees it.
struct Pending {
    before: Option<Before>,
    tree: RevTree,
    changed: bool,
    /// Bodies that resolution tombstones took from it in this transaction.
    lost: Vec<Lost>,
}

impl Pending {
    /// The document as its row has it; none is a document that nobody wrote.
    fn of(id: &DocId, row: Option<DocRow>) -> Result<Self, Error> {
        let Some(row) = row else { return Ok(Self::with(None, RevTree::default())) };
        let tree = decode_tree(id.as_str(), &row.tree)?;
        let HeadRow { seq, deleted, .. } = row.head;
        let weight = Weight::of(&row, &tree);
        let (leaves, charges) = (weight::leaf_bodies(&tree), charges_of(&tree));
        let before = Before { seq, deleted, weight, leaves, charges };
        Ok(Self::with(Some(before), tree))
    }

    fn with(before: Option<Before>, tree: RevTree) -> Self {
        Self { before, tree, changed: false, lost: Vec::new() }
    }
}

/// What the rows say of a document before this transaction.
struct Before {
    seq: u64,
    deleted: bool,
    weight: Weight,
    leaves: Vec<BodyId>,
    charges: Vec<Charge>,
}

impl<'a> Commit<'a> {
    pub(super) fn begin(
        rows: &'a mut dyn RowsMut,
        revs_limit: usize,
        device: &'a [u8; 32],
    ) -> Result<Self, Error> {
        let mut counters = rows.counters()?;
        counters.body_next = counters.body_next.max(NO_BODY.0 + 1);
        let first_body = BodyId(counters.body_next);
        Ok(Self {
            rows,
            counters,
            revs_limit,
            device,
            docs: HashMap::new(),
            first_body,
            attached: HashMap::new(),
            changed: Vec::new(),
            rule: None,
            now: Millis(counters.pins.newest_stamp),
            ledger: None,
        })
    }

    /// Loads documents that will be edited, all at once: where most of them are new, their rows are
    /// found missing many at a time.
    pub(super) fn expect<'e>(&mut self, ids: impl Iterator<Item = &'e DocId>) -> Result<(), Error> {
        let mut ids: Vec<&DocId> = ids.collect();
        if ids.len() < EXPECTED_MIN {
            return Ok(());
        }
        ids.sort_unstable_by_key(|id| id.as_str());
        ids.dedup();
        let texts: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
        let mut rows = Vec::new();
        self.rows.docs_among(&texts, &mut |row| rows.push(row))?;
        let mut rows = rows.into_iter().peekable();
        self.docs.reserve(ids.len());
        for id in ids {
            let row = rows.next_if(|row| row.head.id == id.as_str());
            self.docs.insert(id.clone(), Pending::of(id, row)?);
        }
        Ok(())
    }

    /// Decides one edit and writes what it brings, by somebody else if `by` names them; the outer error
    /// ends the transaction.
    pub(super) fn edit(
        &mut self,
        edit: &Edit,
        now: Millis,
        by: Option<&str>,
    ) -> Result<Result<RevId, EditError>, Error> {
        self.now = self.now.max(now);
        self.load(&edit.id)?;
        match &edit.lineage {
            Lineage::Child(base) => self.follow(edit, base.as_ref(), now, by),
            Lineage::Path(path) => self.take_over(edit, path, now, by),
        }
    }

    /// Decides an edit of a leaf, or the first one of a document: its revision is made here.
    fn follow(
        &mut self,
        edit: &Edit,
        base: Option<&RevId>,
        now: Millis,
        by: Option<&str>,
    ) -> Result<Result<RevId, EditError>, Error> {
        let Some(tree) = self.tree(&edit.id) else { return Ok(Err(EditError::Conflict)) };
        let base = match edited_leaf(tree, base, edit.deleted) {
            Ok(base) => base,
            Err(error) => return Ok(Err(error)),
        };
        let parent = base.map(|at| tree.node(at).rev.clone());
        let discards = base.is_some_and(|at| discards(edit, tree, at));
        let stamp = next_stamp(tree, now);
        let generation = parent.as_ref().map_or(0, |parent| parent.generation).saturating_add(1);
        let attachments = match self.attach(edit, generation, base.as_slice())? {
            Ok(attachments) => attachments,
            Err(error) => return Ok(Err(error)),
        };
        let rev = match &parent {
            Some(parent) if discards => Derived::Discarded.tombstone(parent),
            parent => self.stamp(stamp, &edit.body, parent.as_ref(), &attachments),
        };
        let path: Vec<RevId> = std::iter::once(rev).chain(parent).collect();
        self.insert(edit, &path, &attachments, by)
    }

    /// Decides a revision that was made elsewhere.
    fn take_over(
        &mut self,
        edit: &Edit,
        path: &[RevId],
        now: Millis,
        by: Option<&str>,
    ) -> Result<Result<RevId, EditError>, Error> {
        let Some(tree) = self.tree(&edit.id) else { return Ok(Err(EditError::Conflict)) };
        let Some(tip) = path.first() else { return Ok(Err(EditError::InvalidPath)) };
        // As in CouchDB, what is known stays as it is, even if more ancestors are told.
        if tree.find(tip).is_some_and(|at| is_settled(tree, at)) {
            return Ok(Ok(tip.clone()));
        }
        let stubs = known_ancestors(tree, path);
        let derived = Derived::of_path(path);
        if derived.is_some() && !is_empty_tombstone(edit) {
            return Ok(Err(EditError::InvalidPath));
        }
        let hold = match by {
            Some(by) => match self.hold(edit, path, derived, now, by)? {
                Ok(hold) => hold,
                Err(error) => return Ok(Err(error)),
            },
            None => held::Hold::Not,
        };
        if matches!(hold, held::Hold::Already) {
            return Ok(Ok(tip.clone()));
        }
        let attachments = match self.attach(edit, tip.generation, &stubs)? {
            Ok(attachments) => attachments,
            Err(error) => return Ok(Err(error)),
        };
        match (hold, by) {
            (held::Hold::Until(due), Some(by)) => {
                self.keep_back(edit, path, &attachments, due, by)?;
                Ok(Ok(tip.clone()))
            }
            _ => self.insert(edit, path, &attachments, by),
        }
    }

    fn tree(&self, id: &DocId) -> Option<&RevTree> {
        self.docs.get(id).map(|pending| &pending.tree)
    }

    /// Writes a local document over whatever stands there.
    pub(super) fn local(&mut self, write: &LocalWrite) -> Result<Option<u64>, Error> {
        let id = write.id.as_str();
        match &write.json {
            None => Ok(self.rows.delete_local(id)?.then_some(0)),
            Some(json) => {
                let rev = write.base.saturating_add(1);
                let body = codec::encode(json);
                self.rows.put_local(&LocalRow { id: id.into(), rev, body })?;
                Ok(Some(rev))
            }
        }
    }

    pub(super) fn setting(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.rule = None;
        self.rows.set_setting(key, value)
    }

    /// Decides conflicts of the changed documents and writes their rows; returns the last sequence, and who
    /// is charged for what where that has changed.
    pub(super) fn finish(mut self) -> Result<(Counters, Option<Ledger>), Error> {
        for id in std::mem::take(&mut self.changed) {
            self.settle(&id)?;
            let Some(pending) = self.docs.remove(&id) else { continue };
            self.finish_document(id.as_str(), &pending)?;
        }
        self.rows.set_counters(&self.counters)?;
        let changed = match &self.ledger {
            Some(ledger) => ledger.write(self.rows)?,
            None => false,
        };
        Ok((self.counters, self.ledger.filter(|_| changed)))
    }

    fn finish_document(&mut self, id: &str, pending: &Pending) -> Result<(), Error> {
        let Some(winner) = pending.tree.winner() else {
            return self.forget_document(id, pending);
        };
        self.counters.update_seq += 1;
        let seq = self.counters.update_seq;
        let row = doc_row(id, seq, &pending.tree);
        self.reweigh(pending, Weight::of(&row, &pending.tree))?;
        self.recharge(pending)?;
        let counters = &mut self.counters;
        if let Some(before) = &pending.before {
            let count =
                if before.deleted { &mut counters.docs_deleted } else { &mut counters.docs_live };
            *count = count.saturating_sub(1);
            counters.stale += 1;
            self.rows.retire_change(before.seq)?;
        }
        let count =
            if winner.deleted { &mut counters.docs_deleted } else { &mut counters.docs_live };
        *count += 1;
        self.rows.put_change(seq, id, &encode_leaves(&pending.tree))?;
        self.rows.put_doc(&row)?;
        self.keep_lost(id, seq, pending)
    }

    fn load(&mut self, id: &DocId) -> Result<(), Error> {
        if self.docs.contains_key(id) {
            return Ok(());
        }
        let row = self.rows.doc(id.as_str())?;
        self.docs.insert(id.clone(), Pending::of(id, row)?);
        Ok(())
    }

    fn insert(
        &mut self,
        edit: &Edit,
        path: &[RevId],
        attachments: &[Attachment],
        by: Option<&str>,
    ) -> Result<Result<RevId, EditError>, Error> {
        let bytes = edit.body.len() as u64;
        let charge = self.charge(by, bytes + edit.staged_bytes())?;
        let stored = Stored { charge, ..Stored::new(self.next_body(), bytes) };
        let came = matches!(edit.lineage, Lineage::Path(_));
        match self.graft(&edit.id, path, edit.deleted, stored, came)? {
            Err(error) => return Ok(Err(error)),
            Ok(false) => return Ok(Ok(path[0].clone())),
            Ok(true) => {}
        }
        self.put_body(stored.body, &edit.body, attachments)?;
        Ok(Ok(path[0].clone()))
    }

    /// Adds a revision to a document's tree, whether it `came` from elsewhere; whether it needs the body.
    fn graft(
        &mut self,
        id: &DocId,
        path: &[RevId],
        deleted: bool,
        stored: Stored,
        came: bool,
    ) -> Result<Result<bool, EditError>, Error> {
        let Some(pending) = self.docs.get_mut(id) else { return Ok(Err(EditError::Conflict)) };
        let lost = if came { Lost::by(&pending.tree, path) } else { None };
        match pending.tree.insert_path(path, deleted, Some(stored)) {
            Err(_) => return Ok(Err(EditError::InvalidPath)),
            Ok(Inserted::Known { body_taken: false, .. }) => return Ok(Ok(false)),
            Ok(_) => {}
        }
        pending.lose(lost);
        self.stem(id)?;
        Ok(Ok(true))
    }

    /// Forgets the oldest revisions of a document that has changed.
    fn stem(&mut self, id: &DocId) -> Result<(), Error> {
        let Some(pending) = self.docs.get_mut(id) else { return Ok(()) };
        let freed = pending.tree.stem(self.revs_limit);
        self.free(id, &freed)?;
        self.mark_changed(id);
        Ok(())
    }

    /// The id of the next body, which is not given until the body is put.
    fn next_body(&self) -> BodyId {
        BodyId(self.counters.body_next)
    }

    fn put_body(
        &mut self,
        body: BodyId,
        json: &str,
        attachments: &[Attachment],
    ) -> Result<(), Error> {
        self.counters.body_next = self.counters.body_next.max(body.0 + 1);
        if !attachments.is_empty() {
            self.attached.insert(body, Attached::by(attachments));
        }
        let attachments = match attachments {
            [] => None,
            some => Some(serde_json::to_string(some).map_err(|error| {
                Error::Damaged(format!("attachments cannot be written: {error}"))
            })?),
        };
        self.rows.put_body(body, &BodyRow { body: codec::encode(json), attachments })
    }

    fn mark_changed(&mut self, id: &DocId) {
        if let Some(pending) = self.docs.get_mut(id)
            && !std::mem::replace(&mut pending.changed, true)
        {
            self.changed.push(id.clone());
        }
    }

    /// Removes bodies of a document that no revision refers to any more.
    fn free(&mut self, id: &DocId, freed: &[Stored]) -> Result<(), Error> {
        for Stored { body, .. } in freed {
            self.note_attached(id, *body)?;
            self.rows.delete_body(*body)?;
        }
        Ok(())
    }

    /// The id of a revision that is made here.
    fn stamp(
        &mut self,
        stamp: Stamp,
        body: &BodyText,
        parent: Option<&RevId>,
        attachments: &[Attachment],
    ) -> RevId {
        let newest = &mut self.counters.pins.newest_stamp;
        *newest = (*newest).max(stamp.millis().0);
        let attachments: Vec<(&str, &[u8])> =
            attachments.iter().map(|a| (a.name.as_str(), &a.content.0[..])).collect();
        let (body, device) = (body.hash(), self.device);
        stamped(stamp, &EditContent { parent, body, attachments: &attachments, device })
    }
}

/// Whether a deletion takes a leaf away in favour of another live one, which is how clients of CouchDB
/// settle conflicts: then nobody means the document to go.
fn discards(edit: &Edit, tree: &RevTree, leaf: NodeId) -> bool {
    let live = |at: &NodeId| *at != leaf && !tree.node(*at).deleted;
    is_empty_tombstone(edit) && !tree.node(leaf).deleted && tree.leaves().iter().any(live)
}

/// Whether an edit deletes and says nothing else.
fn is_empty_tombstone(edit: &Edit) -> bool {
    edit.deleted && &*edit.body == EMPTY && edit.attachments.is_empty()
}

/// A document's row for this tree.
pub(super) fn doc_row(id: &str, seq: u64, tree: &RevTree) -> DocRow {
    let winner = tree.winner();
    let deleted = winner.is_some_and(|winner| winner.deleted);
    let body = winner.and_then(|winner| winner.stored).map_or(NO_BODY, |stored| stored.body);
    let mut rev = Vec::with_capacity(20);
    if let Some(winner) = winner {
        encode_rev(&mut rev, &winner.rev, winner.deleted);
    }
    DocRow { head: HeadRow { id: id.into(), seq, rev, deleted, body }, tree: tree.encode() }
}

pub(super) fn decode_tree(id: &str, bytes: &[u8]) -> Result<RevTree, Error> {
    RevTree::decode(bytes)
        .map_err(|error| Error::Damaged(format!("revision tree of document {id:?}: {error}")))
}

pub(super) fn decode_attachments(json: Option<&str>) -> Result<Vec<Attachment>, Error> {
    let Some(json) = json else { return Ok(Vec::new()) };
    serde_json::from_str(json).map_err(|error| Error::Damaged(format!("attachments: {error}")))
}
