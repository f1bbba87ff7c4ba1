//! An engine on one SQLite file in write-ahead-log mode.

mod counters;
mod rows;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use self::rows::SqliteRows;
use super::{Engine, Rows, RowsMut, schema};
use crate::Error;

/// Reading connections kept for the next reader; each holds file handles and some 150 KB.
const IDLE_READERS_MAX: usize = 4;

/// Pages in the write-ahead log before a commit moves them into the file: 16 MB, the measured
/// balance between the rate of writes and their slowest percentile.
const CHECKPOINT_PAGES: u32 = 4000;

/// Bytes the write-ahead log is cut back to after a checkpoint.
const LOG_BYTES_KEPT: u64 = 8 << 20;

/// Page cache of a writing and of a reading connection, in KiB.
const WRITER_CACHE_KIB: i64 = 4096;
const READER_CACHE_KIB: i64 = 4096;

/// How long a statement waits for another connection's short locks, in milliseconds.
const BUSY_TIMEOUT_MS: u64 = 10_000;

/// How much is trusted to survive the loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Every commit.
    EachCommit,
    /// Nothing before [`Engine::settle`]: for files that are filled before anybody relies on them.
    WhenSettled,
    /// Nothing, for nothing is written: there is no room, not even for what readers share.
    NothingIsWritten,
}

/// One SQLite file.
#[derive(Debug)]
pub(crate) struct DiskEngine {
    path: PathBuf,
    attachments: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    /// There is no connection but `writer`, and it only reads.
    without_room: bool,
    retired: AtomicBool,
    damaged: AtomicBool,
}

impl DiskEngine {
    /// Writes an empty database file; durable once its folder is synced.
    pub(crate) fn create(path: &Path, image: &[u8]) -> Result<(), Error> {
        let action = "create a database file";
        let mut file = File::create_new(path).map_err(Error::io(action))?;
        file.write_all(image).map_err(Error::io(action))?;
        file.sync_all().map_err(Error::io(action))
    }

    /// Opens a file that [`Self::create`] made, now or in an earlier version, in a folder that holds its
    /// attachments too.
    pub(crate) fn open(
        path: &Path,
        attachments: &Path,
        durability: Durability,
    ) -> Result<Self, Error> {
        let sqlite = opening("open a database file", path);
        let mut writer = connect(path, WRITER_CACHE_KIB).map_err(&sqlite)?;
        let without_room = durability == Durability::NothingIsWritten;
        if without_room {
            // Before the first look, so that the index of the log is kept in memory.
            writer.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(&sqlite)?;
            let no_checkpoint = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            writer.set_db_config(no_checkpoint, true).map_err(&sqlite)?;
        }
        // The first look opens the log.
        writer.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(&sqlite)?;
        let synchronous = match durability {
            Durability::EachCommit | Durability::NothingIsWritten => "FULL",
            Durability::WhenSettled => "OFF",
        };
        writer.pragma_update(None, "synchronous", synchronous).map_err(&sqlite)?;
        writer.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(&sqlite)?;
        writer.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT).map_err(&sqlite)?;
        schema::bring_up_to_date(&mut writer)?;
        Ok(Self {
            path: path.into(),
            attachments: attachments.into(),
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            without_room,
            retired: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
        })
    }

    /// Opens a copy that [`Engine::copy_into`] made, bringing it into write-ahead-log mode.
    pub(crate) fn open_copy(path: &Path) -> Result<Self, Error> {
        let sqlite = Error::sqlite("open a copied database file");
        let connection = connect(path, READER_CACHE_KIB).map_err(&sqlite)?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(&sqlite)?;
        drop(connection);
        let folder = path.parent().unwrap_or(path);
        Self::open(path, &folder.join(super::ATTACHMENTS), Durability::WhenSettled)
    }

    fn reader(&self) -> Result<Connection, Error> {
        if let Some(reader) = lock(&self.readers).pop() {
            return Ok(reader);
        }
        let sqlite = opening("open a database file for reading", &self.path);
        let reader = connect(&self.path, READER_CACHE_KIB).map_err(&sqlite)?;
        reader.pragma_update(None, "query_only", true).map_err(&sqlite)?;
        Ok(reader)
    }

    fn look(
        &self,
        reader: &Connection,
        look: &mut dyn FnMut(&dyn Rows) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let sqlite = opening("read", &self.path);
        // By statements that are kept: a `Transaction` prepares both anew each time.
        reader.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([])).map_err(&sqlite)?;
        look(&SqliteRows::new(reader, &self.attachments, &self.damaged)).inspect_err(|_| {
            // A reader that failed is mostly closed anyway.
            let _ended = reader.execute_batch("ROLLBACK");
        })?;
        reader.prepare_cached("COMMIT").and_then(|mut end| end.execute([])).map_err(&sqlite)?;
        Ok(())
    }

    fn side_files(&self) -> [PathBuf; 3] {
        let side = |suffix: &str| {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            PathBuf::from(path)
        };
        [self.path.clone(), side("-wal"), side("-shm")]
    }
}

