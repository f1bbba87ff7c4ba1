//! Rows of a SQLite file within one transaction.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Params, Row, params};

use super::counters::{decode_counters, encode_counters};
use crate::attachment::{Staged, StagedData};
use crate::engine::{
    BlobRow, BodyRow, Counters, DocRow, HeadRow, HeldRow, LocalRow, OverwrittenRow, PurgeRow, Rows,
    RowsMut, Visit, blob_path,
};
use crate::rev_tree::BodyId;
use crate::{AttachmentReader, ContentHash, Direction, Error, IdRange};

pub(super) struct SqliteRows<'a> {
    connection: &'a Connection,
    attachments: &'a Path,
    hot: Hot<'a>,
    /// Set when a page is met that cannot be right.
    damaged: &'a AtomicBool,
}

/// Statements that bulk writes and long readings run for every document, kept at hand from one to the
/// next: looking one up by its text takes as long as some of them run.
#[derive(Default)]
struct Hot<'a> {
    head: Slot<'a>,
    body: Slot<'a>,
    next_doc: Slot<'a>,
    doc: Slot<'a>,
    put_doc: Slot<'a>,
    put_change: Slot<'a>,
    put_body: Slot<'a>,
}

type Slot<'a> = RefCell<Option<CachedStatement<'a>>>;

/// Superseded sequences read ahead of the feed that skips them.
const STALE_AT_ONCE: usize = 1000;

