//! What lost to a later writer, kept until somebody has seen it.

use super::commit::OverwrittenInfo;
use super::queue::Settle;
use super::snapshot::{Page, Snapshot};
use super::{Body, Database};
use crate::changes::decode_rev;
use crate::engine::OverwrittenRow;
use crate::rev_tree::BodyId;
use crate::{DocId, Error, Millis, RevId, Seq};

/// A revision that a later writer overwrote, whose contents are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overwritten {
    /// What it is called here; later ones have greater numbers, and none is given twice.
    pub id: u64,
    /// The document.
    pub doc: DocId,
    /// The revision that lost.
    pub rev: RevId,
    /// Whether it was a tombstone.
    pub deleted: bool,
    /// Where its contents lie: [`Snapshot::body`] reads them.
    pub body: BodyId,
    /// Position of the document in the feed when it lost.
    pub seq: Seq,
    /// When it lost here.
    pub when: Millis,
    /// Bytes of its JSON, and of its attachments as they are stored.
    pub bytes: u64,
    /// Hardly anything took the place of much: somebody should look.
    pub attention: bool,
}

impl Database {
    /// What lost to later writers: rows with greater numbers than `after`, in their order, at most `limit`.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn overwritten(&self, after: u64, limit: usize) -> Result<Vec<Overwritten>, Error> {
        self.read(|snapshot| snapshot.overwritten(after, limit))
    }

    /// Forgets one of them for good; whether it was there. Its attachments go with the next compaction.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn dismiss_overwritten(&self, id: u64) -> Result<bool, Error> {
        Ok(self.settle(Settle::Dismiss(id))? > 0)
    }

    /// Forgets all that lost before `before`, and of the rest the oldest, until it takes `bytes_max` at
    /// most; how many were forgotten.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn trim_overwritten(&self, before: Millis, bytes_max: u64) -> Result<u64, Error> {
        if self.read(|snapshot| snapshot.overwritten_count())? == 0 {
            return Ok(0);
        }
        self.settle(Settle::Trim { before, bytes_max })
    }
}

impl Snapshot<'_> {
    /// As [`Database::overwritten`].
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn overwritten(&self, after: u64, limit: usize) -> Result<Vec<Overwritten>, Error> {
        let mut page = Page::new(0, limit);
        self.rows.overwritten(after, &mut |row| page.take(|| overwritten(&row)))?;
        page.finish()
    }

    /// How many there are; costs the same however many.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn overwritten_count(&self) -> Result<u64, Error> {
        Ok(self.rows.counters()?.pins.overwritten)
    }

    /// One of them with its contents; `None` when it is not there.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn overwritten_contents(&self, id: u64) -> Result<Option<(Overwritten, Body)>, Error> {
        let found = self.overwritten(id.saturating_sub(1), 1)?.pop().filter(|row| row.id == id);
        let Some(row) = found else { return Ok(None) };
        let body = self.body(row.body)?;
        let body = body.ok_or_else(|| Error::Damaged(format!("overwritten {id} has no body")))?;
        Ok(Some((row, body)))
    }
}

/// A row read; the error says what is damaged.
pub(super) fn overwritten(row: &OverwrittenRow) -> Result<Overwritten, Error> {
    let damaged = || Error::Damaged(format!("overwritten {}", row.id));
    let doc = row.doc.parse().map_err(|_| damaged())?;
    let (rev, deleted) = decode_rev(&mut &row.rev[..]).ok_or_else(damaged)?;
    let info: OverwrittenInfo = serde_json::from_str(&row.info).map_err(|_| damaged())?;
    Ok(Overwritten {
        id: row.id,
        doc,
        rev,
        deleted,
        body: row.body,
        seq: Seq(row.seq),
        when: Millis(info.when),
        bytes: info.bytes + info.attachment_bytes,
        attention: info.attention,
    })
}
