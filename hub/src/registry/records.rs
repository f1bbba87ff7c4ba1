//! Records read from `_dbs` and written to it.

use std::sync::Arc;

use store::{
    Database, DbUuid, Direction, DocId, Edit, EditError, Error, Lineage, Millis, RevId, Seq,
    Snapshot,
};

use super::record::Record;
use super::{Registry, RegistryError, State};

/// Changes read at a time.
const PAGE_CHANGES: usize = 500;

/// How often a record is written anew that somebody else's came before.
const ATTEMPTS_MAX: usize = 8;

/// The live leaves of a document of `_dbs`, the winner first, with their text.
type Leaves = Vec<(RevId, String)>;

/// A document of `_dbs` that has changed: the database that it is of, and what it says.
type Changed = (DbUuid, Leaves);

impl Registry {
    /// Reads what has changed in `_dbs`; whether anything has.
    pub(super) fn refresh(&self, state: &mut State) -> Result<bool, Error> {
        let dbs = self.dbs()?;
        let mut since = match state.read {
            Some((uuid, since)) if uuid == dbs.uuid() => since,
            _ => Seq(0),
        };
        let from = since;
        let mut records = None;
        loop {
            let (changed, last) = dbs.read(|snapshot| changed(snapshot, since))?;
            if last == since {
                break;
            }
            let records = records.get_or_insert_with(|| (*self.records()).clone());
            for (uuid, leaves) in changed {
                match read(uuid, leaves) {
                    Some(Some(record)) => {
                        records.insert(uuid, Arc::new(record));
                        state.unreadable.remove(&uuid);
                    }
                    Some(None) => {
                        records.remove(&uuid);
                        state.unreadable.remove(&uuid);
                    }
                    // What was known goes on.
                    None => _ = state.unreadable.insert(uuid),
                }
            }
            since = last;
        }
        state.read = Some((dbs.uuid(), since));
        if let Some(records) = records {
            self.records.store(Arc::new(records));
        }
        Ok(since != from)
    }

    /// Writes what `change` makes of a database's record, durably. A document in conflict is in conflict
    /// no longer afterwards.
    pub(super) fn note(
        &self,
        state: &mut State,
        uuid: DbUuid,
        now: Millis,
        mut change: impl FnMut(Option<Record>) -> Result<Record, RegistryError>,
    ) -> Result<(), RegistryError> {
        let dbs = self.dbs()?;
        let id: DocId = uuid.to_string().parse().map_err(|_| Error::NoDatabase)?;
        for _ in 0..ATTEMPTS_MAX {
            let leaves = dbs.read(|snapshot| live_leaves(snapshot, &id))?;
            let known = read(uuid, leaves.clone()).flatten();
            let edits = edits(&id, &leaves, &change(known)?);
            match outcome(&dbs, edits, now)? {
                Ok(()) => {
                    self.refresh(state)?;
                    return Ok(());
                }
                Err(EditError::Conflict) => {}
                Err(error) => return Err(RegistryError::Refused(error.to_string())),
            }
        }
        Err(RegistryError::Conflict)
    }
}

/// The edit of the winner, and the tombstones of the others.
fn edits(id: &DocId, leaves: &Leaves, record: &Record) -> Vec<Edit> {
    let edit = |base: Option<&RevId>, deleted: bool, body: String| Edit {
        id: id.clone(),
        lineage: Lineage::Child(base.cloned()),
        deleted,
        body: body.into(),
        attachments: Vec::new(),
    };
    let mut revs = leaves.iter().map(|(rev, _)| rev);
    let mut edits = vec![edit(revs.next(), false, record.text())];
    edits.extend(revs.map(|rev| edit(Some(rev), true, "{}".into())));
    edits
}

/// What became of edits of one document: of the first of them that was refused, why.
fn outcome(dbs: &Database, edits: Vec<Edit>, now: Millis) -> Result<Result<(), EditError>, Error> {
    let outcomes = dbs.write(edits, now)?;
    Ok(outcomes.into_iter().try_for_each(|outcome| outcome.map(|_rev| ())))
}

/// What leaves say together: `Some(None)` where there are none, `None` where none can be read.
fn read(uuid: DbUuid, leaves: Leaves) -> Option<Option<Record>> {
    if leaves.is_empty() {
        return Some(None);
    }
    let mut records = Vec::with_capacity(leaves.len());
    for (rev, text) in leaves {
        match Record::parse(uuid, &text) {
            Ok(record) => records.push((rev, record)),
            Err(error) => {
                tracing::warn!(database = %uuid, "a document in _dbs is no record; ignored");
                tracing::debug!(%error, "ignored in _dbs");
            }
        }
    }
    Record::merged(records).map(Some)
}

/// A page of documents that changed after a position, and where it ends.
fn changed(snapshot: &Snapshot<'_>, since: Seq) -> Result<(Vec<Changed>, Seq), Error> {
    let changes = snapshot.changes(since, Direction::Ascending, PAGE_CHANGES)?;
    let last = changes.last().map_or(since, |change| change.seq);
    let mut changed = Vec::with_capacity(changes.len());
    for change in changes {
        // Documents of other ids are somebody's own notes, and of no database.
        if let Some(uuid) = DbUuid::parse(change.id.as_str()) {
            changed.push((uuid, live_leaves(snapshot, &change.id)?));
        }
    }
    Ok((changed, last))
}

fn live_leaves(snapshot: &Snapshot<'_>, id: &DocId) -> Result<Leaves, Error> {
    let Some(document) = snapshot.tree(id)? else { return Ok(Leaves::new()) };
    let mut leaves = Leaves::new();
    for leaf in document.tree.leaves() {
        let node = document.tree.node(leaf);
        let Some(stored) = node.stored.filter(|_| !node.deleted) else { continue };
        if let Some(body) = snapshot.body(stored.body)? {
            leaves.push((node.rev.clone(), body.json));
        }
    }
    Ok(leaves)
}
