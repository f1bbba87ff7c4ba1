//! The tables of a database file. `docs/store-format.md` describes them; a test compares.

use rusqlite::Connection;

/// Version of the database files written here, kept in SQLite's `user_version`.
pub(crate) const FORMAT: u64 = 1;

pub(super) const TABLES: &str = "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE docs (
    id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    rev BLOB NOT NULL,
    body INTEGER NOT NULL,
    tree BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE seqs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    leaves BLOB NOT NULL
);
CREATE TABLE stale (seq INTEGER PRIMARY KEY);
CREATE TABLE bodies (
    id INTEGER PRIMARY KEY,
    body BLOB NOT NULL,
    attachments TEXT
);
CREATE TABLE local (
    id TEXT PRIMARY KEY,
    rev INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE blobs (
    hash BLOB PRIMARY KEY,
    length INTEGER NOT NULL,
    data BLOB
);
CREATE TABLE overwritten (
    id INTEGER PRIMARY KEY,
    doc TEXT NOT NULL,
    rev BLOB NOT NULL,
    body INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    info TEXT
);
CREATE TABLE held (
    id INTEGER PRIMARY KEY,
    doc TEXT NOT NULL,
    path BLOB NOT NULL,
    deleted INTEGER NOT NULL,
    body INTEGER NOT NULL,
    due INTEGER NOT NULL,
    deliverer TEXT NOT NULL
);
";

/// The bytes of an empty database file, so that making one costs no statements.
pub(super) fn template() -> rusqlite::Result<Vec<u8>> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;")?;
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    let mut image = connection.serialize(rusqlite::MAIN_DB)?.to_vec();
    // Bytes 18 and 19 of SQLite's header are the read and write versions; 2 is write-ahead logging,
    // which a database in memory cannot have.
    if let Some(versions) = image.get_mut(18..20) {
        versions.fill(2);
    }
    Ok(image)
}
