//! Which documents have more than one live leaf, found in the feeds of databases: each feed is read once, and
//! from then on only what is new.

use std::collections::{BTreeSet, HashMap};

use store::{Change, Database, DbUuid, Direction, DocId, Epoch, Error, Seq};

/// Changes read at a time.
const PAGE_CHANGES: usize = 500;

/// Documents noted of one database.
const DOCUMENTS_MAX: usize = 10_000;

/// Documents in conflict of all databases, as far as their feeds have been read since the hub was started.
#[derive(Debug, Default)]
pub(crate) struct Undecided {
    databases: HashMap<DbUuid, Noted>,
}

/// What was found in one database's feed.
#[derive(Debug)]
struct Noted {
    /// The feed that was read.
    epoch: Epoch,
    /// Up to where.
    after: Seq,
    documents: BTreeSet<DocId>,
    /// There were more than are noted.
    is_full: bool,
}

impl Noted {
    fn new(epoch: Epoch) -> Self {
        Self { epoch, after: Seq(0), documents: BTreeSet::new(), is_full: false }
    }

    fn note(&mut self, change: Change) {
        self.after = change.seq;
        if change.leaves.iter().filter(|(_, deleted)| !deleted).count() < 2 {
            self.documents.remove(&change.id);
        } else if self.documents.len() < DOCUMENTS_MAX {
            self.documents.insert(change.id);
        } else if !self.documents.contains(&change.id) {
            self.is_full = true;
        }
    }
}

impl Undecided {
    /// Whether a database's feed was read to its end.
    pub(super) fn is_current(&self, database: &Database) -> bool {
        let end = database.update_seq();
        match self.databases.get(&database.uuid()) {
            Some(noted) => noted.epoch == end.epoch && noted.after >= end.seq,
            None => end.seq == Seq(0),
        }
    }

    /// Reads the next page of a database's feed; how many changes that were. May block.
    pub(super) fn read_page(&mut self, database: &Database) -> Result<usize, Error> {
        let end = database.update_seq();
        let noted = self.databases.entry(database.uuid()).or_insert_with(|| Noted::new(end.epoch));
        if noted.epoch != end.epoch {
            *noted = Noted::new(end.epoch);
        }
        let changes = database
            .read(|snapshot| snapshot.changes(noted.after, Direction::Ascending, PAGE_CHANGES))?;
        let read = changes.len();
        changes.into_iter().for_each(|change| noted.note(change));
        if read == 0 {
            // A purge moves the end, and leaves no change behind.
            noted.after = noted.after.max(end.seq);
            if noted.is_full && noted.documents.len() < DOCUMENTS_MAX / 2 {
                // There is room now for those that were not noted.
                *noted = Noted::new(end.epoch);
            }
        }
        Ok(read)
    }

    /// How many documents of a database are noted.
    pub(super) fn count(&self, database: &Database) -> usize {
        self.databases.get(&database.uuid()).map_or(0, |noted| noted.documents.len())
    }

    /// Whether a database has more of them than are noted.
    pub(super) fn has_more(&self, database: &Database) -> bool {
        self.databases.get(&database.uuid()).is_some_and(|noted| noted.is_full)
    }

    /// Documents of a database in the order of their ids, some of them skipped.
    pub(super) fn documents(&self, database: &Database, skip: usize, limit: usize) -> Vec<DocId> {
        let noted = self.databases.get(&database.uuid());
        let documents = noted.into_iter().flat_map(|noted| &noted.documents);
        documents.skip(skip).take(limit).cloned().collect()
    }

    /// Forgets databases that are not there any more.
    pub(super) fn retain(&mut self, is_there: impl Fn(DbUuid) -> bool) {
        self.databases.retain(|uuid, _| is_there(*uuid));
    }

    /// Notes that a document is in conflict no more, though no change said so: it was purged.
    pub(super) fn forget(&mut self, database: &Database, document: &DocId) {
        if let Some(noted) = self.databases.get_mut(&database.uuid()) {
            noted.documents.remove(document);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(seq: u64, id: &str, live: usize) -> Change {
        let leaf = |at: usize| (format!("1-{at:032x}").parse().unwrap(), at >= live);
        Change { seq: Seq(seq), id: id.parse().unwrap(), leaves: (0..3).map(leaf).collect() }
    }

    #[test]
    fn a_document_is_noted_as_long_as_two_leaves_live() {
        let mut noted = Noted::new(Epoch([0; 8]));
        for (seq, live, expected) in [(1, 1, 0), (2, 2, 1), (3, 3, 1), (4, 0, 0), (5, 2, 1)] {
            noted.note(change(seq, "a", live));
            assert_eq!((noted.documents.len(), noted.after), (expected, Seq(seq)));
        }
    }

    #[test]
    fn what_is_noted_is_bounded() {
        let mut noted = Noted::new(Epoch([0; 8]));
        for seq in 0..=DOCUMENTS_MAX as u64 {
            assert!(!noted.is_full);
            noted.note(change(seq, &format!("{seq:06}"), 2));
        }
        assert_eq!((noted.documents.len(), noted.is_full), (DOCUMENTS_MAX, true));
        noted.note(change(DOCUMENTS_MAX as u64 + 1, "000000", 1));
        assert_eq!(noted.documents.len(), DOCUMENTS_MAX - 1);
    }
}
