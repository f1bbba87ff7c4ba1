//! Databases by the hundred, writers and readers at once, compaction, copies.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::Listener as _;
use store::{
    Content, CopyFile, CopySource, Database, Direction, DocId, EditError, Error, IdRange, Intake,
    Lineage, Millis, NewAttachment, OpenError, Options, Purge, Restore, RevId, Seq, Store,
    UpdateSeq,
};
use support::{files_below, options, put};

const NOW: Millis = Millis(1_700_000_000_000);

fn write_one(database: &Database, edit: store::Edit) -> Result<RevId, EditError> {
    database.write(vec![edit], NOW).unwrap().remove(0)
}

fn attach(database: &Database, name: &str, bytes: &[u8]) -> NewAttachment {
    let mut writer = database.stage(1 << 30, Intake::Plain).unwrap();
    writer.write_all(bytes).unwrap();
    let content = Content::Staged(writer.finish().unwrap());
    NewAttachment { name: name.into(), content_type: None, revpos: None, content }
}

fn stub(name: &str, revpos: Option<u64>) -> NewAttachment {
    NewAttachment { name: name.into(), content_type: None, revpos, content: Content::Stub }
}

fn attachments(database: &Database, id: &str) -> BTreeMap<String, Vec<u8>> {
    let id: DocId = id.parse().unwrap();
    database
        .read(|snapshot| {
            let head = snapshot.head(&id)?.unwrap();
            let body = snapshot.body(head.body)?.unwrap();
            let mut read = BTreeMap::new();
            for attachment in &body.attachments {
                let mut bytes = Vec::new();
                snapshot.attachment(attachment)?.read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes.len() as u64, attachment.length);
                read.insert(attachment.name.clone(), bytes);
            }
            Ok::<_, Error>(read)
        })
        .unwrap()
}

#[test]
fn names_are_taken_freed_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let name = "a/b+c".parse().unwrap();
    let first = store.create(&name, NOW).unwrap();
    assert!(matches!(store.create(&name, NOW), Err(Error::DatabaseExists(_))));
    write_one(&first, put("x", None, "{}")).unwrap();
    let woken = first.updated();
    store.delete(&name).unwrap();
    woken.wait();
    assert!(first.is_deleted());
    assert!(matches!(first.info(), Err(Error::NoDatabase)));
    assert!(matches!(first.write(vec![put("y", None, "{}")], NOW), Err(Error::NoDatabase)));
    assert!(matches!(store.delete(&name), Err(Error::NoDatabase)));
    let second = store.create(&name, NOW).unwrap();
    assert_ne!(first.uuid(), second.uuid());
    assert_eq!(second.info().unwrap().doc_count, 0);
    drop((store, first, second));
    let store = Store::open(folder.path(), &options()).unwrap();
    assert_eq!(store.databases().len(), 1);
    assert!(files_below(&folder.path().join("trash")).is_empty());
}

#[test]
fn a_directory_has_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let _store = Store::open(folder.path(), &options()).unwrap();
    let error = Store::open(folder.path(), &options()).unwrap_err();
    assert!(
        matches!(&error, OpenError::Locked { pid, .. } if *pid == std::process::id().to_string())
    );
}

#[test]
fn hundreds_of_databases_share_few_files() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<store::DbName> = (0..60).map(|n| format!("db{n}").parse().unwrap()).collect();
    let store = Store::open(folder.path(), &options()).unwrap();
    for name in &names {
        let database = store.create(name, NOW).unwrap();
        write_one(&database, put(name.as_str(), None, "{}")).unwrap();
    }
    // A log beside its database file means that the database is open.
    let logs = files_below(folder.path()).iter().filter(|name| name.ends_with("-wal")).count();
    assert!(logs <= options().open_databases_max + 1, "{logs} open, catalog included");
    store.close();
    drop(store);
    let store = Store::open(folder.path(), &options()).unwrap();
    for database in store.databases() {
        assert_eq!(database.update_seq().seq, Seq(1));
        assert_eq!(database.info().unwrap().doc_count, 1);
    }
}

