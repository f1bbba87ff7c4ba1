//! The tables of a database file. `docs/store-format.md` describes them; a test compares.

use rusqlite::{Connection, TransactionBehavior};

use crate::Error;

/// Version of the database files written here, kept in SQLite's `user_version`.
pub(crate) const FORMAT: u64 = 4;

const TABLES: &str = "
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

/// What version 2 added.
const PURGES: &str = "
CREATE TABLE purges (
    seq INTEGER PRIMARY KEY,
    uuid BLOB NOT NULL,
    doc TEXT NOT NULL,
    revs BLOB NOT NULL
);
";

/// What version 3 added: how much a held revision takes, and a way to those of a document.
const PINS: &str = "
ALTER TABLE held ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX overwritten_of ON overwritten (doc);
CREATE INDEX held_of ON held (doc);
";

/// What version 4 added lies in rows that there were: who is charged for a revision, in trees, and what they
/// are charged, in `meta`. Earlier releases must not read those trees.
const CHARGES: &str = "";

/// What leads from one version to the next: from 1 to 2, and so on.
const STEPS: [&str; FORMAT as usize - 1] = [PURGES, PINS, CHARGES];

/// Brings a file of an earlier version to the present one; all of it, or nothing.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> Result<(), Error> {
    let sqlite = Error::sqlite("bring a database file up to date");
    let found: u64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&sqlite)?;
    let steps = match usize::try_from(found) {
        Ok(0) => return Err(Error::Damaged("a database file without a version".into())),
        Ok(found) => STEPS.get(found - 1..),
        Err(_) => None,
    };
    let Some(steps) = steps else {
        return Err(Error::NewerFormat { found, known: FORMAT });
    };
    if steps.is_empty() {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&sqlite)?;
    steps.iter().try_for_each(|step| transaction.execute_batch(step)).map_err(&sqlite)?;
    transaction.pragma_update(None, "user_version", FORMAT).map_err(&sqlite)?;
    transaction.commit().map_err(&sqlite)
}

/// The key in `meta` that a partitioned database has from its making on.
pub(crate) const PARTITIONED: &str = "partitioned";

/// The bytes of an empty database file, so that making one costs no statements.
pub(super) fn template(partitioned: bool) -> rusqlite::Result<Vec<u8>> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;")?;
    connection.execute_batch(TABLES)?;
    STEPS.iter().try_for_each(|step| connection.execute_batch(step))?;
    if partitioned {
        let sql = "INSERT INTO meta (key, value) VALUES (?1, X'01')";
        connection.execute(sql, [PARTITIONED])?;
    }
    connection.pragma_update(None, "user_version", FORMAT)?;
    let mut image = connection.serialize(rusqlite::MAIN_DB)?.to_vec();
    // Bytes 18 and 19 of SQLite's header are the read and write versions; 2 is write-ahead logging,
    // which a database in memory cannot have.
    if let Some(versions) = image.get_mut(18..20) {
        versions.fill(2);
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_page_of_the_format_lists_these_tables() {
        let page = include_str!("../../../docs/store-format.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let documented = rows.map(|(table, rest)| {
            let columns = rest.split(" | ").next().unwrap().replace(['`', ' '], "");
            (table.to_owned(), columns)
        });
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        STEPS.iter().for_each(|step| connection.execute_batch(step).unwrap());
        let sql = "SELECT tables.name, group_concat(columns.name)
                   FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
                   WHERE tables.type = 'table' GROUP BY tables.name";
        let mut statement = connection.prepare(sql).unwrap();
        let made = statement.query_map([], |row| Ok((row.get(0).unwrap(), row.get(1).unwrap())));
        let made: BTreeSet<(String, String)> = made.unwrap().map(Result::unwrap).collect();
        assert_eq!(documented.collect::<BTreeSet<_>>(), made, "left: the page");
    }
}
