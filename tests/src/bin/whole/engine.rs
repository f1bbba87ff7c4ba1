//! SQLite alone, on a database file that a hub made.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use tempfile::TempDir;
use tests::Hub;

use crate::load::{body, price};
use crate::report::Report;

const BATCH: u64 = 1000;

/// Ids of 32 hexadecimal digits in no order, as in the measurements that the engine was chosen by.
const RANDOM_IDS: fn(u64) -> String = |number| {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:016x}{:016x}", mixed ^ (mixed >> 29), mixed.rotate_left(17))
};

/// The ids that the hub's own load has.
const SAME_IDS: fn(u64) -> String = |number| format!("doc-{number:08}");

/// Measures statements of the kinds that the hub makes.
pub(crate) fn measure(documents: u64, report: &mut Report) {
    let (_folder, mut connection) = database();
    report.note("engine bulk", load(&mut connection, documents, SAME_IDS));
    report.note("engine index", index(&mut connection, documents));

    let (_folder, mut connection) = database();
    report.note("engine load", load(&mut connection, documents, RANDOM_IDS));
    report.note("engine get", gets(&connection, documents));
    report.note("engine scan", scan(&connection, documents));
    report.note("engine single", singles(&mut connection, documents));
}

/// The file of an empty database, as the hub lays it out.
fn database() -> (TempDir, Connection) {
    let hub = Hub::start();
    hub.put("/bench", "").expect(201);
    let uuids = std::fs::read_dir(hub.data_dir().join("databases")).unwrap();
    let file = |folder: PathBuf| folder.join("main-1.sqlite");
    // The database made last is the one whose file is the youngest.
    let folder = uuids
        .map(|entry| entry.unwrap().path())
        .max_by_key(|folder| file(folder.clone()).metadata().unwrap().created().unwrap());
    let file = file(folder.unwrap());
    let folder = hub.stop();
    let connection = Connection::open(file).unwrap();
    let pragmas =
        "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-16384";
    connection.execute_batch(pragmas).unwrap();
    (folder, connection)
}

/// Documents a second, a thousand a commit.
fn load(connection: &mut Connection, documents: u64, id: fn(u64) -> String) -> f64 {
    let bodies: Vec<String> = (0..64).map(body).collect();
    let begun = Instant::now();
    for batch in 0..documents / BATCH {
        let transaction = connection.transaction().unwrap();
        for number in batch * BATCH..(batch + 1) * BATCH {
            insert(&transaction, number, &id(number), &bodies[(number % 64) as usize]);
        }
        transaction.commit().unwrap();
    }
    rate(documents, begun.elapsed())
}

/// The rows of one new document.
fn insert(connection: &Connection, number: u64, id: &str, body: &str) {
    let (tree, leaves, seq) = ([1_u8; 25], [1_u8; 18], number + 1);
    let write = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql).unwrap().execute(params).unwrap();
    };
    write("INSERT INTO bodies (id, body) VALUES (?1, ?2)", params![seq, body.as_bytes()]);
    write("INSERT INTO seqs (seq, id, leaves) VALUES (?1, ?2, ?3)", params![seq, id, leaves]);
    write(
        "INSERT OR REPLACE INTO docs (id, seq, deleted, rev, body, tree)
         VALUES (?1, ?2, 0, ?3, ?2, ?4)",
        params![id, seq, leaves, tree],
    );
}

/// Durable commits of one document a second, one after another.
fn singles(connection: &mut Connection, documents: u64) -> f64 {
    const SINGLES: u64 = 4000;
    let body = body(0);
    let begun = Instant::now();
    for number in documents..documents + SINGLES {
        let transaction = connection.transaction().unwrap();
        insert(&transaction, number, &RANDOM_IDS(number), &body);
        transaction.commit().unwrap();
    }
    rate(SINGLES, begun.elapsed())
}

/// Documents read a second, each in a snapshot of its own.
fn gets(connection: &Connection, documents: u64) -> f64 {
    let begun = Instant::now();
    for number in 0..documents {
        let id = RANDOM_IDS(number * 7919 % documents);
        let transaction = connection.unchecked_transaction().unwrap();
        let mut head = transaction.prepare_cached("SELECT body FROM docs WHERE id = ?1").unwrap();
        let at: i64 = head.query_row([id], |row| row.get(0)).unwrap();
        let mut body = transaction.prepare_cached("SELECT body FROM bodies WHERE id = ?1").unwrap();
        let _body: Vec<u8> = body.query_row([at], |row| row.get(0)).unwrap();
    }
    rate(documents, begun.elapsed())
}

/// Rows of the changes feed read a second.
fn scan(connection: &Connection, documents: u64) -> f64 {
    let begun = Instant::now();
    let mut statement =
        connection.prepare("SELECT seq, id, leaves FROM seqs ORDER BY seq").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut bytes = 0;
    while let Some(row) = rows.next().unwrap() {
        bytes += row.get_ref(1).unwrap().as_bytes().unwrap().len();
    }
    assert!(bytes > 0);
    rate(documents, begun.elapsed())
}

/// Entries of an index a second: two fields and the document's id, put in order and written at once.
fn index(connection: &mut Connection, documents: u64) -> f64 {
    connection
        .execute_batch(
            "CREATE TABLE entries (key TEXT, id TEXT, PRIMARY KEY (key, id)) WITHOUT ROWID",
        )
        .unwrap();
    let begun = Instant::now();
    let entry = |number| (format!("[\"order\",{:05}]", price(number)), SAME_IDS(number));
    let mut entries: Vec<(String, String)> = (0..documents).map(entry).collect();
    entries.sort_unstable();
    let transaction = connection.transaction().unwrap();
    let insert = "INSERT INTO entries (key, id) VALUES (?1, ?2)";
    let mut statement = transaction.prepare(insert).unwrap();
    for (key, id) in &entries {
        statement.execute([key, id]).unwrap();
    }
    drop(statement);
    transaction.commit().unwrap();
    rate(documents, begun.elapsed())
}

/// So many in so long, a second.
pub(crate) fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