#[test]
fn sequences_know_their_history() {
    let store = Store::in_memory(&options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    write_one(&database, put("x", None, "{}")).unwrap();
    let here = database.update_seq();
    assert_eq!(database.parse_since(&here.to_string()), Ok(Seq(1)));
    assert_eq!(database.parse_since("0"), Ok(Seq(0)));
    let elsewhere = UpdateSeq { epoch: store::Epoch([1; 8]), ..here };
    assert_eq!(database.parse_since(&elsewhere.to_string()), Ok(Seq(0)));
    let beyond = UpdateSeq { seq: Seq(2), ..here };
    for bad in ["", "1", "999", "bogus", &beyond.to_string()] {
        assert!(database.parse_since(bad).is_err(), "{bad:?}");
    }
}

/// A reader may see a commit a moment before its writer has told everybody.
#[test]
fn whatever_a_reader_saw_is_a_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let writing = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..3000 {
                write_one(&database, put(&format!("doc-{number}"), None, "{}")).unwrap();
            }
            writing.store(false, Ordering::Relaxed);
        });
        while writing.load(Ordering::Relaxed) {
            let seen = database.read(|snapshot| snapshot.update_seq()).unwrap();
            assert_eq!(database.parse_since(&database.seq(seen).to_string()), Ok(seen));
        }
    });
}

#[test]
fn conflicts_are_decided_among_neighbours() {
    let store = Store::in_memory(&options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let outcomes = database
        .write(vec![put("x", None, "{}"), put("x", None, "{}"), put("y", None, "{}")], NOW)
        .unwrap();
    assert!(matches!(outcomes[..], [Ok(_), Err(EditError::Conflict), Ok(_)]));
    let rev = outcomes[0].clone().unwrap();
    let mut tombstone = put("x", Some(rev.clone()), "{}");
    tombstone.deleted = true;
    let dead = write_one(&database, tombstone).unwrap();
    assert_eq!(dead.generation, 2);
    assert_eq!(write_one(&database, put("x", Some(rev), "{}")), Err(EditError::Conflict));
    let reborn = write_one(&database, put("x", None, "{}")).unwrap();
    assert_eq!(reborn.generation, 3, "a deleted document comes back on top of its tombstone");
    assert!(store::stamp::stamp_of(&reborn) > store::stamp::stamp_of(&dead));
}

#[test]
fn stubs_stand_for_attachments_of_ancestors_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let mut first = put("x", None, "{}");
    first.attachments =
        vec![attach(&database, "a", b"text"), attach(&database, "b", &[1; 100_000])];
    let first = write_one(&database, first).unwrap();
    let missing =
        |id: &str, name: &str| EditError::MissingStub { id: id.into(), name: name.into() };

    let mut other = put("y", None, "{}");
    other.attachments = vec![stub("a", None)];
    assert_eq!(write_one(&database, other), Err(missing("y", "a")), "of another document");
    let mut unknown = put("x", Some(first.clone()), "{}");
    unknown.attachments = vec![stub("c", None)];
    assert_eq!(write_one(&database, unknown), Err(missing("x", "c")));
    let mut later = put("x", Some(first.clone()), "{}");
    later.attachments = vec![stub("a", Some(2))];
    assert_eq!(write_one(&database, later), Err(missing("x", "a")), "of a later edit");

    let mut kept = put("x", Some(first.clone()), "{}");
    kept.attachments = vec![stub("b", Some(1))];
    write_one(&database, kept).unwrap();
    let expected = BTreeMap::from([("b".to_owned(), vec![1; 100_000])]);
    assert_eq!(attachments(&database, "x"), expected);

    // A replicated edit two generations on, whose direct parent was never here.
    let path = ["4-b", "3-b"].map(|rev| rev.parse().unwrap());
    let mut replicated = put("x", None, "{}");
    let unrelated = Lineage::Path(path.to_vec());
    replicated.lineage = unrelated;
    replicated.attachments = vec![stub("a", Some(1))];
    assert_eq!(write_one(&database, replicated.clone()), Err(missing("x", "a")));
    replicated.lineage = Lineage::Path([&path[..], &["2-b".parse().unwrap(), first]].concat());
    write_one(&database, replicated).unwrap();
    let expected = BTreeMap::from([("a".to_owned(), b"text".to_vec())]);
    assert_eq!(attachments(&database, "x"), expected);
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
}

