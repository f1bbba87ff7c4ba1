//! Databases made, renamed, joined, deleted and brought back by whoever asks this hub to. What is to be is
//! noted first: a hub that is killed then finds it at its next start, and does it.

use std::sync::Arc;

use store::{ConflictPolicy, Database, DbName, DbUuid, Error, Millis, Trashed, UpdateSeq};

use super::record::{Record, Scope};
use super::{Registry, RegistryError, State, is_of_mesh, system};

/// A database to make.
#[derive(Clone, Debug)]
pub(crate) struct NewDatabase {
    /// Its name, which nobody has.
    pub(crate) name: DbName,
    /// Whether its documents are kept in partitions.
    pub(crate) partitioned: bool,
    /// What becomes of conflicts in it.
    pub(crate) conflicts: ConflictPolicy,
    /// Where it is.
    pub(crate) scope: Scope,
}

impl NewDatabase {
    /// One like those that CouchDB's clients make.
    pub(crate) fn named(name: DbName, conflicts: ConflictPolicy) -> Self {
        Self { name, partitioned: false, conflicts, scope: Scope::Mesh }
    }
}

impl Registry {
    /// Makes a database. May block, as everything here.
    pub(crate) fn create(
        &self,
        wanted: &NewDatabase,
        now: Millis,
    ) -> Result<Arc<Database>, RegistryError> {
        let NewDatabase { name, partitioned, conflicts, scope } = wanted;
        if name.is_system() {
            return Ok(self.store.create(name, now)?);
        }
        let mut state = self.state();
        if self.store.database(name).is_some() {
            return Err(Error::DatabaseExists(name.clone()).into());
        }
        let uuid = self.store.new_uuid()?;
        let record = Record {
            partitioned: *partitioned,
            conflicts: conflicts.clone(),
            conflicts_version: u64::from(*conflicts != ConflictPolicy::Keep),
            scope: *scope,
            ..Record::new(uuid, name.clone(), self.device, now)
        };
        let made = self.make(&mut state, &record, name, now)?;
        drop(state);
        self.settle(now)?;
        Ok(made)
    }

    /// Makes a database that somebody else has already, and shares: it is called as it is there, or
    /// `name~device` where that is taken.
    pub(crate) fn adopt(
        &self,
        record: &Record,
        now: Millis,
    ) -> Result<Arc<Database>, RegistryError> {
        if record.name.is_system() || system::by_sync_id(record.uuid).is_some() {
            return Err(RegistryError::Refused("nobody shares a system database".into()));
        }
        let mut state = self.state();
        // Whether they may write to one that is here is for its policy to say.
        if let Some(present) = self.own(record.uuid) {
            return Ok(present);
        }
        let name = self.free_name(record);
        self.note(&mut state, record.uuid, now, |_| Ok(record.clone()))?;
        // One that was taken before and deleted may still be in the trash.
        let brought = match self.store.restore(record.uuid, &name) {
            Err(Error::NoDatabase) => {
                self.store.create_as(record.uuid, &name, record.partitioned, now)
            }
            restored => restored,
        };
        let made = self.made(&mut state, record, brought, now)?;
        drop(state);
        self.settle(now)?;
        Ok(made)
    }

    pub(super) fn make(
        &self,
        state: &mut State,
        record: &Record,
        name: &DbName,
        now: Millis,
    ) -> Result<Arc<Database>, RegistryError> {
        self.note(state, record.uuid, now, |_| Ok(record.clone()))?;
        let made = self.store.create_as(record.uuid, name, record.partitioned, now);
        self.made(state, record, made, now)
    }

    /// A database was made as its record says, or could not be.
    fn made(
        &self,
        state: &mut State,
        record: &Record,
        made: Result<Arc<Database>, Error>,
        now: Millis,
    ) -> Result<Arc<Database>, RegistryError> {
        let made = made.and_then(|made| self.obey_rule(state, record, &made).map(|()| made));
        if made.is_err() {
            self.note_deletion_later(state, record.uuid, now);
        }
        self.told();
        Ok(made?)
    }