impl<'a> SqliteRows<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        attachments: &'a Path,
        damaged: &'a AtomicBool,
    ) -> Self {
        Self { connection, attachments, hot: Hot::default(), damaged }
    }

    fn sqlite(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
        let damaged = self.damaged;
        move |source| {
            let error = Error::sqlite(action)(source);
            if matches!(error, Error::Damaged(_)) {
                damaged.store(true, Ordering::Release);
            }
            error
        }
    }

    /// The statement of a slot, prepared when it is first used.
    fn hot<'s>(
        &self,
        slot: &'s Slot<'a>,
        sql: &str,
    ) -> Result<RefMut<'s, CachedStatement<'a>>, Error> {
        let mut kept = slot.borrow_mut();
        if kept.is_none() {
            let statement = self.connection.prepare_cached(sql);
            *kept = Some(statement.map_err(self.sqlite("prepare a statement"))?);
        }
        RefMut::filter_map(kept, Option::as_mut)
            .map_err(|_| Error::Damaged("a statement is gone".into()))
    }

    fn run_hot(&self, slot: &Slot<'a>, sql: &str, params: impl Params) -> Result<(), Error> {
        let mut statement = self.hot(slot, sql)?;
        statement.execute(params).map_err(self.sqlite("write a row"))?;
        Ok(())
    }

    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let sqlite = self.sqlite("read a row");
        let mut statement = self.connection.prepare_cached(sql).map_err(&sqlite)?;
        statement.query_row(params, map).optional().map_err(&sqlite)
    }

    fn each<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        visit: Visit<'_, T>,
    ) -> Result<(), Error> {
        let sqlite = self.sqlite("read rows");
        let mut statement = self.connection.prepare_cached(sql).map_err(&sqlite)?;
        let mut rows = statement.query(params).map_err(&sqlite)?;
        while let Some(row) = rows.next().map_err(&sqlite)? {
            if visit(map(row).map_err(&sqlite)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn run(&self, sql: &str, params: impl Params) -> Result<usize, Error> {
        let sqlite = self.sqlite("write a row");
        let mut statement = self.connection.prepare_cached(sql).map_err(&sqlite)?;
        statement.execute(params).map_err(&sqlite)
    }

    /// The next superseded sequences above `from` in ascending, below it in descending order.
    fn stale(&self, from: u64, direction: Direction) -> Result<VecDeque<u64>, Error> {
        let sql = match direction {
            Direction::Ascending => "SELECT seq FROM stale WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            Direction::Descending => {
                "SELECT seq FROM stale WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2"
            }
        };
        let mut stale = VecDeque::new();
        let params = params![clamp(from), clamp(STALE_AT_ONCE as u64)];
        self.each(sql, params, |row| row.get(0), &mut |seq| {
            stale.push_back(seq);
            ControlFlow::Continue(())
        })?;
        Ok(stale)
    }
}

impl Rows for SqliteRows<'_> {
    fn counters(&self) -> Result<Counters, Error> {
        let Some(bytes) = self.setting("counters")? else { return Ok(Counters::default()) };
        decode_counters(&bytes).ok_or_else(|| Error::Damaged("counters".into()))
    }

    fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.one("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
    }

    fn doc(&self, id: &str) -> Result<Option<DocRow>, Error> {
        let sql = "SELECT id, seq, deleted, rev, body, tree FROM docs WHERE id = ?1";
        let mut statement = self.hot(&self.hot.doc, sql)?;
        statement.query_row([id], doc_row).optional().map_err(self.sqlite("read a row"))
    }

    fn docs_among(&self, sorted: &[&str], found: &mut dyn FnMut(DocRow)) -> Result<(), Error> {
        let sqlite = self.sqlite("read rows");
        let sql = "SELECT id, seq, deleted, rev, body, tree FROM docs WHERE id >= ?1 \
                   ORDER BY id LIMIT 1";
        let mut statement = self.hot(&self.hot.next_doc, sql)?;
        let mut left = sorted;
        while let Some(first) = left.first() {
            let mut rows = statement.query([first]).map_err(&sqlite)?;
            let Some(row) = rows.next().map_err(&sqlite)? else { return Ok(()) };
            let at = row.get_ref(0).map_err(&sqlite)?.as_str();
            let at = at.map_err(|_| Error::Damaged("a document id is no text".into()))?;
            left = &left[left.partition_point(|id| *id < at)..];
            if left.first() == Some(&at) {
                found(doc_row(row).map_err(&sqlite)?);
                left = &left[1..];
            }
        }
        Ok(())
    }

    fn head(&self, id: &str) -> Result<Option<HeadRow>, Error> {
        let sql = "SELECT id, seq, deleted, rev, body FROM docs WHERE id = ?1";
        let mut statement = self.hot(&self.hot.head, sql)?;
        statement.query_row([id], head_row).optional().map_err(self.sqlite("read a row"))
    }

    fn heads(&self, range: &IdRange, visit: Visit<'_, HeadRow>) -> Result<(), Error> {
        let sql = range_sql("id, seq, deleted, rev, body", "docs", "deleted = 0 AND", range);
        let (low, high) = range_ends(range);
        self.each(&sql, params![low, high], head_row, visit)
    }

    fn count_before(&self, id: &str, inclusive: bool, direction: Direction) -> Result<u64, Error> {
        let sql = match (direction, inclusive) {
            (Direction::Ascending, false) => {
                "SELECT count(*) FROM docs WHERE deleted = 0 AND id < ?1"
            }
            (Direction::Ascending, true) => {
                "SELECT count(*) FROM docs WHERE deleted = 0 AND id <= ?1"
            }
            (Direction::Descending, false) => {
                "SELECT count(*) FROM docs WHERE deleted = 0 AND id > ?1"
            }
            (Direction::Descending, true) => {
                "SELECT count(*) FROM docs WHERE deleted = 0 AND id >= ?1"
            }
        };
        Ok(self.one(sql, [id], |row| row.get(0))?.unwrap_or(0))
    }

    fn docs_after(&self, id: &str, visit: Visit<'_, DocRow>) -> Result<(), Error> {
        let sql = "SELECT id, seq, deleted, rev, body, tree FROM docs WHERE id > ?1 ORDER BY id";
        self.each(sql, [id], doc_row, visit)
    }

    fn changes(
        &self,
        from: u64,
        direction: Direction,
        visit: Visit<'_, (u64, String, Vec<u8>)>,
    ) -> Result<(), Error> {
        let sql = match direction {
            Direction::Ascending => "SELECT seq, id, leaves FROM seqs WHERE seq > ?1 ORDER BY seq",
            Direction::Descending => {
                "SELECT seq, id, leaves FROM seqs WHERE seq < ?1 ORDER BY seq DESC"
            }
        };
        let mut stale = self.stale(from, direction)?;
        let mut full = stale.len() == STALE_AT_ONCE;
        let mut failed = Ok(());
        let map = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        self.each(sql, [clamp(from)], map, &mut |change: (u64, String, Vec<u8>)| {
            // Both run in the same order, and whatever is stale has a row.
            if stale.front() != Some(&change.0) {
                return visit(change);
            }
            stale.pop_front();
            if stale.is_empty() && full {
                match self.stale(change.0, direction) {
                    Ok(next) => stale = next,
                    Err(error) => {
                        failed = Err(error);
                        return ControlFlow::Break(());
                    }
                }
                full = stale.len() == STALE_AT_ONCE;
            }
            ControlFlow::Continue(())
        })?;
        failed
    }

    fn count_changes(&self, after: u64, until: u64) -> Result<u64, Error> {
        let sql = "SELECT (SELECT count(*) FROM seqs WHERE seq > ?1 AND seq <= ?2)
                        - (SELECT count(*) FROM stale WHERE seq > ?1 AND seq <= ?2)";
        Ok(self.one(sql, [clamp(after), clamp(until)], |row| row.get(0))?.unwrap_or(0))
    }

    fn body(&self, id: BodyId) -> Result<Option<BodyRow>, Error> {
        let sql = "SELECT body, attachments FROM bodies WHERE id = ?1";
        let mut statement = self.hot(&self.hot.body, sql)?;
        let row = statement.query_row([clamp(id.0)], |row| {
            Ok(BodyRow { body: row.get(0)?, attachments: row.get(1)? })
        });
        row.optional().map_err(self.sqlite("read a row"))
    }

    fn attachments(&self, id: BodyId) -> Result<Option<String>, Error> {
        let sql = "SELECT attachments FROM bodies WHERE id = ?1";
        Ok(self.one(sql, [clamp(id.0)], |row| row.get(0))?.flatten())
    }

    fn local(&self, id: &str) -> Result<Option<LocalRow>, Error> {
        self.one("SELECT id, rev, body FROM local WHERE id = ?1", [id], local_row)
    }

    fn locals(&self, range: &IdRange, visit: Visit<'_, LocalRow>) -> Result<(), Error> {
        let sql = range_sql("id, rev, body", "local", "", range);
        let (low, high) = range_ends(range);
        self.each(&sql, params![low, high], local_row, visit)
    }

    fn blob(&self, hash: &ContentHash) -> Result<Option<AttachmentReader>, Error> {
        let sql = "SELECT data FROM blobs WHERE hash = ?1";
        let data: Option<Option<Vec<u8>>> = self.one(sql, [&hash.0[..]], |row| row.get(0))?;
        Ok(match data {
            None => None,
            Some(Some(bytes)) => Some(AttachmentReader::inline(hash, bytes)),
            Some(None) => {
                let path = blob_path(self.attachments, hash);
                let open = || AttachmentReader::file(hash, File::open(path)?);
                Some(open().map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => Error::Damaged(format!("attachment {hash} is gone")),
                    _ => Error::io("open an attachment")(error),
                })?)
            }
        })
    }

    fn blob_row(&self, hash: &ContentHash) -> Result<Option<BlobRow>, Error> {
        let sql = "SELECT hash, length, data IS NULL FROM blobs WHERE hash = ?1";
        self.one(sql, [&hash.0[..]], blob_row)
    }

    fn blobs(&self, visit: Visit<'_, BlobRow>) -> Result<(), Error> {
        let sql = "SELECT hash, length, data IS NULL FROM blobs";
        self.each(sql, [], blob_row, visit)
    }

    fn overwritten(&self, after: u64, visit: Visit<'_, OverwrittenRow>) -> Result<(), Error> {
        let sql = "SELECT id, doc, rev, body, seq, info FROM overwritten WHERE id > ?1 ORDER BY id";
        self.each(sql, [clamp(after)], overwritten_row, visit)
    }

    fn overwritten_of(&self, doc: &str, visit: Visit<'_, OverwrittenRow>) -> Result<(), Error> {
        let sql =
            "SELECT id, doc, rev, body, seq, info FROM overwritten WHERE doc = ?1 ORDER BY id";
        self.each(sql, [doc], overwritten_row, visit)
    }

    fn held(&self, visit: Visit<'_, HeldRow>) -> Result<(), Error> {
        let sql =
            "SELECT id, doc, path, deleted, body, due, deliverer, bytes FROM held ORDER BY id";
        self.each(sql, [], held_row, visit)
    }

    fn held_of(&self, doc: &str, visit: Visit<'_, HeldRow>) -> Result<(), Error> {
        let sql = "SELECT id, doc, path, deleted, body, due, deliverer, bytes FROM held \
                   WHERE doc = ?1 ORDER BY id";
        self.each(sql, [doc], held_row, visit)
    }

    fn purges(&self, after: u64, visit: Visit<'_, PurgeRow>) -> Result<(), Error> {
        let sql = "SELECT seq, uuid, doc, revs FROM purges WHERE seq > ?1 ORDER BY seq";
        self.each(sql, [clamp(after)], purge_row, visit)
    }

    fn count_bodies(&self) -> Result<u64, Error> {
        let count = self.one("SELECT count(*) FROM bodies", [], |row| row.get(0))?;
        Ok(count.unwrap_or(0))
    }

    fn used_bytes(&self) -> Result<u64, Error> {
        let number = |sql| Ok::<u64, Error>(self.one(sql, [], |row| row.get(0))?.unwrap_or(0));
        let (pages, free) = (number("PRAGMA page_count")?, number("PRAGMA freelist_count")?);
        Ok(pages.saturating_sub(free) * number("PRAGMA page_size")?)
    }
}