#[test]
fn attachments_are_copied_from_stored_revisions_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let mut source = put("x", None, "{}");
    source.attachments =
        vec![attach(&database, "a", b"text"), attach(&database, "b", &[1; 100_000])];
    let rev = write_one(&database, source).unwrap();
    let copy = |base: Option<&RevId>, id: &str, rev: &RevId, names: &[&str]| {
        let content = Content::Copied(CopySource { id: id.parse().unwrap(), rev: rev.clone() });
        let mut edit = put("y", base.cloned(), "{}");
        edit.attachments = names
            .iter()
            .map(|name| NewAttachment { content: content.clone(), ..stub(name, None) })
            .collect();
        write_one(&database, edit)
    };
    let missing =
        |id: &str, name: &str| Err(EditError::MissingStub { id: id.into(), name: name.into() });
    let unknown = "1-a".parse().unwrap();
    assert_eq!(copy(None, "x", &rev, &["a", "c"]), missing("x", "c"));
    assert_eq!(copy(None, "x", &unknown, &["a"]), missing("x", "a"));
    assert_eq!(copy(None, "z", &rev, &["a"]), missing("z", "a"));

    let first = write_one(&database, put("y", None, "{}")).unwrap();
    let copied = copy(Some(&first), "x", &rev, &["a", "b"]).unwrap();
    assert_eq!(attachments(&database, "y"), attachments(&database, "x"));
    let kept = database.read(|snapshot| {
        let head = snapshot.head(&"y".parse().unwrap())?.unwrap();
        assert_eq!(head.rev, copied);
        Ok::<_, Error>(snapshot.body(head.body)?.unwrap().attachments)
    });
    assert!(kept.unwrap().iter().all(|kept| kept.revpos == 2), "of the document's own generation");

    // What was copied outlives its source.
    write_one(&database, store::Edit { deleted: true, ..put("x", Some(rev.clone()), "{}") })
        .unwrap();
    database.compact(&mut |_, _| ()).unwrap();
    assert_eq!(attachments(&database, "y")["a"], b"text");
    assert_eq!(copy(Some(&copied), "x", &rev, &["a"]), missing("x", "a"), "compacted away");
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
}

#[test]
fn equal_attachments_are_kept_once_and_compaction_gives_space_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let large: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let mut revs = Vec::new();
    for id in ["x", "y", "z"] {
        let mut edit = put(id, None, "{}");
        edit.attachments = vec![attach(&database, "a", &large)];
        revs.push(write_one(&database, edit).unwrap());
    }
    let attachment_folder = folder.path().join("databases").join(database.uuid().to_string());
    let attachment_folder = attachment_folder.join("att");
    assert_eq!(files_below(&attachment_folder).len(), 1);
    let filler = format!("{{\"a\":\"{}\"}}", "b".repeat(3000));
    for (id, rev) in ["x", "y", "z"].iter().zip(revs) {
        let mut rev = rev;
        for _ in 0..200 {
            rev = write_one(&database, put(id, Some(rev), &filler)).unwrap();
        }
    }
    let before = database.info().unwrap();
    assert!(before.sizes.active < before.sizes.file);
    database.compact(&mut |_, _| {}).unwrap();
    let after = database.info().unwrap();
    assert!(after.sizes.file < before.sizes.file / 4, "{before:?} {after:?}");
    assert_eq!((after.doc_count, after.update_seq), (3, before.update_seq));
    assert!(files_below(&attachment_folder).is_empty(), "nothing refers to it any more");
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
    let mains = files_below(folder.path()).into_iter().filter(|name| name.starts_with("main-1."));
    assert_eq!(mains.count(), 0, "the old file is gone");
}

