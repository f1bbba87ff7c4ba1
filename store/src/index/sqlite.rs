//! Pages in a SQLite file within one transaction.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

use super::{PageId, Pages, PagesMut};
use crate::Error;

pub(super) struct SqlitePages<'a> {
    connection: &'a Connection,
    /// The greatest number of a page, once somebody asked.
    last: Option<u64>,
    /// Set when something is met that cannot be right.
    distrusted: &'a AtomicBool,
}

impl<'a> SqlitePages<'a> {
    /// Takes a connection on which a transaction was begun.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub(super) fn new(
        connection: &'a Connection,
        distrusted: &'a AtomicBool,
    ) -> Result<Self, Error> {
        let pages = Self { connection, last: None, distrusted };
        // The first look is what a deferred transaction takes its snapshot at.
        pages.one("SELECT 1 FROM meta LIMIT 1", [], |_| Ok(()))?;
        Ok(pages)
    }

    fn sqlite(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
        let distrusted = self.distrusted;
        move |source| {
            // Who else than this file's writer could have made tables that lack something?
            let is_of_schema = source.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown);
            let error = Error::sqlite(action)(source);
            if is_of_schema || matches!(error, Error::Damaged(_)) {
                distrusted.store(true, Ordering::Release);
            }
            error
        }
    }

    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let sqlite = self.sqlite("read an index");
        let mut statement = self.connection.prepare_cached(sql).map_err(&sqlite)?;
        statement.query_row(params, map).optional().map_err(&sqlite)
    }

    fn run(&self, sql: &str, params: impl Params) -> Result<(), Error> {
        let sqlite = self.sqlite("write an index");
        let mut statement = self.connection.prepare_cached(sql).map_err(&sqlite)?;
        statement.execute(params).map_err(&sqlite)?;
        Ok(())
    }
}

impl Pages for SqlitePages<'_> {
    fn page(&self, id: PageId, look: &mut dyn FnMut(&[u8])) -> Result<bool, Error> {
        let Some(id) = row_id(id) else { return Ok(false) };
        let seen = self.one("SELECT bytes FROM pages WHERE id = ?1", [id], |row| {
            look(row.get_ref(0)?.as_blob()?);
            Ok(())
        })?;
        Ok(seen.is_some())
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.one("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
    }

    fn document(&self, id: &str) -> Result<Option<Vec<u8>>, Error> {
        self.one("SELECT bytes FROM by_doc WHERE id = ?1", [id], |row| row.get(0))
    }
}

impl PagesMut for SqlitePages<'_> {
    fn new_page(&mut self) -> Result<PageId, Error> {
        let last = match self.last {
            Some(last) => last,
            None => {
                self.one("SELECT max(id) FROM pages", [], |row| row.get(0))?.flatten().unwrap_or(0)
            }
        };
        self.last = Some(last + 1);
        Ok(PageId(last + 1))
    }

    fn put_page(&mut self, id: PageId, bytes: &[u8]) -> Result<(), Error> {
        let id = row_id(id).ok_or_else(|| Error::Damaged("a page's number".into()))?;
        self.run("INSERT OR REPLACE INTO pages (id, bytes) VALUES (?1, ?2)", params![id, bytes])
    }

    fn free_page(&mut self, id: PageId) -> Result<(), Error> {
        let Some(id) = row_id(id) else { return Ok(()) };
        self.run("DELETE FROM pages WHERE id = ?1", [id])
    }

    fn set_meta(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", params![key, value])
    }

    fn put_document(&mut self, id: &str, bytes: &[u8]) -> Result<(), Error> {
        self.run("INSERT OR REPLACE INTO by_doc (id, bytes) VALUES (?1, ?2)", params![id, bytes])
    }

    fn remove_document(&mut self, id: &str) -> Result<(), Error> {
        self.run("DELETE FROM by_doc WHERE id = ?1", [id])
    }
}

/// A number that is damaged may be beyond those that SQLite has.
fn row_id(id: PageId) -> Option<i64> {
    i64::try_from(id.0).ok()
}
