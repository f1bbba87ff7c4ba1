//! Records obeyed: this hub has the databases that they say it has, under the names that they give them.

use std::sync::Arc;

use store::{Database, DbName, DbUuid, Error, Millis};

use super::record::{Record, Scope};
use super::{Registry, RegistryError, State};

/// Two databases that are to be one: the second's documents are to be copied into the first, and then it
/// goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Join {
    /// The one that stays.
    pub(crate) into: DbUuid,
    /// The one that goes.
    pub(crate) from: DbUuid,
}

/// Digits of a key or uuid that stand for a device without a petname.
const DIGITS: usize = 8;

impl Registry {
    /// Reads the records anew and does what they say. Databases that nothing is noted of, for they are of an
    /// earlier release or came in some other way, are noted. What is left to be done is to copy documents.
    /// What cannot be done for one database is logged, and tried again the next time. May block.
    pub(crate) fn apply(&self, now: Millis) -> Result<Vec<Join>, RegistryError> {
        let mut state = self.state();
        let mut changed = self.refresh(&mut state)?;
        for uuid in state.unnoted.clone() {
            self.note_deletion_later(&mut state, uuid, now);
        }
        for database in self.store.databases() {
            let uuid = database.uuid();
            let noted = self.record(uuid).is_some() || state.unreadable.contains(&uuid);
            if !noted && !database.name().is_system() {
                self.note_found(&mut state, &database, now)?;
                changed = true;
            }
        }
        let records = self.records();
        let mut of_age: Vec<&Arc<Record>> = records.values().collect();
        // Where two are called the same, the elder has the name.
        of_age.sort_by_key(|record| (record.created, record.uuid));
        let (live, deleted): (Vec<_>, Vec<_>) =
            of_age.into_iter().partition(|record| record.is_live());
        let mut joins = Vec::new();
        for record in &deleted {
            if record.joined.is_none() {
                logged(record, self.obey_deletion(record, now));
            }
        }
        for record in &live {
            logged(record, self.obey(&mut state, record, now));
        }
        for record in &deleted {
            let Some(into) = record.joined else { continue };
            match self.own(record.uuid).and_then(|_| self.own(into)) {
                Some(_) => joins.push(Join { into, from: record.uuid }),
                None => logged(record, self.obey_deletion(record, now)),
            }
        }
        self.obey_rules_of_mesh(&mut state);
        self.keep_rules(&mut state)?;
        drop(state);
        if let Err(error) = self.settle(now) {
            tracing::error!(error = error.unnamed(), "some conflicts stay for now");
        }
        if changed {
            self.told();
        }
        Ok(joins)
    }

    /// A database here that has, or may have, a record.
    pub(super) fn own(&self, uuid: DbUuid) -> Option<Arc<Database>> {
        self.store.database_of(uuid).filter(|database| !database.name().is_system())
    }

    fn obey_deletion(&self, record: &Record, now: Millis) -> Result<(), RegistryError> {
        match self.own(record.uuid) {
            Some(database) => Ok(self.put_away(&database, now)?),
            None => Ok(()),
        }
    }

    fn obey(&self, state: &mut State, record: &Record, now: Millis) -> Result<(), RegistryError> {
        if state.unnoted.contains(&record.uuid) {
            return Ok(());
        }
        let database = match self.own(record.uuid) {
            Some(database) => {
                // One that is called `name~device` is so until the owner says otherwise.
                let name = database.name();
                if name.plain() != record.name {
                    self.store.rename(record.uuid, &self.free_name(record))?;
                    self.hand_on_name(&name)?;
                }
                database
            }
            None if !self.is_for_here(record) => return Ok(()),
            None => self.bring(record, now)?,
        };
        Ok(self.obey_rule(state, record, &database)?)
    }

    /// A database has been renamed: what had to be told from it is called by its own name again. Where one was
    /// deleted it is not: whoever did that may be about to make another.
    pub(super) fn hand_on_name(&self, freed: &DbName) -> Result<(), Error> {
        let records = self.records();
        let called_so = records.values().filter(|record| record.is_live() && record.name == *freed);
        let waiting = called_so.filter(|record| {
            self.own(record.uuid).is_some_and(|database| database.name().is_of_device())
        });
        match waiting.min_by_key(|record| (record.created, record.uuid)) {
            Some(record) => self.store.rename(record.uuid, freed),
            None => Ok(()),
        }
    }

    /// Whether a database is to be on this device.
    fn is_for_here(&self, record: &Record) -> bool {
        let taken = self.store.database_of(record.uuid).is_some();
        !taken && (record.scope != Scope::Local || record.device == Some(self.device))
    }

    /// Makes a database that is noted, or brings it back from the trash.
    fn bring(&self, record: &Record, now: Millis) -> Result<Arc<Database>, Error> {
        let name = self.free_name(record);
        match self.store.restore(record.uuid, &name) {
            Err(Error::NoDatabase) => {
                self.store.create_as(record.uuid, &name, record.partitioned, now)
            }
            restored => restored,
        }
    }

    /// Notes a database as it was found.
    pub(super) fn note_found(
        &self,
        state: &mut State,
        database: &Database,
        now: Millis,
    ) -> Result<(), RegistryError> {
        let (uuid, name) = (database.uuid(), database.name().plain());
        // One that cannot be read says so to whoever asks it.
        let partitioned = database.is_partitioned().unwrap_or_default();
        let rule = database.conflict_rule().unwrap_or_default();
        let found = Record {
            partitioned,
            conflicts: rule.policy,
            conflicts_version: rule.version,
            ..Record::new(uuid, name, self.device, database.created())
        };
        self.note(state, uuid, now, |known| Ok(known.unwrap_or_else(|| found.clone())))
    }

    /// What a database is called here: its name, or where another one has that, `name~device`.
    pub(super) fn free_name(&self, record: &Record) -> DbName {
        let is_free = |name: &DbName| self.store.database(name).is_none();
        if is_free(&record.name) {
            return record.name.clone();
        }
        let device = self.device_of(record);
        let first = record.name.of_device(&device);
        let mut others =
            (2_u32..).map(|number| record.name.of_device(&format!("{number}-{device}")));
        if is_free(&first) {
            return first;
        }
        others.find(is_free).unwrap_or(first)
    }

    /// What stands for the device that a database is from.
    fn device_of(&self, record: &Record) -> String {
        let digits = |text: String| text.chars().take(DIGITS).collect();
        let Some(device) = record.device.filter(|device| *device != self.device) else {
            return digits(record.uuid.to_string());
        };
        let policies = self.policies.now();
        let petname = policies.principals().get(&policies.person(device));
        let petname = petname.map(|notes| notes.name.clone());
        petname.filter(|name| !name.is_empty()).unwrap_or_else(|| digits(bare(&device.to_string())))
    }
}

/// A key's digits, without what says which kind of key it is.
fn bare(key: &str) -> String {
    key.rsplit(':').next().unwrap_or(key).to_owned()
}

fn logged(record: &Record, outcome: Result<(), RegistryError>) {
    match outcome {
        Ok(()) => {}
        Err(RegistryError::Store(Error::Closing | Error::NoDatabase)) => {}
        Err(error) => {
            let error = match &error {
                RegistryError::Store(error) => error.unnamed(),
                other => other.to_string(),
            };
            tracing::error!(database = %record.uuid, error, "its record cannot be obeyed yet");
        }
    }
}