impl Engine for DiskEngine {
    fn read(&self, look: &mut dyn FnMut(&dyn Rows) -> Result<(), Error>) -> Result<(), Error> {
        if self.without_room {
            return self.look(&lock(&self.writer), look);
        }
        let reader = self.reader()?;
        self.look(&reader, look)?;
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS_MAX {
            readers.push(reader);
        }
        Ok(())
    }

    fn write(
        &self,
        change: &mut dyn FnMut(&mut dyn RowsMut) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.without_room {
            return Err(Error::DiskFull);
        }
        let mut writer = lock(&self.writer);
        let transaction = writer
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(opening("begin a write", &self.path))?;
        change(&mut SqliteRows::new(&transaction, &self.attachments, &self.damaged))?;
        transaction.commit().map_err(Error::sqlite("commit a write"))
    }

    fn bytes_on_disk(&self) -> u64 {
        let length = |path: &PathBuf| fs::metadata(path).map_or(0, |file| file.len());
        self.side_files().iter().map(length).sum()
    }

    fn attachment_folder(&self) -> Option<&Path> {
        Some(&self.attachments)
    }

    fn settle(&self) -> Result<(), Error> {
        let sqlite = Error::sqlite("settle a database file");
        let writer = lock(&self.writer);
        writer.pragma_update(None, "synchronous", "FULL").map_err(&sqlite)?;
        let busy: bool = writer
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(&sqlite)?;
        if busy {
            return Err(Error::Busy);
        }
        let action = "settle a database file";
        File::open(&self.path).and_then(|file| file.sync_all()).map_err(Error::io(action))
    }

    fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    fn check(&self) -> Result<Vec<String>, Error> {
        let sqlite = Error::sqlite("check a database file");
        let reader = self.reader()?;
        let mut statement = reader.prepare("PRAGMA integrity_check(100)").map_err(&sqlite)?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0)).map_err(&sqlite)?;
        let lines = lines.collect::<Result<Vec<_>, _>>().map_err(&sqlite)?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    fn copy_into(&self, path: &Path) -> Result<(), Error> {
        let action = "copy a database file";
        let target = path.to_str().ok_or_else(|| Error::Damaged("path is not UTF-8".into()))?;
        let copy = || {
            let sqlite = opening(action, &self.path);
            let reader = connect(&self.path, READER_CACHE_KIB).map_err(&sqlite)?;
            reader.execute("VACUUM INTO ?1", [target]).map_err(&sqlite)?;
            File::open(path).and_then(|file| file.sync_all()).map_err(Error::io(action))
        };
        copy().inspect_err(|_| {
            // Half a copy is none; where there is not even half, there is nothing to remove.
            let _removed = fs::remove_file(path);
        })
    }
}

impl Drop for DiskEngine {
    fn drop(&mut self) {
        if !self.retired.load(Ordering::Acquire) {
            return;
        }
        for path in self.side_files() {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(%error, path = %path.display(), "old file stays behind");
                }
                _ => {}
            }
        }
    }
}

/// SQLite's errors where files are opened. It does not say why it could not; the system does.
pub(crate) fn opening(action: &'static str, path: &Path) -> impl Fn(rusqlite::Error) -> Error {
    move |error| match (error.sqlite_error_code(), File::open(path)) {
        (Some(ErrorCode::CannotOpen), Err(reason)) => Error::io(action)(reason),
        // It was there a moment ago, and is there now: handles come and go.
        (Some(ErrorCode::CannotOpen), Ok(_)) => Error::OutOfHandles,
        _ => Error::sqlite(action)(error),
    }
}

fn connect(path: &Path, cache_kib: i64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.set_prepared_statement_cache_capacity(48);
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    Ok(connection)
}

/// A panic while the lock was held cannot have left half a change: the transaction rolled back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
