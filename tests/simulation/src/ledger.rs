//! What people did, kept apart from any store: what the checker compares the stores with.

use std::collections::{HashMap, HashSet};

use store::{DocId, RevId};

use crate::content::Content;

/// Who made a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// A person at a hub, which stamped it.
    Hub,
    /// A person at a peer that knows CouchDB's protocol alone.
    Dumb,
    /// A device that lies.
    Liar,
}

/// A revision that somebody wrote, as opposed to those that hubs make by themselves.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) device: usize,
    pub(crate) db: usize,
    pub(crate) doc: DocId,
    pub(crate) rev: RevId,
    pub(crate) content: Content,
    /// When it was durable.
    pub(crate) when: u64,
    pub(crate) author: Author,
    /// Whoever wrote it was told that it is durable.
    pub(crate) acknowledged: bool,
}

type Name = (usize, DocId, RevId);

/// Everything that was written.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    written: Vec<Written>,
    by_name: HashMap<Name, Vec<usize>>,
    /// Ids that somebody made up.
    made_up: HashSet<Name>,
    /// Overwritten contents that a person did not want to see any more: device, database, document.
    dismissed: Vec<(usize, usize, DocId, Content)>,
}

impl Ledger {
    /// Notes a revision that is durable; its number. Two people may write the same: the tombstone with
    /// which one of several branches is given up has an id that follows from its parent's.
    pub(crate) fn note(&mut self, written: Written) -> usize {
        let name = (written.db, written.doc.clone(), written.rev.clone());
        self.by_name.entry(name).or_default().push(self.written.len());
        self.written.push(written);
        self.written.len() - 1
    }

    pub(crate) fn acknowledge(&mut self, number: usize) {
        self.written[number].acknowledged = true;
    }

    pub(crate) fn dismiss(&mut self, device: usize, db: usize, doc: &DocId, content: Content) {
        self.dismissed.push((device, db, doc.clone(), content));
    }

    /// Everybody who wrote a revision.
    pub(crate) fn writers(
        &self,
        db: usize,
        doc: &DocId,
        rev: &RevId,
    ) -> impl Iterator<Item = &Written> {
        let numbers = self.by_name.get(&(db, doc.clone(), rev.clone()));
        numbers.into_iter().flatten().filter_map(|number| self.written.get(*number))
    }

    /// Notes the id of a revision that never was.
    pub(crate) fn make_up(&mut self, db: usize, doc: &DocId, rev: &RevId) {
        self.made_up.insert((db, doc.clone(), rev.clone()));
    }

    /// Whether a revision is not one that hubs make by themselves.
    pub(crate) fn is_by_somebody(&self, db: usize, doc: &DocId, rev: &RevId) -> bool {
        let name = (db, doc.clone(), rev.clone());
        self.by_name.contains_key(&name) || self.made_up.contains(&name)
    }

    pub(crate) fn is_dismissed(&self, written: &Written) -> bool {
        self.dismissed.iter().any(|(device, db, doc, content)| {
            *device == written.device
                && *db == written.db
                && *doc == written.doc
                && *content == written.content
        })
    }

    /// Whether anybody made up revisions of a document.
    pub(crate) fn is_made_up(&self, db: usize, doc: &DocId) -> bool {
        self.made_up.iter().any(|(other, name, _)| *other == db && name == doc)
    }

    pub(crate) fn all(&self) -> &[Written] {
        &self.written
    }
}