#[test]
fn histories_are_stemmed() {
    let store = Store::in_memory(&options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    assert_eq!(database.revs_limit().unwrap(), 1000);
    database.set_revs_limit(3).unwrap();
    let mut rev = None;
    for _ in 0..10 {
        rev = Some(write_one(&database, put("x", rev, "{}")).unwrap());
    }
    let tree = database.read(|s| s.tree(&"x".parse().unwrap())).unwrap().unwrap().tree;
    assert_eq!(tree.nodes().len(), 3);
    assert_eq!(tree.winner().map(|node| node.rev.generation), Some(10));
    database.compact(&mut |_, _| {}).unwrap();
    assert_eq!(database.revs_limit().unwrap(), 3, "compaction keeps the settings");
}

/// More superseded rows than are read ahead at a time, in both directions, and past the number at
/// which an idle writer removes them.
#[test]
fn feeds_skip_superseded_rows() {
    const DOCS: usize = 1300;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let mut revs: Vec<Option<RevId>> = vec![None; DOCS];
    for round in 0..22 {
        let edit =
            |(at, rev): (usize, &Option<RevId>)| put(&format!("doc-{at}"), rev.clone(), "{}");
        // The last document is edited once, so that a row stays among the superseded ones.
        let edited = if round == 0 { DOCS } else { DOCS - 1 };
        let edits = revs[..edited].iter().enumerate().map(edit).collect();
        let written = database.write(edits, NOW).unwrap();
        for (rev, written) in revs.iter_mut().zip(written) {
            *rev = Some(written.unwrap());
        }
        database
            .read(|snapshot| {
                let forth = snapshot.changes(Seq(0), Direction::Ascending, usize::MAX)?;
                let mut back =
                    snapshot.changes(Seq(u64::MAX), Direction::Descending, usize::MAX)?;
                back.reverse();
                assert_eq!(forth.len(), DOCS);
                assert_eq!(forth, back);
                assert_eq!(snapshot.changes_after(Seq(0))?, DOCS as u64);
                // From page to page, back again, and from the middle of gaps.
                let behind = |index: usize| (forth[index].seq, (DOCS - index - 1) as u64);
                for index in (0..DOCS).step_by(7).chain((0..DOCS).rev().step_by(11)) {
                    let (Seq(seq), behind) = behind(index);
                    assert_eq!(snapshot.changes_after(Seq(seq))?, behind, "after {seq}");
                    assert_eq!(snapshot.changes_after(Seq(seq - 1))?, behind + 1, "from {seq}");
                }
                assert_eq!(snapshot.changes_after(Seq(u64::MAX))?, 0);
                Ok::<_, Error>(())
            })
            .unwrap();
    }
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
}

#[test]
fn local_documents_are_written_over() {
    let store = Store::in_memory(&options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let id = || "_local/a/b".parse().unwrap();
    assert_eq!(database.write_local(id(), 0, None).unwrap(), None);
    assert_eq!(database.write_local(id(), 0, Some("{}".into())).unwrap(), Some(1));
    assert_eq!(database.write_local(id(), 1, Some("{\"a\":1}".into())).unwrap(), Some(2));
    database.compact(&mut |_, _| {}).unwrap();
    let local = database.read(|s| s.local(&id())).unwrap().unwrap();
    assert_eq!((local.rev, local.json.as_str()), (2, "{\"a\":1}"));
    assert_eq!(database.update_seq().seq, Seq(0), "local documents have no sequence");
    assert_eq!(database.write_local(id(), 2, None).unwrap(), Some(0));
    assert_eq!(database.read(|s| s.local(&id())).unwrap(), None);
}

/// Writers, readers and compaction at once: nobody waits for ever, nothing is lost, and each
/// snapshot agrees with itself.
#[test]
fn compaction_stops_nobody() {
    const WRITERS: u64 = 4;
    const EDITS: u64 = 150;
    let folder = tempfile::tempdir().unwrap();
    let options = Options { writer_threads: 2, ..options() };
    let store = Store::open(folder.path(), &options).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let writing = Arc::new(AtomicBool::new(true));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let database = &database;
                scope.spawn(move || {
                    let mut rev = None;
                    for edit in 0..EDITS {
                        let body = format!("{{\"edit\":{edit}}}");
                        let busy = put(&format!("busy-{writer}"), rev, &body);
                        rev = Some(write_one(database, busy).unwrap());
                        let new = put(&format!("new-{writer}-{edit:04}"), None, &body);
                        write_one(database, new).unwrap();
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while writing.load(Ordering::Relaxed) {
                check_snapshot(&database);
            }
        });
        let compactions = scope.spawn(|| {
            let mut times = 0;
            while writing.load(Ordering::Relaxed) {
                database.compact(&mut |_, _| {}).unwrap();
                times += 1;
            }
            times
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        writing.store(false, Ordering::Relaxed);
        assert!(compactions.join().unwrap() > 0);
    });
    assert_eq!(database.info().unwrap().doc_count, WRITERS * (EDITS + 1));
    assert_eq!(database.update_seq().seq.0 % 2, 0, "two sequences for each pair of edits");
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
    store.close();
}

fn check_snapshot(database: &Database) {
    let everything = IdRange { start: None, end: None, direction: Direction::Ascending };
    database
        .read(|snapshot| {
            let heads = snapshot.heads(&everything, 0, usize::MAX)?;
            assert_eq!(heads.len() as u64, snapshot.counts()?.0);
            let changes = snapshot.changes(Seq(0), Direction::Ascending, usize::MAX)?;
            assert_eq!(changes.len(), heads.len());
            assert_eq!(snapshot.changes_after(Seq(0))?, heads.len() as u64);
            Ok::<_, Error>(())
        })
        .unwrap();
}

#[test]
fn many_writers_share_commits_and_each_hears_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { writer_threads: 2, ..options() };
    let store = Store::open(folder.path(), &options).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    for number in 0..500 {
        let sender = sender.clone();
        let edits = vec![put(&format!("doc-{number}"), None, "{}"), put("same", None, "{}")];
        database.submit(edits, NOW, move |outcome| {
            let outcome = outcome.unwrap();
            sender.send((outcome[0].is_ok(), outcome[1].is_ok())).unwrap();
        });
    }
    drop(sender);
    let outcomes: Vec<_> = receiver.iter().collect();
    assert_eq!(outcomes.len(), 500);
    assert!(outcomes.iter().all(|(own, _)| *own));
    assert_eq!(outcomes.iter().filter(|(_, same)| *same).count(), 1);
    store.close();
    assert!(matches!(database.write(vec![put("late", None, "{}")], NOW), Err(Error::Closing)));
}

#[test]
fn writers_that_commit_on_their_own_threads_leave_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let threads = Options { writer_threads: 2, ..options() };
    let store = Store::open(folder.path(), &threads).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (database, sender) = (&database, sender.clone());
            scope.spawn(move || {
                for number in 0..200 {
                    let edits = vec![put(&format!("{writer}-{number}"), None, "{}")];
                    let sender = sender.clone();
                    let done = move |outcome: Result<Vec<Result<RevId, EditError>>, Error>| {
                        sender.send(outcome.unwrap().remove(0).is_ok()).unwrap();
                    };
                    match (writer + number) % 3 {
                        0 => database.submit(edits, NOW, done),
                        _ => database.submit_here(edits, NOW, done),
                    }
                }
            });
        }
    });
    drop(sender);
    // Ends only when every one of them was told.
    assert_eq!(receiver.iter().filter(|written| *written).count(), 800);
    assert_eq!(database.info().unwrap().doc_count, 800);
    // With no other thread that could be at work, it is committed before the call returns.
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let edits = vec![put("alone", None, "{}")];
    database.submit_here(edits, NOW, move |outcome| sender.send(outcome.unwrap()).unwrap());
    assert!(receiver.try_recv().unwrap()[0].is_ok());
}

