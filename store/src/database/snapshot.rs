//! Reading a database as it was at one moment.

use std::cell::OnceCell;
use std::ops::ControlFlow;

use super::codec;
use super::commit::{decode_attachments, decode_tree};
use super::pending::Pending;
use super::purge::{Purge, decode_purge};
use super::{Body, DocTree, Head, IdRange, Local};
use crate::activity::Tally;
use crate::changes::{decode_leaves, decode_rev};
use crate::engine::{HeadRow, LocalRow, Rows};
use crate::rev_tree::BodyId;
use crate::{Attachment, AttachmentReader, Change, Direction, DocId, Error, LocalId, Seq};

/// A database as it was at one moment.
pub struct Snapshot<'a> {
    pub(super) rows: &'a dyn Rows,
    tally: &'a Tally,
    pending: &'a Pending,
    /// Whether any revision is held, once that was asked.
    pub(super) holds: OnceCell<bool>,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(rows: &'a dyn Rows, tally: &'a Tally, pending: &'a Pending) -> Self {
        Self { rows, tally, pending, holds: OnceCell::new() }
    }
}

impl Snapshot<'_> {
    /// Position of the last edit in this snapshot.
    ///
    /// # Errors
    /// Any of [`Error`], as for every method here.
    pub fn update_seq(&self) -> Result<Seq, Error> {
        Ok(Seq(self.rows.counters()?.update_seq))
    }

    /// Documents whose winner is live, and documents whose winner is deleted.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn counts(&self) -> Result<(u64, u64), Error> {
        let counters = self.rows.counters()?;
        Ok((counters.docs_live, counters.docs_deleted))
    }

    /// A document's winner, deleted or not.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn head(&self, id: &DocId) -> Result<Option<Head>, Error> {
        self.rows.head(id.as_str())?.as_ref().map(head).transpose()
    }

    /// A document's whole tree.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn tree(&self, id: &DocId) -> Result<Option<DocTree>, Error> {
        let Some(row) = self.rows.doc(id.as_str())? else { return Ok(None) };
        let tree = decode_tree(id.as_str(), &row.tree)?;
        Ok(Some(DocTree { seq: Seq(row.head.seq), tree }))
    }

    /// The contents of a revision; `None` when compaction has taken them since.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn body(&self, body: BodyId) -> Result<Option<Body>, Error> {
        let Some(row) = self.rows.body(body)? else { return Ok(None) };
        self.tally.read();
        let json = codec::decode(row.body)?;
        Ok(Some(Body { json, attachments: decode_attachments(row.attachments.as_deref())? }))
    }

    /// Live winners in a range of ids, at most `limit` of them after skipping `skip`.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn heads(&self, range: &IdRange, skip: u64, limit: usize) -> Result<Vec<Head>, Error> {
        let mut page = Page::new(skip, limit);
        self.rows.heads(range, &mut |row| page.take(|| head(&row)))?;
        page.finish()
    }

    /// How many live winners have an id before the start of the range, in its direction: CouchDB's
    /// `offset`.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn offset(&self, range: &IdRange) -> Result<u64, Error> {
        match &range.start {
            None => Ok(0),
            Some((id, inclusive)) => self.rows.count_before(id, !inclusive, range.direction),
        }
    }

    /// Changes after (descending: before) a position, at most `limit`.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn changes(
        &self,
        from: Seq,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Change>, Error> {
        let mut page = Page::new(0, limit);
        self.rows.changes(from.0, direction, &mut |(seq, id, leaves)| {
            page.take(|| {
                let damaged = || Error::Damaged(format!("changes row {seq}"));
                let leaves = decode_leaves(&leaves).ok_or_else(damaged)?;
                let id = id.parse().map_err(|_| damaged())?;
                Ok(Change { seq: Seq(seq), id, leaves })
            })
        })?;
        page.finish()
    }

    /// How many changes come after a position: CouchDB's `pending`. Cheap for whoever reads on from
    /// the position that was asked for last.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn changes_after(&self, from: Seq) -> Result<u64, Error> {
        self.pending.after(self.rows, from.0)
    }

    /// A local document.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn local(&self, id: &LocalId) -> Result<Option<Local>, Error> {
        self.rows.local(id.as_str())?.map(local).transpose()
    }

    /// Local documents in a range of ids without their prefix, at most `limit` after `skip`.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn locals(&self, range: &IdRange, skip: u64, limit: usize) -> Result<Vec<Local>, Error> {
        let mut page = Page::new(skip, limit);
        self.rows.locals(range, &mut |row| page.take(|| local(row)))?;
        page.finish()
    }

    /// What was purged after a position, at most `limit` records, each with its own position.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn purges(&self, after: u64, limit: usize) -> Result<Vec<(u64, Purge)>, Error> {
        let mut page = Page::new(0, limit);
        self.rows.purges(after, &mut |row| page.take(|| Ok((row.seq, decode_purge(&row)?))))?;
        page.finish()
    }

    /// The bytes of an attachment.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn attachment(&self, attachment: &Attachment) -> Result<AttachmentReader, Error> {
        let reader = self.rows.blob(&attachment.content)?;
        reader.ok_or_else(|| Error::Damaged(format!("attachment {} is gone", attachment.content)))
    }
}

/// Some rows out of many, and the first error among them.
pub(super) struct Page<T> {
    skip: u64,
    limit: usize,
    rows: Vec<T>,
    failed: Option<Error>,
}

impl<T> Page<T> {
    pub(super) fn new(skip: u64, limit: usize) -> Self {
        Self { skip, limit, rows: Vec::new(), failed: None }
    }

    pub(super) fn take(&mut self, row: impl FnOnce() -> Result<T, Error>) -> ControlFlow<()> {
        if self.rows.len() >= self.limit {
            return ControlFlow::Break(());
        }
        if self.skip > 0 {
            self.skip -= 1;
            return ControlFlow::Continue(());
        }
        match row() {
            Ok(row) => self.rows.push(row),
            Err(error) => self.failed = Some(error),
        }
        let done = self.failed.is_some() || self.rows.len() >= self.limit;
        if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    pub(super) fn finish(self) -> Result<Vec<T>, Error> {
        self.failed.map_or(Ok(self.rows), Err)
    }
}

fn head(row: &HeadRow) -> Result<Head, Error> {
    let HeadRow { id, seq, body, .. } = row;
    let damaged = || Error::Damaged(format!("row of document {id:?}"));
    let (rev, deleted) = decode_rev(&mut &row.rev[..]).ok_or_else(damaged)?;
    let id: DocId = id.parse().map_err(|_| damaged())?;
    Ok(Head { id, seq: Seq(*seq), rev, deleted, body: *body })
}

fn local(row: LocalRow) -> Result<Local, Error> {
    let id: LocalId = format!("_local/{}", row.id)
        .parse()
        .map_err(|_| Error::Damaged(format!("local document {:?}", row.id)))?;
    Ok(Local { id, rev: row.rev, json: codec::decode(row.body)? })
}