impl RowsMut for SqliteRows<'_> {
    fn set_counters(&mut self, counters: &Counters) -> Result<(), Error> {
        self.set_setting("counters", &encode_counters(counters))
    }

    fn set_setting(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", params![key, value])?;
        Ok(())
    }

    fn put_doc(&mut self, row: &DocRow) -> Result<(), Error> {
        let sql = "INSERT OR REPLACE INTO docs (id, seq, deleted, rev, body, tree)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let DocRow { head, tree } = row;
        let (seq, body) = (clamp(head.seq), clamp(head.body.0));
        let params = params![head.id, seq, head.deleted, head.rev, body, tree];
        self.run_hot(&self.hot.put_doc, sql, params)
    }

    fn delete_doc(&mut self, id: &str) -> Result<(), Error> {
        self.run("DELETE FROM docs WHERE id = ?1", [id])?;
        Ok(())
    }

    fn put_change(&mut self, seq: u64, id: &str, leaves: &[u8]) -> Result<(), Error> {
        let sql = "INSERT INTO seqs (seq, id, leaves) VALUES (?1, ?2, ?3)";
        self.run_hot(&self.hot.put_change, sql, params![clamp(seq), id, leaves])
    }

    fn retire_change(&mut self, seq: u64) -> Result<(), Error> {
        self.run("INSERT OR IGNORE INTO stale (seq) VALUES (?1)", [clamp(seq)])?;
        Ok(())
    }

    fn delete_change(&mut self, seq: u64) -> Result<(), Error> {
        self.run("DELETE FROM seqs WHERE seq = ?1", [clamp(seq)])?;
        Ok(())
    }

    fn purge_stale(&mut self, limit: u64) -> Result<u64, Error> {
        let limit = clamp(limit);
        let oldest = "(SELECT seq FROM stale ORDER BY seq LIMIT ?1)";
        self.run(&format!("DELETE FROM seqs WHERE seq IN {oldest}"), [limit])?;
        let purged = self.run(&format!("DELETE FROM stale WHERE seq IN {oldest}"), [limit])?;
        Ok(purged as u64)
    }

    fn put_body(&mut self, id: BodyId, row: &BodyRow) -> Result<(), Error> {
        let sql = "INSERT INTO bodies (id, body, attachments) VALUES (?1, ?2, ?3)";
        self.run_hot(&self.hot.put_body, sql, params![clamp(id.0), row.body, row.attachments])
    }

    fn delete_body(&mut self, id: BodyId) -> Result<(), Error> {
        self.run("DELETE FROM bodies WHERE id = ?1", [clamp(id.0)])?;
        Ok(())
    }

    fn put_local(&mut self, row: &LocalRow) -> Result<(), Error> {
        let sql = "INSERT OR REPLACE INTO local (id, rev, body) VALUES (?1, ?2, ?3)";
        self.run(sql, params![row.id, clamp(row.rev), row.body])?;
        Ok(())
    }

    fn delete_local(&mut self, id: &str) -> Result<bool, Error> {
        Ok(self.run("DELETE FROM local WHERE id = ?1", [id])? > 0)
    }

    fn put_blob(&mut self, staged: &Staged) -> Result<Option<BlobRow>, Error> {
        let Staged { content, data, .. } = staged;
        let length = staged.stored_length();
        let known =
            self.one("SELECT 1 FROM blobs WHERE hash = ?1", [&content.0[..]], |_| Ok(()))?;
        if known.is_some() {
            return Ok(None);
        }
        let (bytes, in_file) = match data {
            StagedData::Inline(bytes) => (Some(&bytes[..]), false),
            StagedData::File(staged) => {
                move_into_place(staged.as_ref(), &blob_path(self.attachments, content))?;
                (None, true)
            }
        };
        let sql = "INSERT INTO blobs (hash, length, data) VALUES (?1, ?2, ?3)";
        self.run(sql, params![&content.0[..], clamp(length), bytes])?;
        Ok(Some(BlobRow { hash: *content, length, in_file }))
    }

    fn copy_blob(&mut self, row: BlobRow, from: &dyn Rows) -> Result<(), Error> {
        let bytes = if row.in_file { None } else { Some(read_inline(&row.hash, from)?) };
        let sql = "INSERT OR IGNORE INTO blobs (hash, length, data) VALUES (?1, ?2, ?3)";
        self.run(sql, params![&row.hash.0[..], clamp(row.length), bytes])?;
        Ok(())
    }

    fn put_overwritten(&mut self, row: &OverwrittenRow) -> Result<(), Error> {
        let sql = "INSERT INTO overwritten (id, doc, rev, body, seq, info)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let OverwrittenRow { id, doc, rev, body, seq, info } = row;
        self.run(sql, params![clamp(*id), doc, rev, clamp(body.0), clamp(*seq), info])?;
        Ok(())
    }

    fn delete_overwritten(&mut self, id: u64) -> Result<(), Error> {
        self.run("DELETE FROM overwritten WHERE id = ?1", [clamp(id)])?;
        Ok(())
    }

    fn put_held(&mut self, row: &HeldRow) -> Result<(), Error> {
        let sql = "INSERT INTO held (id, doc, path, deleted, body, due, deliverer, bytes)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let HeldRow { id, doc, path, deleted, body, due, deliverer, bytes } = row;
        let (id, body, due, bytes) = (clamp(*id), clamp(body.0), clamp(*due), clamp(*bytes));
        self.run(sql, params![id, doc, path, deleted, body, due, deliverer, bytes])?;
        Ok(())
    }

    fn delete_held(&mut self, id: u64) -> Result<(), Error> {
        self.run("DELETE FROM held WHERE id = ?1", [clamp(id)])?;
        Ok(())
    }

    fn put_purge(&mut self, row: &PurgeRow) -> Result<(), Error> {
        let sql = "INSERT INTO purges (seq, uuid, doc, revs) VALUES (?1, ?2, ?3, ?4)";
        self.run(sql, params![clamp(row.seq), &row.uuid[..], row.doc, row.revs])?;
        Ok(())
    }
}