#[test]
fn changed_design_documents_are_another_version() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let first = database.designs_version();
    write_one(&database, put("a", None, "{}")).unwrap();
    assert_eq!(database.designs_version(), first);
    let rev = write_one(&database, put("_design/a", None, "{}")).unwrap();
    let second = database.designs_version();
    assert_ne!(second, first);
    let purge = Purge { id: "_design/a".parse().unwrap(), revs: vec![rev] };
    database.purge(vec![purge]).unwrap();
    assert_ne!(database.designs_version(), second);
}

#[test]
fn copies_are_restored_as_a_new_history() {
    let (folder, scratch, copies) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(folder.path(), &options()).unwrap();
    let name = "db".parse().unwrap();
    let database = store.create(&name, NOW).unwrap();
    let mut edit = put("x", None, "{\"a\":1.0}");
    edit.attachments =
        vec![attach(&database, "small", b"s"), attach(&database, "large", &[9; 200_000])];
    write_one(&database, edit).unwrap();
    let mut files = Vec::new();
    database
        .copy(scratch.path(), |file, path| {
            let copy = copies.path().join(file.name());
            std::fs::copy(path, &copy).map_err(|source| Error::Io { action: "copy", source })?;
            files.push((file, copy));
            Ok::<_, Error>(())
        })
        .unwrap();
    assert!(matches!(files[..], [(CopyFile::Main, _), (CopyFile::Attachment(_), _)]));
    assert!(files_below(scratch.path()).is_empty());

    let target = tempfile::tempdir().unwrap();
    let restore = Restore::begin(target.path()).unwrap();
    for (file, copy) in &files {
        std::fs::copy(copy, restore.place(database.uuid(), *file).unwrap()).unwrap();
    }
    restore.adopt(database.uuid(), &name, NOW).unwrap();
    drop(restore);
    assert!(matches!(Restore::begin(target.path()), Err(OpenError::NotEmpty { .. })));
    let restored = Store::open(target.path(), &options()).unwrap().database(&name).unwrap();
    assert_eq!(restored.uuid(), database.uuid());
    assert_ne!(restored.update_seq().epoch, database.update_seq().epoch);
    assert_eq!(restored.update_seq().seq, Seq(1));
    assert_eq!(attachments(&restored, "x"), attachments(&database, "x"));
    assert_eq!(restored.verify().unwrap(), Vec::<String>::new());
}

