//! Purges beside compaction, crashes and followers of the feed.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::Write as _;

use store::{
    Content, Database, Direction, DocId, Error, Lineage, Millis, NewAttachment, Purge, RevId, Seq,
    Store,
};
use support::{options, put};

const NOW: Millis = Millis(1_700_000_000_000);

fn write(database: &Database, edit: store::Edit) -> RevId {
    database.write(vec![edit], NOW).unwrap().remove(0).unwrap()
}

fn purge(database: &Database, id: &str, revs: &[&RevId]) -> Vec<RevId> {
    let revs = revs.iter().map(|rev| (*rev).clone()).collect();
    database.purge(vec![Purge { id: id.parse().unwrap(), revs }]).unwrap().remove(0)
}

fn is_there(database: &Database, id: &str) -> bool {
    let id: DocId = id.parse().unwrap();
    database.read(|snapshot| snapshot.tree(&id)).unwrap().is_some()
}

fn change_of(database: &Database, id: &str) -> Option<store::Change> {
    let changes = database.read(|s| s.changes(Seq(0), Direction::Ascending, usize::MAX)).unwrap();
    changes.into_iter().find(|change| change.id.as_str() == id)
}

#[test]
fn what_was_copied_and_then_purged_does_not_come_back() {
    const DOCS: usize = 2000;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let edits = (0..DOCS)
        .map(|number| put(&format!("doc-{number}"), None, &format!("{{\"secret\":{number}}}")));
    let revs = database.write(edits.collect(), NOW).unwrap();
    let revs: Vec<RevId> = revs.into_iter().map(Result::unwrap).collect();
    let mut branch = put("doc-1", None, "{}");
    branch.lineage = Lineage::Path(vec!["1-branch".parse().unwrap()]);
    write(&database, branch);
    let mut slices = 0;
    database
        .compact(&mut |_, _| {
            slices += 1;
            if slices > 1 {
                return;
            }
            // The first of these lie in the slice that was copied, the last in none yet.
            for number in [0, 1, 2, DOCS - 1] {
                assert_eq!(purge(&database, &format!("doc-{number}"), &[&revs[number]]).len(), 1);
            }
            write(&database, put("doc-2", None, "{\"again\":true}"));
        })
        .unwrap();
    assert!(slices > 1, "purged between slices");
    let check = |database: &Database| {
        assert_eq!(database.verify().unwrap(), Vec::<String>::new());
        assert_eq!(database.info().unwrap().doc_count, DOCS as u64 - 2);
        assert!(!is_there(database, "doc-0") && change_of(database, "doc-0").is_none());
        assert!(!is_there(database, &format!("doc-{}", DOCS - 1)));
        assert_eq!(change_of(database, "doc-1").unwrap().leaves[0].0.to_string(), "1-branch");
        assert_ne!(change_of(database, "doc-2").unwrap().leaves[0].0, revs[2]);
    };
    check(&database);
    store.close();
    drop((store, database));
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.database(&"db".parse().unwrap()).unwrap();
    check(&database);
    database.compact(&mut |_, _| {}).unwrap();
    check(&database);
    let mut file = Vec::new();
    for entry in
        folder.path().join("databases").join(database.uuid().to_string()).read_dir().unwrap()
    {
        let path = entry.unwrap().path();
        if path.is_file() {
            file.extend(std::fs::read(path).unwrap());
        }
    }
    let holds = |text: &str| file.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(holds("{\"secret\":3}") && !holds("{\"secret\":0}"), "nothing is left of its contents");
}

