//! The SQLite file of an index.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::sqlite::SqlitePages;
use super::{Pages, PagesMut};
use crate::Error;
use crate::core::lock;
use crate::engine::opening;

/// Version of the index files written here, kept in SQLite's `user_version`. A file of any other is
/// made again.
pub(super) const FORMAT: u64 = 1;

pub(super) const TABLES: &str = "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE pages (
    id INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
);
CREATE TABLE by_doc (
    id TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
) WITHOUT ROWID;
";

/// Bytes of SQLite's own pages: pages of trees are made to fit.
const FILE_PAGE_BYTES: u64 = 4096;

/// Connections kept for whoever comes next; each holds file handles.
const IDLE_CONNECTIONS_MAX: usize = 4;

/// Page cache of a connection, in KiB: as much as a database's writer has.
const CACHE_KIB: i64 = 4096;

/// Pages in the write-ahead log before a commit moves them into the file: 16 MB, as for databases.
const CHECKPOINT_PAGES: u32 = 4000;

/// Bytes the write-ahead log is cut back to after a checkpoint.
const LOG_BYTES_KEPT: u64 = 8 << 20;

/// Findings told of one index, which is made again anyway.
const FINDINGS_MAX: u32 = 3;

/// How long a statement waits for another connection's short locks.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// An index's file with its connections.
#[derive(Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    distrusted: AtomicBool,
}

impl OpenFile {
    /// Opens the file, making it where there is none, and again where it cannot be right.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        match fs::create_dir(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::io("make a folder for indexes")(error));
            }
            _ => {}
        }
        let connection = match open_present(path) {
            Ok(Some(connection)) => connection,
            Ok(None) => create(path)?,
            Err(Error::Damaged(finding)) => {
                tracing::warn!(path = %path.display(), finding, "an index starts anew");
                remove(path)?;
                create(path)?
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.into(),
            idle: Mutex::new(vec![connection]),
            distrusted: AtomicBool::new(false),
        })
    }

    pub(super) fn read<T, E: From<Error>>(
        &self,
        f: impl FnOnce(&dyn Pages) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = self.connection()?;
        let sqlite = opening("read an index", &self.path);
        // By statements that are kept: a `Transaction` prepares both anew each time.
        let run = |sql| connection.prepare_cached(sql).and_then(|mut kept| kept.execute([]));
        run("BEGIN").map_err(&sqlite)?;
        let outcome = match SqlitePages::new(&connection, &self.distrusted) {
            Ok(pages) => f(&pages),
            Err(error) => Err(error.into()),
        };
        if run("COMMIT").is_ok() {
            self.keep(connection);
        }
        outcome
    }

    /// Whoever calls is the only one.
    pub(super) fn write<T, E: From<Error>>(
        &self,
        f: impl FnOnce(&mut dyn PagesMut) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.connection()?;
        let sqlite = opening("write an index", &self.path);
        let outcome = {
            let transaction = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(&sqlite)?;
            let outcome = f(&mut SqlitePages::new(&transaction, &self.distrusted)?)?;
            transaction.commit().map_err(&sqlite)?;
            outcome
        };
        self.keep(connection);
        Ok(outcome)
    }

    /// The file is deleted before its next use.
    pub(super) fn distrust(&self) {
        self.distrusted.store(true, Ordering::Release);
    }

    pub(super) fn is_distrusted(&self) -> bool {
        self.distrusted.load(Ordering::Acquire)
    }

    fn connection(&self) -> Result<Connection, Error> {
        if let Some(connection) = lock(&self.idle).pop() {
            return Ok(connection);
        }
        connect(&self.path, false)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(connection);
        }
    }
}

/// Removes an index's file and what belongs to it.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    for path in files(path) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove an index")(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Looks for damage in an index's file as it lies there; opened for use, it might be made again.
/// What is wrong, in SQLite's words.
pub(crate) fn check(path: &Path) -> Result<Vec<String>, Error> {
    let sqlite = opening("check an index", path);
    let look = || {
        let connection = connect(path, false)?;
        let pragma = format!("PRAGMA integrity_check({FINDINGS_MAX})");
        let mut statement = connection.prepare(&pragma).map_err(&sqlite)?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0)).map_err(&sqlite)?;
        lines.collect::<Result<Vec<_>, _>>().map_err(&sqlite)
    };
    match look() {
        Ok(lines) => Ok(lines.into_iter().filter(|line| line != "ok").collect()),
        Err(Error::Damaged(finding)) => Ok(vec![finding]),
        // Removed since it was listed.
        Err(_) if !path.exists() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Bytes that an index takes on the disk.
pub(super) fn bytes(path: &Path) -> u64 {
    let length = |path: &PathBuf| fs::metadata(path).map_or(0, |file| file.len());
    files(path)[1..].iter().map(length).sum()
}

/// Everything that belongs to an index. The log first: without it the file is whole, if old, and it
/// must not meet the file that comes after.
fn files(path: &Path) -> [PathBuf; 3] {
    let side = |suffix: &str| {
        let mut path = path.to_path_buf().into_os_string();
        path.push(suffix);
        PathBuf::from(path)
    };
    [side("-shm"), side("-wal"), path.to_path_buf()]
}

/// Opens a file that is there.
///
/// # Errors
/// [`Error::Damaged`] when it has to be made again.
fn open_present(path: &Path) -> Result<Option<Connection>, Error> {
    if !path.try_exists().map_err(Error::io("find an index"))? {
        return Ok(None);
    }
    let connection = connect(path, false)?;
    let found: u64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(opening("open an index", path))?;
    match found {
        FORMAT => Ok(Some(connection)),
        found => Err(Error::Damaged(format!("an index of version {found}"))),
    }
}

fn create(path: &Path) -> Result<Connection, Error> {
    // A log that was left behind belongs to a file that is gone.
    remove(path)?;
    let sqlite = opening("make an index", path);
    let mut connection = connect(path, true)?;
    connection.pragma_update(None, "page_size", FILE_PAGE_BYTES).map_err(&sqlite)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(&sqlite)?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&sqlite)?;
    transaction.execute_batch(TABLES).map_err(&sqlite)?;
    transaction.pragma_update(None, "user_version", FORMAT).map_err(&sqlite)?;
    transaction.commit().map_err(&sqlite)?;
    Ok(connection)
}

fn connect(path: &Path, create: bool) -> Result<Connection, Error> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let sqlite = opening("open an index", path);
    let connection = Connection::open_with_flags(path, flags).map_err(&sqlite)?;
    let prepare = || {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)
    };
    prepare().map_err(&sqlite)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_page_of_the_format_lists_these_tables() {
        let page = include_str!("../../../docs/store-format.md");
        let rows =
            page.lines().filter_map(|line| line.strip_prefix("| index `")?.split_once("` | "));
        let documented = rows.map(|(table, rest)| {
            let columns = rest.split(" | ").next().unwrap().replace(['`', ' '], "");
            (table.to_owned(), columns)
        });
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        let sql = "SELECT tables.name, group_concat(columns.name)
                   FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
                   WHERE tables.type = 'table' GROUP BY tables.name";
        let mut statement = connection.prepare(sql).unwrap();
        let made = statement.query_map([], |row| Ok((row.get(0).unwrap(), row.get(1).unwrap())));
        let made: BTreeSet<(String, String)> = made.unwrap().map(Result::unwrap).collect();
        assert_eq!(documented.collect::<BTreeSet<_>>(), made, "left: the page");
    }
}
