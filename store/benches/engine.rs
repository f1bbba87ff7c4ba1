//! The store against the engine below it: the same rows in the same tables, written and read by
//! plain SQLite statements. What the store adds is the distance between the two.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "benchmarks")]

use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rusqlite::{Connection, params};
use store::{Database, Direction, DocId, Edit, IdRange, Lineage, Millis, Options, Seq, Store};

const NOW: Millis = Millis(1_700_000_000_000);
const BATCH: u64 = 1000;
const BATCHES: u64 = 20;

/// About 1 KB, as in the load generator that measures whole servers.
fn body(number: u64) -> String {
    let pad = "the quick brown fox jumps over the lazy dog ".repeat(18);
    format!(
        "{{\"type\":\"order\",\"n\":{number},\"price\":{}.5,\"tags\":[\"t1\",\"t2\"],\
         \"nested\":{{\"a\":1,\"b\":{{\"c\":\"{number}\"}}}},\"pad\":\"{pad}\"}}",
        number % 1000
    )
}

fn edit(number: u64) -> Edit {
    Edit {
        id: format!("doc-{number:08}").parse().unwrap(),
        lineage: Lineage::Child(None),
        deleted: false,
        body: body(number).into(),
        attachments: Vec::new(),
    }
}

fn open_store(folder: &Path) -> Arc<Store> {
    let options = Options { writer_threads: 1, open_databases_max: 32, device: [7; 32] };
    Store::open(folder, &options).unwrap()
}

fn fill(database: &Database) {
    for batch in 0..BATCHES {
        let edits = (batch * BATCH..(batch + 1) * BATCH).map(edit).collect();
        assert!(database.write(edits, NOW).unwrap().iter().all(Result::is_ok));
    }
}

/// The store's own file, written on by statements alone.
fn raw(folder: &Path) -> Connection {
    let store = open_store(folder);
    let database = store.create(&"raw".parse().unwrap(), NOW).unwrap();
    let file = folder.join("databases").join(database.uuid().to_string()).join("main-1.sqlite");
    store.close();
    let connection = Connection::open(file).unwrap();
    connection.execute_batch("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000").unwrap();
    connection
}

fn fill_raw(connection: &mut Connection) {
    let (tree, leaves) = ([1_u8; 25], [1_u8; 18]);
    for batch in 0..BATCHES {
        let transaction = connection.transaction().unwrap();
        for number in batch * BATCH..(batch + 1) * BATCH {
            let (id, seq) = (format!("doc-{number:08}"), number + 1);
            let body = body(number);
            let write = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
                transaction.prepare_cached(sql).unwrap().execute(params).unwrap();
            };
            write("INSERT INTO bodies (id, body) VALUES (?1, ?2)", params![seq, body.as_bytes()]);
            write(
                "INSERT INTO seqs (seq, id, leaves) VALUES (?1, ?2, ?3)",
                params![seq, id, leaves],
            );
            write(
                "INSERT OR REPLACE INTO docs (id, seq, deleted, rev, body, tree)
                 VALUES (?1, ?2, 0, ?3, ?2, ?4)",
                params![id, seq, leaves, tree],
            );
        }
        transaction.commit().unwrap();
    }
}

fn bulk(c: &mut Criterion) {
    let mut group = c.benchmark_group("bulk write");
    group.throughput(Throughput::Elements(BATCH * BATCHES)).sample_size(10);
    group.bench_function("store", |b| {
        let with_database = || {
            let folder = tempfile::tempdir().unwrap();
            let store = open_store(folder.path());
            let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
            (folder, store, database)
        };
        let run = |made: (tempfile::TempDir, Arc<Store>, Arc<Database>)| {
            fill(&made.2);
            made
        };
        b.iter_batched(with_database, run, BatchSize::PerIteration);
    });
    group.bench_function("engine alone", |b| {
        let with_file = || {
            let folder = tempfile::tempdir().unwrap();
            let connection = raw(folder.path());
            (folder, connection)
        };
        let run = |mut made: (tempfile::TempDir, Connection)| {
            fill_raw(&mut made.1);
            made
        };
        b.iter_batched(with_file, run, BatchSize::PerIteration);
    });
}

fn single(c: &mut Criterion) {
    let mut group = c.benchmark_group("single durable write");
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let mut number = 0;
    group.bench_function("store", |b| {
        b.iter(|| {
            number += 1;
            database.write(vec![edit(number)], NOW).unwrap()
        });
    });
    let folder = tempfile::tempdir().unwrap();
    let connection = raw(folder.path());
    let mut number = 0;
    group.bench_function("engine alone", |b| {
        b.iter(|| {
            number += 1;
            let sql = "INSERT INTO bodies (id, body) VALUES (?1, ?2)";
            connection.execute(sql, params![number, body(number).as_bytes()]).unwrap()
        });
    });
}

fn reads(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    fill(&database);
    let file = folder.path().join("databases").join(database.uuid().to_string());
    let connection = Connection::open(file.join("main-1.sqlite")).unwrap();

    let mut group = c.benchmark_group("read one document");
    let ids: Vec<DocId> = (0..BATCH * BATCHES).map(|n| edit(n).id).collect();
    let mut at = 0;
    let mut next = || {
        at = (at + 7919) % ids.len();
        &ids[at]
    };
    group.bench_function("store", |b| {
        b.iter(|| {
            let id = next();
            database
                .read(|snapshot| {
                    let head = snapshot.head(id)?.unwrap();
                    snapshot.body(head.body)
                })
                .unwrap()
        });
    });
    group.bench_function("engine alone", |b| {
        b.iter(|| {
            let id = next();
            let sql = "SELECT b.body FROM docs d JOIN bodies b ON b.id = d.body WHERE d.id = ?1";
            let mut statement = connection.prepare_cached(sql).unwrap();
            statement.query_row([id.as_str()], |row| row.get::<_, Vec<u8>>(0)).unwrap()
        });
    });
    group.finish();

    let mut group = c.benchmark_group("scan");
    group.throughput(Throughput::Elements(BATCH * BATCHES));
    group.bench_function("changes", |b| {
        b.iter(|| {
            let scan = database.read(|s| s.changes(Seq(0), Direction::Ascending, usize::MAX));
            scan.unwrap().len()
        });
    });
    group.bench_function("changes, engine alone", |b| {
        b.iter(|| {
            let sql = "SELECT seq, id, leaves FROM seqs WHERE seq > 0 ORDER BY seq";
            let mut statement = connection.prepare_cached(sql).unwrap();
            let mut rows = statement.query([]).unwrap();
            let mut bytes = 0;
            while let Some(row) = rows.next().unwrap() {
                bytes += row.get_ref(1).unwrap().as_bytes().unwrap().len();
            }
            bytes
        });
    });
    let everything = IdRange { start: None, end: None, direction: Direction::Ascending };
    group.bench_function("all documents' heads", |b| {
        b.iter(|| database.read(|s| s.heads(&everything, 0, usize::MAX)).unwrap().len());
    });
}

criterion_group!(benches, bulk, single, reads);
criterion_main!(benches);
