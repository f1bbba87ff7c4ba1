//! Names, uuids and last sequences of all databases, in one small file.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::engine::Power;
use crate::{DbName, DbUuid, Epoch, Error, Millis};

/// Version of the catalog written here, kept in SQLite's `user_version`.
const FORMAT: u64 = 2;

const TABLES: &str = "
CREATE TABLE databases (
    uuid BLOB PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    epoch BLOB NOT NULL,
    created INTEGER NOT NULL,
    update_seq INTEGER NOT NULL,
    clean INTEGER NOT NULL
) WITHOUT ROWID;
";

/// What version 2 added: databases in the trash. Their own name is free for others: it is kept in
/// `called`, and `name` is one that no database can have.
const TRASH: &str = "
ALTER TABLE databases ADD COLUMN deleted INTEGER;
ALTER TABLE databases ADD COLUMN called TEXT;
";

/// The file that says which databases there are.
#[derive(Debug)]
pub(crate) struct Catalog {
    connection: Mutex<Connection>,
    /// A write failed. It was taken back, yet if its bytes reached the disk, a start after a crash
    /// would find it done; the next write that succeeds takes its place.
    doubtful: AtomicBool,
    /// Rows of deleted databases that could not be removed.
    left: Mutex<Vec<DbUuid>>,
    /// What commits need on a disk that is simulated.
    pub(crate) power: Option<Arc<Power>>,
    #[cfg(test)]
    pub(crate) faults: Option<Arc<crate::engine::Faults>>,
}

/// What the catalog says of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) uuid: DbUuid,
    pub(crate) name: DbName,
    /// Which file is the present one; compaction raises it.
    pub(crate) generation: u64,
    pub(crate) epoch: Epoch,
    pub(crate) created: Millis,
    /// Position of the last edit, right only while `clean`.
    pub(crate) update_seq: u64,
    /// Whether the database was closed since its last edit.
    pub(crate) clean: bool,
}

/// What the catalog says of a database in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrashEntry {
    /// What it was, its name included.
    pub(crate) entry: Entry,
    /// When it was put there; 0 where the hub was killed while it did so.
    pub(crate) deleted: Millis,
}

