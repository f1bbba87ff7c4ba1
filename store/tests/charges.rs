//! Who is charged for what is stored.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use store::{Database, Edit, Lineage, Millis, Purge, RevId, Store};
use support::{options, put};

/// What a revision is charged beside its contents.
const REVISION: u64 = 128;

fn path(revs: &[&str]) -> Lineage {
    Lineage::Path(revs.iter().map(|rev| rev.parse().unwrap()).collect())
}

fn deliver(database: &Database, by: &str, id: &str, revs: &[&str], body: &str) {
    let edit = Edit { lineage: path(revs), ..put(id, None, body) };
    database.deliver(vec![edit], Millis(2), by).unwrap().remove(0).unwrap();
}

#[track_caller]
fn check(database: &Database, expected: &[(&str, u64)]) {
    let charges = database.charges().unwrap();
    assert_eq!(charges.iter().collect::<Vec<_>>(), expected);
    assert_eq!(charges.total(), expected.iter().map(|(_, bytes)| bytes).sum::<u64>());
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
}

#[test]
fn whoever_brings_a_revision_first_is_charged_until_it_is_stored_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&"shared".parse().unwrap(), Millis(1)).unwrap();
    check(&database, &[]);
    database.write(vec![put("own", None, r#"{"n":1}"#)], Millis(1)).unwrap();
    check(&database, &[]);
    deliver(&database, "anna", "a", &["1-a"], r#"{"n":1}"#);
    check(&database, &[("anna", 7 + REVISION)]);
    // Somebody else brings the same.
    deliver(&database, "bert", "a", &["1-a"], r#"{"n":1}"#);
    check(&database, &[("anna", 7 + REVISION)]);
    // An edit of Bert's; what Anna brought is stored until compaction.
    deliver(&database, "bert", "a", &["2-b", "1-a"], r#"{"n":22}"#);
    check(&database, &[("anna", 7 + REVISION), ("bert", 8 + REVISION)]);
    database.compact(&mut |_, _| {}).unwrap();
    check(&database, &[("bert", 8 + REVISION)]);
    // An edit of ours takes its place.
    let rev: RevId = "2-b".parse().unwrap();
    let edit = Edit { lineage: Lineage::Child(Some(rev)), ..put("a", None, r#"{"n":3}"#) };
    let rev = database.write(vec![edit], Millis(3)).unwrap().remove(0).unwrap();
    database.compact(&mut |_, _| {}).unwrap();
    check(&database, &[]);
    // Who is known stays known: the numbers in trees mean the same after all that.
    deliver(&database, "cleo", "c", &["1-c"], "{}");
    deliver(&database, "anna", "d", &["1-d"], "{}");
    check(&database, &[("anna", 2 + REVISION), ("cleo", 2 + REVISION)]);
    // A deletion counts little, and takes the place of what it deletes.
    let deletion = Edit { lineage: path(&["2-d", "1-d"]), deleted: true, ..put("d", None, "{}") };
    database.deliver(vec![deletion], Millis(4), "anna").unwrap().remove(0).unwrap();
    database.compact(&mut |_, _| {}).unwrap();
    check(&database, &[("anna", 2 + REVISION), ("cleo", 2 + REVISION)]);
    store.close();
    drop((store, database));

    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.database(&"shared".parse().unwrap()).unwrap();
    check(&database, &[("anna", 2 + REVISION), ("cleo", 2 + REVISION)]);
    let purge = |id: &str, rev: RevId| Purge { id: id.parse().unwrap(), revs: vec![rev] };
    let purges = vec![purge("c", "1-c".parse().unwrap()), purge("a", rev)];
    database.purge(purges).unwrap();
    check(&database, &[("anna", 2 + REVISION)]);
}

#[test]
fn what_somebody_else_writes_here_is_theirs() {
    let store = Store::in_memory(&options()).unwrap();
    let database = store.create(&"shared".parse().unwrap(), Millis(1)).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let done = move |edited| sender.send(edited).unwrap();
    database.submit_delivered(vec![put("a", None, "{}")], Millis(1), "anna", done);
    receiver.recv().unwrap().unwrap().remove(0).unwrap();
    check(&database, &[("anna", 2 + REVISION)]);
}