#[test]
fn a_purge_counts_moves_and_wakes() {
    let store = Store::in_memory(&options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let first = write(&database, put("x", None, "{\"n\":1}"));
    let second = write(&database, put("x", Some(first.clone()), "{\"n\":2}"));
    let mut branch = put("x", None, "{\"n\":3}");
    branch.lineage = Lineage::Path(vec!["2-b".parse().unwrap(), first.clone()]);
    let branch = write(&database, branch);
    assert_eq!(database.update_seq().seq, Seq(3));

    assert!(purge(&database, "x", &[&first]).is_empty(), "no leaf");
    assert!(purge(&database, "unknown", &[&first]).is_empty());
    assert_eq!(database.update_seq().seq, Seq(3), "nothing was purged");
    let woken = database.updated();
    assert_eq!(purge(&database, "x", &[&second, &second]), std::slice::from_ref(&second));
    event_listener::Listener::wait(woken);
    let change = change_of(&database, "x").unwrap();
    assert_eq!((change.seq, change.leaves), (Seq(4), vec![(branch.clone(), false)]));
    let tree = database.read(|s| s.tree(&"x".parse().unwrap())).unwrap().unwrap().tree;
    assert_eq!(tree.nodes().map(|node| &node.rev).collect::<Vec<_>>(), [&first, &branch]);

    let woken = database.updated();
    assert_eq!(purge(&database, "x", &[&branch]), [branch]);
    event_listener::Listener::wait(woken);
    assert!(change_of(&database, "x").is_none() && !is_there(&database, "x"));
    let info = database.info().unwrap();
    assert_eq!((info.doc_count, info.doc_del_count), (0, 0));
    assert_eq!((info.update_seq.seq, info.purge_seq.seq), (Seq(5), Seq(4)));
    assert_eq!((info.sizes.external, info.sizes.file), (0, 0));
    assert_eq!(database.read(|s| s.changes_after(Seq(0))).unwrap(), 0);

    // Replication may bring it back; its sequence is a new one.
    let mut back = put("x", None, "{\"n\":2}");
    back.lineage = Lineage::Path(vec![second.clone(), first]);
    assert_eq!(write(&database, back), second);
    assert_eq!(change_of(&database, "x").unwrap().seq, Seq(6));
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
}

#[test]
fn attachments_of_purged_documents_go_with_the_next_compaction() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let mut writer = database.stage(1 << 20, store::Intake::Plain).unwrap();
    writer.write_all(&[7; 100_000]).unwrap();
    let mut edit = put("x", None, "{}");
    let content = Content::Staged(writer.finish().unwrap());
    edit.attachments =
        vec![NewAttachment { name: "a".into(), content_type: None, revpos: None, content }];
    let rev = write(&database, edit);
    assert_eq!(purge(&database, "x", &[&rev]), [rev]);
    database.compact(&mut |_, _| {}).unwrap();
    assert!(database.info().unwrap().sizes.file < 100_000);
    let att = folder.path().join("databases").join(database.uuid().to_string()).join("att");
    for shard in att.read_dir().unwrap() {
        assert_eq!(shard.unwrap().path().read_dir().unwrap().count(), 0);
    }
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
}

#[test]
fn edits_and_purges_of_one_commit_are_decided_in_their_order() {
    let store = Store::in_memory(&store::Options { writer_threads: 1, ..options() }).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    let path = |rev: &str| {
        let mut edit = put("x", None, "{}");
        edit.lineage = Lineage::Path(vec![rev.parse().unwrap()]);
        edit
    };
    std::thread::scope(|scope| {
        for number in 0..50 {
            let (database, path) = (&database, &path);
            scope.spawn(move || {
                let rev = format!("1-{number}");
                write(database, path(&rev));
                let rev = rev.parse().unwrap();
                assert_eq!(purge(database, "x", &[&rev]), [rev]);
            });
        }
    });
    assert!(!is_there(&database, "x"));
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
    let purges = database.read(|snapshot| snapshot.purges(0, usize::MAX)).unwrap();
    assert_eq!(purges.len(), 50);
    assert_eq!(purges.last().unwrap().0, 50);
    store.close();
    let late = Purge { id: "x".parse().unwrap(), revs: vec![] };
    assert!(matches!(database.purge(vec![late]), Err(Error::Closing)));
}