/// Renames the staged file to its final name, durably; a file that is there already is the same.
fn move_into_place(staged: &Path, path: &Path) -> Result<(), Error> {
    let io = Error::io("file an attachment");
    let folder = path.parent().unwrap_or(path);
    if !path.exists() {
        fs::create_dir_all(folder).map_err(&io)?;
        fs::rename(staged, path).map_err(&io)?;
    }
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(&io)?;
    }
    Ok(())
}

fn read_inline(hash: &ContentHash, from: &dyn Rows) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut reader = from.blob(hash)?.ok_or_else(|| Error::Damaged(format!("blob {hash}")))?;
    io::Read::read_to_end(&mut reader, &mut bytes).map_err(Error::io("read an attachment"))?;
    Ok(bytes)
}

fn doc_row(row: &Row<'_>) -> rusqlite::Result<DocRow> {
    Ok(DocRow { head: head_row(row)?, tree: row.get(5)? })
}

fn head_row(row: &Row<'_>) -> rusqlite::Result<HeadRow> {
    Ok(HeadRow {
        id: row.get(0)?,
        seq: row.get(1)?,
        deleted: row.get(2)?,
        rev: row.get(3)?,
        body: BodyId(row.get(4)?),
    })
}

fn local_row(row: &Row<'_>) -> rusqlite::Result<LocalRow> {
    Ok(LocalRow { id: row.get(0)?, rev: row.get(1)?, body: row.get(2)? })
}

