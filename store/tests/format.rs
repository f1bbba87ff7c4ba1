//! Files of earlier and of later versions than this release writes.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::Read as _;
use std::path::Path;

use rusqlite::Connection;
use store::{
    ConflictRule, ContentHash, CopyFile, Database, DbName, Direction, DocId, Edit, Error, IdRange,
    Lineage, Millis, Restore, Seq, Store,
};
use support::{options, put};

/// A database file of version 1, as a release that wrote that version left it: five documents with
/// a conflict, a tombstone and attachments, a local document and settings.
const VERSION_1: &str = include_str!("format/version_1.sql");

/// The attachment that lies beside that file.
static LARGE: [u8; 70_000] = [b'x'; 70_000];

fn large() -> ContentHash {
    ContentHash(*blake3::hash(&LARGE).as_bytes())
}

fn lay_out(main: &Path, attachment: &Path) {
    let connection = Connection::open(main).unwrap();
    connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;").unwrap();
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    connection.execute_batch(VERSION_1).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    std::fs::create_dir_all(attachment.parent().unwrap()).unwrap();
    std::fs::write(attachment, LARGE).unwrap();
}

fn version(main: &Path) -> u64 {
    let connection = Connection::open(main).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// Where a store keeps a database's first file, and its attachment of this hash.
fn paths(store: &Path, database: &Database) -> (std::path::PathBuf, std::path::PathBuf) {
    let folder = store.join("databases").join(database.uuid().to_string());
    let hash = large().to_string();
    (folder.join("main-1.sqlite"), folder.join("att").join(&hash[..2]).join(hash))
}

fn check_contents(database: &Database) {
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
    assert_eq!(database.update_seq().seq, Seq(7));
    let info = database.info().unwrap();
    assert_eq!((info.doc_count, info.doc_del_count, info.purge_seq.seq), (3, 1, Seq(0)));
    assert_eq!(database.revs_limit().unwrap(), 77);
    assert_eq!(database.security().unwrap().unwrap(), r#"{"admins":{"names":["a"]}}"#);
    database
        .read(|snapshot| {
            let all = IdRange { start: None, end: None, direction: Direction::Ascending };
            let mut bodies = Vec::new();
            for head in snapshot.heads(&all, 0, 100)? {
                let body = snapshot.body(head.body)?.unwrap();
                bodies.push((head.id.to_string(), body.json.len()));
                let mut lengths = Vec::new();
                for attachment in &body.attachments {
                    let mut bytes = Vec::new();
                    snapshot.attachment(attachment)?.read_to_end(&mut bytes).unwrap();
                    assert_eq!(bytes.len() as u64, attachment.length);
                    lengths.push(bytes.len());
                }
                let expected: &[usize] =
                    if head.id.as_str() == "with attachments" { &[15, 70_000] } else { &[] };
                assert_eq!(lengths, expected);
            }
            let expected = [("compressed", 8_010), ("edited", 7), ("with attachments", 9)];
            assert_eq!(bodies, expected.map(|(id, length)| (id.to_owned(), length)));
            let edited: DocId = "edited".parse().unwrap();
            assert_eq!(snapshot.tree(&edited)?.unwrap().tree.conflicts().len(), 1);
            assert_eq!(snapshot.changes(Seq(0), Direction::Ascending, 100)?.len(), 4);
            let local = snapshot.local(&"_local/x".parse().unwrap())?.unwrap();
            assert_eq!((local.rev, local.json.as_str()), (5, r#"{"l":true}"#));
            Ok::<_, Error>(())
        })
        .unwrap();
}

/// A store with one database, whose files are replaced while it is closed.
fn store_with(folder: &Path, name: &DbName, replace: impl FnOnce(&Path, &Path)) {
    let store = Store::open(folder, &options()).unwrap();
    let database = store.create(name, Millis(1)).unwrap();
    // Left unclean, so that the next start asks the file for its last sequence.
    database.write(vec![put("x", None, "{}")], Millis(1)).unwrap();
    let (main, attachment) = paths(folder, &database);
    drop((store, database));
    std::fs::remove_file(&main).unwrap();
    for side in ["-wal", "-shm"] {
        let _gone = std::fs::remove_file(main.with_extension(format!("sqlite{side}")));
    }
    replace(&main, &attachment);
}

#[test]
fn version_1_is_brought_up_to_date_with_all_that_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let name = "old".parse().unwrap();
    store_with(folder.path(), &name, lay_out);
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.database(&name).unwrap();
    check_contents(&database);
    database.write(vec![put("new", None, "{}")], Millis(2)).unwrap().remove(0).unwrap();
    store.close();
    assert_eq!(version(&paths(folder.path(), &database).0), 4);
    drop((store, database));

    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.database(&name).unwrap();
    assert_eq!(database.info().unwrap().doc_count, 4);
    database.compact(&mut |_, _| {}).unwrap();
    assert_eq!(database.info().unwrap().doc_count, 4);
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
}

/// What version 2 added to version 1.
const VERSION_2: &str = "
CREATE TABLE purges (
    seq INTEGER PRIMARY KEY, uuid BLOB NOT NULL, doc TEXT NOT NULL, revs BLOB NOT NULL
);
PRAGMA user_version = 2;
";

#[test]
fn version_2_is_brought_up_to_date_and_takes_conflicts() {
    let folder = tempfile::tempdir().unwrap();
    let name = "old".parse().unwrap();
    store_with(folder.path(), &name, |main, attachment| {
        lay_out(main, attachment);
        Connection::open(main).unwrap().execute_batch(VERSION_2).unwrap();
    });
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.database(&name).unwrap();
    check_contents(&database);
    let rule = ConflictRule { policy: "newest_by:/t".parse().unwrap(), version: 1 };
    database.set_conflict_rule(rule.clone()).unwrap();
    let write = |rev: &str, body: &str| {
        let lineage = Lineage::Path(vec![rev.parse().unwrap()]);
        let edit = Edit { lineage, ..put("torn", None, body) };
        database.deliver(vec![edit], Millis(2), "couch").unwrap().remove(0).unwrap()
    };
    write("1-a", "{\"t\":1}");
    write("1-b", "{\"t\":2}");
    assert_eq!(database.overwritten(0, 9).unwrap().len(), 1);
    // What was there before is on nobody's account; the one that lost is on none any more. Resolved, the
    // winner of one byte more than its brackets and what a revision takes is left.
    assert_eq!(database.charges().unwrap().of("couch"), 7 + 128);
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
    store.close();
    assert_eq!(version(&paths(folder.path(), &database).0), 4);
    drop((store, database));
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.database(&name).unwrap();
    assert_eq!(database.conflict_rule().unwrap(), rule);
    assert_eq!(database.overwritten(0, 9).unwrap().len(), 1);
}

#[test]
fn copies_of_version_1_are_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (name, uuid) = ("old".parse().unwrap(), store::DbUuid([7; 16]));
    let restore = Restore::begin(folder.path()).unwrap();
    let main = restore.place(uuid, CopyFile::Main).unwrap();
    let attachment = restore.place(uuid, CopyFile::Attachment(large())).unwrap();
    lay_out(&main, &attachment);
    // Copies are not in write-ahead-log mode.
    let connection = Connection::open(&main).unwrap();
    connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).unwrap();
    drop(connection);
    restore.adopt(uuid, &name, Millis(1)).unwrap();
    drop(restore);
    let store = Store::open(folder.path(), &options()).unwrap();
    check_contents(&store.database(&name).unwrap());
}

#[test]
fn other_versions_are_refused_and_left_alone() {
    for (found, refusal) in [(5, "stored in format 5"), (0, "without a version")] {
        let folder = tempfile::tempdir().unwrap();
        let name = "other".parse().unwrap();
        store_with(folder.path(), &name, |main, attachment| {
            lay_out(main, attachment);
            Connection::open(main).unwrap().pragma_update(None, "user_version", found).unwrap();
        });
        let store = Store::open(folder.path(), &options()).unwrap();
        let other = store.create(&"served".parse().unwrap(), Millis(1)).unwrap();
        let database = store.database(&name).unwrap();
        let error = database.info().unwrap_err();
        assert!(error.to_string().contains(refusal), "{error}");
        assert!(database.write(vec![put("x", None, "{}")], Millis(1)).is_err());
        assert_eq!(other.info().unwrap().doc_count, 0);
        assert_eq!(version(&paths(folder.path(), &database).0), found);
    }
}