#[test]
fn damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let mut edit = put("x", None, "{}");
    edit.attachments = vec![attach(&database, "large", &[9; 200_000])];
    write_one(&database, edit).unwrap();
    let attachments = folder.path().join("databases").join(database.uuid().to_string()).join("att");
    let shard = attachments.read_dir().unwrap().next().unwrap().unwrap().path();
    let file = shard.read_dir().unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, vec![8; 200_000]).unwrap();
    assert_eq!(database.verify().unwrap().len(), 1);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(database.verify().unwrap().len(), 1);
}

#[test]
fn counts_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let before = store.activity();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let first = put("a", None, "{}");
    let with_attachment = store::Edit {
        attachments: vec![attach(&database, "note", b"twelve bytes")],
        ..put("b", None, "{}")
    };
    let conflict = put("a", None, "{}");
    let outcomes = database.write(vec![first, with_attachment, conflict], NOW).unwrap();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
    database.write_local("_local/x".parse().unwrap(), 0, Some("{}".into())).unwrap();
    assert_eq!(attachments(&database, "b").len(), 1);
    let after = store.activity();
    assert_eq!(after.commits - before.commits, 2);
    assert_eq!(after.documents_written - before.documents_written, 2);
    assert_eq!(after.locals_written - before.locals_written, 1);
    assert_eq!(after.documents_read - before.documents_read, 1);
    assert_eq!(after.attachment_bytes_written - before.attachment_bytes_written, 12);
    assert_eq!(after.databases_opened - before.databases_opened, 1);
    assert_eq!(after.databases_open, 1);
}