fn overwritten_row(row: &Row<'_>) -> rusqlite::Result<OverwrittenRow> {
    Ok(OverwrittenRow {
        id: row.get(0)?,
        doc: row.get(1)?,
        rev: row.get(2)?,
        body: BodyId(row.get(3)?),
        seq: row.get(4)?,
        info: row.get(5)?,
    })
}

fn held_row(row: &Row<'_>) -> rusqlite::Result<HeldRow> {
    Ok(HeldRow {
        id: row.get(0)?,
        doc: row.get(1)?,
        path: row.get(2)?,
        deleted: row.get(3)?,
        body: BodyId(row.get(4)?),
        due: row.get(5)?,
        deliverer: row.get(6)?,
        bytes: row.get(7)?,
    })
}

fn purge_row(row: &Row<'_>) -> rusqlite::Result<PurgeRow> {
    Ok(PurgeRow { seq: row.get(0)?, uuid: row.get(1)?, doc: row.get(2)?, revs: row.get(3)? })
}

fn blob_row(row: &Row<'_>) -> rusqlite::Result<BlobRow> {
    let hash = match row.get_ref(0)? {
        ValueRef::Blob(bytes) => bytes.try_into().unwrap_or([0; 32]),
        _ => [0; 32],
    };
    Ok(BlobRow { hash: ContentHash(hash), length: row.get(1)?, in_file: row.get(2)? })
}

