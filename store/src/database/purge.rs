//! Purges: revisions taken away for good, and the record of that.

use super::queue::Job;
use super::{Database, setting};
use crate::changes::decode_rev;
use crate::engine::PurgeRow;
use crate::{DocId, Error, RevId};

/// Revisions of a document to be purged, or asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// The document.
    pub id: DocId,
    /// Its revisions.
    pub revs: Vec<RevId>,
}

/// Purges of which compaction keeps the record unless `_purged_infos_limit` says otherwise.
///
/// Source: CouchDB's `purged_infos_limit`.
pub(super) const PURGES_LIMIT: u64 = 1000;

impl Database {
    /// Takes leaves of documents away as if they had never been, with bodies and all, in one commit.
    /// Returns for each purge the leaves that are gone; whatever is no leaf stays. Replication may
    /// bring them back.
    ///
    /// # Errors
    /// Any of [`Error`]; then nothing was purged.
    pub fn purge(&self, purges: Vec<Purge>) -> Result<Vec<Vec<RevId>>, Error> {
        self.wait(|done| Job::Purge { purges, done })
    }

    /// Of how many purges compaction keeps the record; 1,000 unless set.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn purged_infos_limit(&self) -> Result<u64, Error> {
        Ok(super::decode_number(self.setting(setting::PURGES_LIMIT)?).unwrap_or(PURGES_LIMIT))
    }

    /// Sets of how many purges compaction keeps the record, at least 1.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn set_purged_infos_limit(&self, limit: u64) -> Result<(), Error> {
        let value = limit.max(1).to_be_bytes().into();
        self.wait(|done| Job::Setting { key: setting::PURGES_LIMIT, value, done })
    }
}

/// A row read; the error says what is damaged.
pub(super) fn decode_purge(row: &PurgeRow) -> Result<Purge, Error> {
    let damaged = || Error::Damaged(format!("record of purge {}", row.seq));
    let id = row.doc.parse().map_err(|_| damaged())?;
    let (mut revs, mut bytes) = (Vec::new(), &row.revs[..]);
    while !bytes.is_empty() {
        revs.push(decode_rev(&mut bytes).ok_or_else(damaged)?.0);
    }
    Ok(Purge { id, revs })
}
