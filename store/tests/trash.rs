//! Databases that go and come back, under names that change.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use store::{Database, DbName, DbUuid, EditError, Error, Millis, RevId, Store};
use support::{files_below, options, put};

const NOW: Millis = Millis(1_700_000_000_000);

fn write_one(database: &Database, edit: store::Edit) -> Result<RevId, EditError> {
    database.write(vec![edit], NOW).unwrap().remove(0)
}

#[test]
fn a_deleted_database_can_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let notes: DbName = "notes".parse().unwrap();
    let first = store.create(&notes, NOW).unwrap();
    write_one(&first, put("x", None, "{}")).unwrap();
    let seq = first.update_seq();
    store.set_aside(first.uuid(), NOW).unwrap();
    assert!(first.is_deleted() && store.database(&notes).is_none());
    assert!(matches!(store.set_aside(first.uuid(), NOW), Err(Error::NoDatabase)));
    let second = store.create(&notes, NOW).unwrap();
    assert!(matches!(store.restore(first.uuid(), &notes), Err(Error::DatabaseExists(_))));
    let again = store.create_as(first.uuid(), &"other".parse().unwrap(), false, NOW);
    assert!(matches!(again, Err(Error::DatabaseExists(_))));
    store.close();
    let uuid = first.uuid();
    drop((store, first, second));

    let store = Store::open(folder.path(), &options()).unwrap();
    let [trashed] = &store.trash().unwrap()[..] else { panic!("one is in the trash") };
    assert_eq!((trashed.uuid, &trashed.name, trashed.deleted), (uuid, &notes, Some(NOW)));
    assert!(trashed.bytes > 0);
    let back = store.restore(uuid, &notes.of_device("phone")).unwrap();
    assert_eq!((back.uuid(), back.update_seq()), (uuid, seq));
    assert_eq!(back.info().unwrap().doc_count, 1);
    assert_eq!(back.name().as_str(), "notes~phone");
    assert!(store.trash().unwrap().is_empty());
    let gone = store.restore(uuid, &"gone".parse().unwrap());
    assert!(matches!(gone, Err(Error::NoDatabase)));

    store.set_aside(uuid, NOW).unwrap();
    assert!(store.discard(uuid).unwrap());
    assert!(!store.discard(uuid).unwrap());
    assert!(!folder.path().join(format!("databases/deleted-{uuid}")).exists());
    assert_eq!(files_below(&folder.path().join("trash")), Vec::<String>::new());
    assert_eq!(store.databases().len(), 1);
}

/// Where the folder lies is what counts, whatever the catalog came to note.
#[test]
fn a_deletion_that_was_cut_short_is_one_or_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let databases = folder.path().join("databases");
    let notes: DbName = "notes".parse().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let database = store.create(&notes, NOW).unwrap();
    write_one(&database, put("x", None, "{}")).unwrap();
    let uuid = database.uuid();
    drop((store, database));
    let name = uuid.to_string();
    let (there, deleted) = (databases.join(&name), databases.join(format!("deleted-{name}")));

    std::fs::rename(&there, &deleted).unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    assert!(store.database_of(uuid).is_none());
    assert_eq!(store.trash().unwrap()[0].deleted, None);
    // It was on its way back.
    store.restore(uuid, &notes).unwrap();
    drop(store);
    std::fs::rename(&there, &deleted).unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    assert_eq!(store.trash().unwrap().len(), 1);
    drop(store);
    // It was on its way out for good.
    std::fs::rename(&deleted, folder.path().join("trash").join(&name)).unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    assert!(store.trash().unwrap().is_empty() && store.databases().is_empty());
    assert_eq!(files_below(&folder.path().join("trash")), Vec::<String>::new());
}

#[test]
fn databases_are_renamed_and_found_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    let [a, b]: [DbName; 2] = ["a", "b"].map(|name| name.parse().unwrap());
    let uuid = DbUuid([7; 16]);
    let database = store.create_as(uuid, &a, false, NOW).unwrap();
    let other = store.create(&b, NOW).unwrap();
    assert!(matches!(store.rename(uuid, &b), Err(Error::DatabaseExists(_))));
    store.delete(&b).unwrap();
    assert!(other.is_deleted());
    store.rename(uuid, &b).unwrap();
    assert_eq!(database.name(), b);
    assert!(store.database(&a).is_none());
    assert!(Arc::ptr_eq(&store.database(&b).unwrap(), &store.database_of(uuid).unwrap()));
    drop((store, database, other));
    let store = Store::open(folder.path(), &options()).unwrap();
    assert_eq!(store.database_of(uuid).unwrap().name(), b);
}
