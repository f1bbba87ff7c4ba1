//! Databases of friends that were edited here: where only reading is shared, those edits stay here, and
//! their owner is told so.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::{Database, DbUuid, Error, LocalId};

/// The local document of a database that says so.
const MARK: &str = "_local/edited-here";

/// What is known without reading; what is not known is read once.
#[derive(Debug, Default)]
pub(crate) struct OwnEdits {
    known: Mutex<(BTreeSet<DbUuid>, BTreeSet<DbUuid>)>,
}

impl OwnEdits {
    /// Whether the database was edited here. May block.
    pub(crate) fn are_in(&self, database: &Database) -> bool {
        let uuid = database.uuid();
        {
            let known = self.known();
            if known.0.contains(&uuid) {
                return true;
            }
            if known.1.contains(&uuid) {
                return false;
            }
        }
        // One that cannot be read says so to whoever asks it.
        let is_marked = read(database).unwrap_or_default();
        let mut known = self.known();
        let noted = if is_marked { &mut known.0 } else { &mut known.1 };
        noted.insert(uuid);
        is_marked
    }

    /// Whether it is known already that the database of this uuid was edited here.
    pub(crate) fn are_known(&self, uuid: DbUuid) -> bool {
        self.known().0.contains(&uuid)
    }

    /// It is edited here. May block, the first time.
    pub(crate) fn note(&self, database: &Database) {
        if self.known().0.contains(&database.uuid()) {
            return;
        }
        let marked = MARK.parse::<LocalId>().map_err(|_| Error::NoDatabase);
        let marked = marked.and_then(|id| database.write_local(id, 0, Some("{}".into())));
        if let Err(error) = marked {
            tracing::debug!(error = error.unnamed(), "an edit of a friend's database is not noted");
        }
        let mut known = self.known();
        known.1.remove(&database.uuid());
        known.0.insert(database.uuid());
    }

    fn known(&self) -> MutexGuard<'_, (BTreeSet<DbUuid>, BTreeSet<DbUuid>)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(database: &Database) -> Result<bool, Error> {
    let id: LocalId = MARK.parse().map_err(|_| Error::NoDatabase)?;
    Ok(database.read(|snapshot| snapshot.local(&id))?.is_some())
}