    /// Deletes a database; what it held is in the trash for a while.
    pub(crate) fn delete(&self, database: &Database, now: Millis) -> Result<(), RegistryError> {
        let name = database.name();
        if is_of_mesh(name.as_str()) {
            let reason =
                format!("{name} is what your devices have in common: it cannot be deleted");
            return Err(RegistryError::Refused(reason));
        }
        if name.is_system() {
            return Ok(self.store.delete(&name)?);
        }
        let mut state = self.state();
        if database.is_deleted() {
            return Err(Error::NoDatabase.into());
        }
        let noted = self.note_deletion(&mut state, database.uuid(), None, now);
        match noted {
            Ok(()) => self.put_away(database, now)?,
            // Deleting makes room.
            Err(RegistryError::Store(Error::DiskFull)) => {
                self.store.delete(&name)?;
                self.note_deletion_later(&mut state, database.uuid(), now);
            }
            Err(error) => return Err(error),
        }
        self.told();
        Ok(())
    }

    /// Puts a database into the trash, or deletes it for good where nothing is kept there.
    pub(super) fn put_away(&self, database: &Database, now: Millis) -> Result<(), Error> {
        match self.keeps_trash {
            true => self.store.set_aside(database.uuid(), now),
            false => self.store.delete(&database.name()),
        }
    }

    /// Notes that a database is deleted, where anything is noted of it.
    pub(super) fn note_deletion(
        &self,
        state: &mut State,
        uuid: DbUuid,
        joined: Option<DbUuid>,
        now: Millis,
    ) -> Result<(), RegistryError> {
        if self.record(uuid).is_none() {
            return Ok(());
        }
        self.note(state, uuid, now, |known| {
            let known = known.ok_or(RegistryError::Conflict)?;
            Ok(Record { deleted_at: Some(now), joined, ..known })
        })
    }

    /// Notes that a database is deleted, now or as soon as there is room for it.
    pub(super) fn note_deletion_later(&self, state: &mut State, uuid: DbUuid, now: Millis) {
        if let Err(error) = self.note_deletion(state, uuid, None, now) {
            tracing::warn!(%error, "a deletion could not be noted yet");
            state.unnoted.insert(uuid);
        } else {
            state.unnoted.remove(&uuid);
        }
    }

    /// Sets what is given.
    pub(crate) fn set(
        &self,
        name: &DbName,
        conflicts: Option<&ConflictPolicy>,
        scope: Option<Scope>,
        now: Millis,
    ) -> Result<(), RegistryError> {
        let mut state = self.state();
        let database = self.known(&mut state, name, now)?;
        self.note(&mut state, database.uuid(), now, |known| {
            let mut record = known.ok_or(RegistryError::Conflict)?;
            if let Some(conflicts) = conflicts.filter(|policy| **policy != record.conflicts) {
                record.conflicts = conflicts.clone();
                record.conflicts_version += 1;
            }
            record.scope = scope.unwrap_or(record.scope);
            Ok(record)
        })?;
        if let Some(record) = self.record(database.uuid()) {
            self.obey_rule(&mut state, &record, &database)?;
        }
        drop(state);
        self.settle(now)?;
        self.told();
        Ok(())
    }

    /// Gives a database another name, on every device.
    pub(crate) fn rename(
        &self,
        name: &DbName,
        to: &DbName,
        now: Millis,
    ) -> Result<(), RegistryError> {
        let mut state = self.state();
        let database = self.known(&mut state, name, now)?;
        if to.is_system() {
            return Err(RegistryError::Refused(format!("{to} is the name of a system database")));
        }
        if self.store.database(to).is_some() {
            return Err(Error::DatabaseExists(to.clone()).into());
        }
        self.note(&mut state, database.uuid(), now, |known| {
            let known = known.ok_or(RegistryError::Conflict)?;
            Ok(Record { name: to.clone(), ..known })
        })?;
        let freed = database.name();
        self.store.rename(database.uuid(), to)?;
        self.hand_on_name(&freed)?;
        self.told();
        Ok(())
    }

    /// Of two databases, which one is to have the documents of both, and which is to go: the same on every
    /// device, whichever of them is asked.
    pub(crate) fn to_join(
        &self,
        name: &DbName,
        with: &DbName,
        now: Millis,
    ) -> Result<(Arc<Record>, Arc<Record>), RegistryError> {
        let mut state = self.state();
        let mut record = |name: &DbName| {
            let uuid = self.known(&mut state, name, now)?.uuid();
            self.record(uuid).ok_or(RegistryError::Conflict)
        };
        let (one, other) = (record(name)?, record(with)?);
        if one.uuid == other.uuid {
            return Err(RegistryError::Refused(format!("{name} is one database already")));
        }
        if one.partitioned != other.partitioned {
            let reason = format!("only one of {name} and {with} is partitioned");
            return Err(RegistryError::Refused(reason));
        }
        if (one.scope == Scope::Local) != (other.scope == Scope::Local) {
            let reason = format!("only one of {name} and {with} is on this device alone");
            return Err(RegistryError::Refused(reason));
        }
        let age = |record: &Record| (record.created, record.uuid);
        Ok(if age(&one) < age(&other) { (one, other) } else { (other, one) })
    }