/// Rows of a table in a range of ids; `?1` is its lower and `?2` its upper end.
fn range_sql(columns: &str, table: &str, condition: &str, range: &IdRange) -> String {
    let (low, high, order) = match range.direction {
        Direction::Ascending => (&range.start, &range.end, ""),
        Direction::Descending => (&range.end, &range.start, " DESC"),
    };
    // An absent end still names its parameter, so that every form takes the same two.
    let above = match low {
        Some((_, true)) => "id >= ?1",
        Some((_, false)) => "id > ?1",
        None => "?1 IS NULL",
    };
    let below = match high {
        Some((_, true)) => "id <= ?2",
        Some((_, false)) => "id < ?2",
        None => "?2 IS NULL",
    };
    format!(
        "SELECT {columns} FROM {table} WHERE {condition} {above} AND {below} ORDER BY id{order}"
    )
}

fn range_ends(range: &IdRange) -> (Option<&str>, Option<&str>) {
    let (low, high) = match range.direction {
        Direction::Ascending => (&range.start, &range.end),
        Direction::Descending => (&range.end, &range.start),
    };
    (low.as_ref().map(|(id, _)| id.as_str()), high.as_ref().map(|(id, _)| id.as_str()))
}

/// SQLite's integers are signed; no number here comes near half of the range.
fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