impl Catalog {
    /// Opens the file, making it where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let sqlite = Error::sqlite("open the catalog");
        let connection = Connection::open(path).map_err(&sqlite)?;
        // Exclusive, it needs no shared memory, and with it no room on a full disk, to be read.
        connection
            .execute_batch(
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;",
            )
            .map_err(&sqlite)?;
        Self::prepare(connection)
    }

    /// A catalog that lives in memory only.
    pub(crate) fn in_memory() -> Result<Self, Error> {
        Self::prepare(Connection::open_in_memory().map_err(Error::sqlite("open the catalog"))?)
    }

    fn prepare(mut connection: Connection) -> Result<Self, Error> {
        let sqlite = Error::sqlite("open the catalog");
        let found: u64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(&sqlite)?;
        match found {
            0 | 1 => {
                let transaction = connection.transaction().map_err(&sqlite)?;
                if found == 0 {
                    transaction.execute_batch(TABLES).map_err(&sqlite)?;
                }
                transaction.execute_batch(TRASH).map_err(&sqlite)?;
                transaction.pragma_update(None, "user_version", FORMAT).map_err(&sqlite)?;
                transaction.commit().map_err(&sqlite)?;
            }
            FORMAT => {}
            found => return Err(Error::NewerFormat { found, known: FORMAT }),
        }
        Ok(Self {
            connection: Mutex::new(connection),
            doubtful: AtomicBool::new(false),
            left: Mutex::default(),
            power: None,
            #[cfg(test)]
            faults: None,
        })
    }

    /// All databases in order of their names, those in the trash left out.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Error> {
        let sql = "SELECT uuid, name, generation, epoch, created, update_seq, clean
                   FROM databases WHERE deleted IS NULL ORDER BY name";
        self.rows(sql, entry)
    }

    /// The databases in the trash, by their names.
    pub(crate) fn trash(&self) -> Result<Vec<TrashEntry>, Error> {
        let sql = "SELECT uuid, called, generation, epoch, created, update_seq, clean, deleted
                   FROM databases WHERE deleted IS NOT NULL ORDER BY called, deleted";
        self.rows(sql, |row| {
            let deleted = row.get(7).map_err(Error::sqlite("read the catalog"))?;
            Ok(TrashEntry { entry: entry(row)?, deleted: Millis(deleted) })
        })
    }

    fn rows<T>(
        &self,
        sql: &str,
        read: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let sqlite = Error::sqlite("read the catalog");
        let connection = self.connection();
        let mut statement = connection.prepare(sql).map_err(&sqlite)?;
        let rows = statement.query_map([], |row| Ok(read(row))).map_err(&sqlite)?;
        rows.map(|row| row.map_err(&sqlite)?).collect()
    }

    /// Adds a database.
    pub(crate) fn insert(&self, entry: &Entry) -> Result<(), Error> {
        self.make_way(&entry.name)?;
        self.run(
            "INSERT INTO databases (uuid, name, generation, epoch, created, update_seq, clean)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                &entry.uuid.0[..],
                entry.name.as_str(),
                entry.generation,
                &entry.epoch.0[..],
                entry.created.0,
                entry.update_seq,
                entry.clean,
            ],
        )
    }

    /// Gives a database another name, which nobody has.
    pub(crate) fn rename(&self, uuid: DbUuid, name: &DbName) -> Result<(), Error> {
        self.make_way(name)?;
        self.run(
            "UPDATE databases SET name = ?2 WHERE uuid = ?1",
            params![&uuid.0[..], name.as_str()],
        )
    }

    /// Notes that a database is in the trash; its name is free from then on.
    pub(crate) fn set_aside(&self, uuid: DbUuid, deleted: Millis) -> Result<(), Error> {
        self.run(
            "UPDATE databases SET deleted = ?2, called = name, name = '~' || lower(hex(uuid))
             WHERE uuid = ?1 AND deleted IS NULL",
            params![&uuid.0[..], deleted.0],
        )
    }

    /// Notes that a database is in the trash no longer, but has this name, which nobody has.
    pub(crate) fn bring_back(&self, uuid: DbUuid, name: &DbName) -> Result<(), Error> {
        self.make_way(name)?;
        self.run(
            "UPDATE databases SET deleted = NULL, called = NULL, name = ?2 WHERE uuid = ?1",
            params![&uuid.0[..], name.as_str()],
        )
    }

    /// Whether there is a row of this database, in the trash or not.
    pub(crate) fn knows(&self, uuid: DbUuid) -> Result<bool, Error> {
        self.remove_left()?;
        let row = self
            .connection()
            .query_row("SELECT 1 FROM databases WHERE uuid = ?1", [&uuid.0[..]], |_| Ok(()))
            .optional()
            .map_err(Error::sqlite("read the catalog"))?;
        Ok(row.is_some())
    }

    /// Makes sure that nobody has this name.
    fn make_way(&self, name: &DbName) -> Result<(), Error> {
        self.remove_left()?;
        let taken = self
            .connection()
            .query_row("SELECT 1 FROM databases WHERE name = ?1", [name.as_str()], |_| Ok(()))
            .optional()
            .map_err(Error::sqlite("read the catalog"))?;
        taken.map_or(Ok(()), |()| Err(Error::DatabaseExists(name.clone())))
    }

    pub(crate) fn remove(&self, uuid: DbUuid) -> Result<(), Error> {
        self.run("DELETE FROM databases WHERE uuid = ?1", params![&uuid.0[..]])
    }

    /// The database is gone but for this row: it goes before the next one is added.
    pub(crate) fn leave(&self, uuid: DbUuid) {
        self.left().push(uuid);
    }

    fn remove_left(&self) -> Result<(), Error> {
        loop {
            let Some(uuid) = self.left().last().copied() else { return Ok(()) };
            self.remove(uuid)?;
            self.left().retain(|left| *left != uuid);
        }
    }

    /// Makes sure that no write which failed can come back after a crash. To be called before
    /// anything is acknowledged that such a write would undo.
    pub(crate) fn confirm(&self) -> Result<(), Error> {
        if !self.doubtful.load(Ordering::Acquire) {
            return Ok(());
        }
        // It says what it said before; what counts is that it takes the other's place in the log.
        self.run(&format!("PRAGMA user_version = {FORMAT}"), [])
    }

    /// From now on the database's own file knows its last sequence better.
    pub(crate) fn mark_dirty(&self, uuid: DbUuid) -> Result<(), Error> {
        self.run("UPDATE databases SET clean = 0 WHERE uuid = ?1", params![&uuid.0[..]])
    }

    /// The database is closed; this was its last sequence.
    pub(crate) fn mark_clean(&self, uuid: DbUuid, update_seq: u64) -> Result<(), Error> {
        self.run(
            "UPDATE databases SET clean = 1, update_seq = ?2 WHERE uuid = ?1",
            params![&uuid.0[..], update_seq],
        )
    }

    /// The one commit that puts a compacted file in the place of the old one.
    pub(crate) fn switch_generation(&self, uuid: DbUuid, generation: u64) -> Result<(), Error> {
        self.run(
            "UPDATE databases SET generation = ?2 WHERE uuid = ?1",
            params![&uuid.0[..], generation],
        )
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) -> Result<(), Error> {
        let sqlite = Error::sqlite("write the catalog");
        let connection = self.connection();
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            faults.strike()?;
        }
        let mut statement = connection.prepare_cached(sql).map_err(&sqlite)?;
        let execute = || statement.execute(params).map(|_| ()).map_err(&sqlite);
        let written = match &self.power {
            Some(power) => power.commit(execute),
            None => execute(),
        };
        self.doubtful.store(written.is_err(), Ordering::Release);
        written
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> MutexGuard<'_, Vec<DbUuid>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry(row: &Row<'_>) -> Result<Entry, Error> {
    let sqlite = Error::sqlite("read the catalog");
    let name: String = row.get(1).map_err(&sqlite)?;
    Ok(Entry {
        uuid: DbUuid(row.get(0).map_err(&sqlite)?),
        name: DbName::of_existing(&name)
            .map_err(|_| Error::Damaged(format!("catalog names {name:?}")))?,
        generation: row.get(2).map_err(&sqlite)?,
        epoch: Epoch(row.get(3).map_err(&sqlite)?),
        created: Millis(row.get(4).map_err(&sqlite)?),
        update_seq: row.get(5).map_err(&sqlite)?,
        clean: row.get(6).map_err(&sqlite)?,
    })
}