    /// The first of the two has become one with the second, which has all its documents up to a position: it
    /// is in the trash from now on, and the second is called as the first where that had its own name.
    /// `false` where there are more documents: nothing was done.
    pub(crate) fn joined(
        &self,
        (from, into): (&Database, &Database),
        copied: UpdateSeq,
        now: Millis,
    ) -> Result<bool, RegistryError> {
        let mut state = self.state();
        if from.update_seq() != copied {
            return Ok(false);
        }
        if self.record(from.uuid()).is_some_and(|record| record.is_live()) {
            self.note_deletion(&mut state, from.uuid(), Some(into.uuid()), now)?;
        }
        let name = from.name();
        self.store.set_aside(from.uuid(), now)?;
        if from.update_seq() != copied {
            // Written while it was put away.
            self.store.restore(from.uuid(), &name)?;
            return Ok(false);
        }
        if !self.keeps_trash {
            self.store.discard(from.uuid())?;
        }
        if into.name().is_of_device() && into.name().plain() == name {
            self.store.rename(into.uuid(), &name)?;
        }
        self.told();
        Ok(true)
    }

    /// What is in the trash under this name or uuid.
    pub(crate) fn in_trash(&self, word: &str) -> Result<Trashed, RegistryError> {
        let trash = self.store.trash()?;
        let means =
            |trashed: &&Trashed| trashed.name.as_str() == word || trashed.uuid.to_string() == word;
        let mut found = trash.iter().filter(means);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.clone()),
            (Some(_), Some(_)) => Err(RegistryError::Refused(format!(
                "the trash has more than one {word}: name it by its uuid, which `larder db list --trash` shows"
            ))),
            (None, _) => Err(RegistryError::Unknown("nothing in the trash is called so")),
        }
    }

    /// Brings a database back from the trash, under another name where one is given.
    pub(crate) fn restore(
        &self,
        word: &str,
        name: Option<&DbName>,
        now: Millis,
    ) -> Result<Arc<Database>, RegistryError> {
        let mut state = self.state();
        let trashed = self.in_trash(word)?;
        let called = name.cloned().unwrap_or_else(|| trashed.name.plain());
        if called.is_system() {
            return Err(RegistryError::Refused(format!(
                "{called} is the name of a system database"
            )));
        }
        if self.store.database(&called).is_some() {
            return Err(Error::DatabaseExists(called).into());
        }
        self.note(&mut state, trashed.uuid, now, |known| {
            let unknown =
                || Record::new(trashed.uuid, called.clone(), self.device, trashed.created);
            Ok(Record {
                name: called.clone(),
                deleted_at: None,
                joined: None,
                ..known.unwrap_or_else(unknown)
            })
        })?;
        let restored = self.store.restore(trashed.uuid, &called)?;
        if let Some(record) = self.record(trashed.uuid) {
            self.obey_rule(&mut state, &record, &restored)?;
        }
        drop(state);
        self.settle(now)?;
        self.told();
        Ok(restored)
    }

    /// Deletes for good what is in the trash under this name or uuid.
    pub(crate) fn discard(&self, word: &str) -> Result<DbUuid, RegistryError> {
        let _state = self.state();
        let trashed = self.in_trash(word)?;
        self.store.discard(trashed.uuid)?;
        Ok(trashed.uuid)
    }

    /// A database that has a record, or gets one.
    fn known(
        &self,
        state: &mut State,
        name: &DbName,
        now: Millis,
    ) -> Result<Arc<Database>, RegistryError> {
        if name.is_system() {
            let reason = format!("{name} is a system database: it is as it is");
            return Err(RegistryError::Refused(reason));
        }
        let database = self.store.database(name).ok_or(Error::NoDatabase)?;
        if self.record(database.uuid()).is_none() {
            self.note_found(state, &database, now)?;
        }
        Ok(database)
    }

    /// Says that records have changed and were obeyed.
    pub(super) fn told(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}
