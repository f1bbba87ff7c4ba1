//! Indexes of databases, on disk and in memory.

use std::path::PathBuf;

use super::*;
use crate::{Database, Millis, Options, Store};

const NOW: Millis = Millis(1_700_000_000_000);

struct Place {
    folder: tempfile::TempDir,
    store: Arc<Store>,
    database: Arc<Database>,
}

fn options(open_databases_max: usize) -> Options {
    Options { writer_threads: 0, open_databases_max, device: [7; 32] }
}

impl Place {
    fn new(open_max: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &options(open_max)).unwrap();
        let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
        Self { folder, store, database }
    }

    fn file(&self, index: &str) -> PathBuf {
        let databases = self.folder.path().join("databases");
        let folder = databases.join(self.database.uuid().to_string()).join("indexes");
        folder.join(format!("{index}.sqlite"))
    }
}

fn name(text: &str) -> IndexName {
    text.parse().unwrap()
}

fn put(index: &IndexFile, bytes: &[u8]) -> PageId {
    let put = |pages: &mut dyn PagesMut| {
        let id = pages.new_page()?;
        pages.put_page(id, bytes)?;
        pages.set_meta("root", &id.0.to_be_bytes())?;
        pages.put_document("doc", bytes)?;
        Ok::<_, Error>(id)
    };
    index.write(put).unwrap()
}

fn page(index: &IndexFile, id: PageId) -> Option<Vec<u8>> {
    let mut found = None;
    let read = |pages: &dyn Pages| pages.page(id, &mut |bytes| found = Some(bytes.to_vec()));
    let seen = index.read(read).unwrap();
    assert_eq!(seen, found.is_some());
    found
}

fn check_pages(database: &Database) {
    let index = database.index(&name("ab")).unwrap();
    let first = put(&index, b"one");
    let second = put(&index, &[7; 100_000]);
    assert_ne!(first, second);
    assert_eq!(page(&index, first).unwrap(), b"one");
    assert_eq!(page(&index, second).unwrap(), [7; 100_000]);
    assert_eq!(page(&index, PageId(u64::MAX)), None);
    let failed = index.write(|pages| {
        pages.put_page(first, b"two")?;
        pages.free_page(second)?;
        pages.remove_document("doc")?;
        Err::<(), _>(Error::Busy)
    });
    assert!(matches!(failed, Err(Error::Busy)));
    assert_eq!(page(&index, first).unwrap(), b"one");
    let look = |pages: &dyn Pages| {
        // A write by somebody else is not seen.
        std::thread::scope(|scope| scope.spawn(|| put(&index, b"three")).join().unwrap());
        assert_eq!(pages.document("doc")?.unwrap(), [7; 100_000]);
        assert_eq!(pages.meta("root")?.unwrap(), second.0.to_be_bytes());
        assert_eq!(pages.meta("other")?, None);
        Ok::<_, Error>(())
    };
    index.read(look).unwrap();
    let change = |pages: &mut dyn PagesMut| {
        pages.free_page(second)?;
        pages.put_page(first, b"two")?;
        pages.remove_document("doc")
    };
    index.write(change).unwrap();
    assert_eq!(page(&index, first).unwrap(), b"two");
    assert_eq!(page(&index, second), None);
    assert_eq!(index.read(|pages| pages.document("doc")).unwrap(), None);

    assert_eq!(database.indexes().unwrap(), [name("ab")]);
    database.remove_index(&name("ab")).unwrap();
    assert!(matches!(index.read(|pages| pages.meta("root")), Err(Error::Busy)));
    assert!(database.indexes().unwrap().is_empty());
    let index = database.index(&name("ab")).unwrap();
    assert_eq!(page(&index, first), None);
}

#[test]
fn pages_on_disk() {
    check_pages(&Place::new(4).database);
}

#[test]
fn pages_in_memory() {
    let store = Store::in_memory(&options(4)).unwrap();
    check_pages(&store.create(&"db".parse().unwrap(), NOW).unwrap());
}

#[test]
fn an_index_outlives_the_store_that_made_it() {
    let place = Place::new(4);
    let id = put(&place.database.index(&name("ab")).unwrap(), b"kept");
    let Place { folder, store, database } = place;
    store.close();
    let file = database.index(&name("ab")).unwrap();
    assert!(matches!(file.write(|_| Ok::<_, Error>(())), Err(Error::Closing)));
    drop((store, database, file));
    let store = Store::open(folder.path(), &options(4)).unwrap();
    let database = store.database(&"db".parse().unwrap()).unwrap();
    assert_eq!(page(&database.index(&name("ab")).unwrap(), id).unwrap(), b"kept");
}

#[test]
fn what_cannot_be_right_starts_anew() {
    let place = Place::new(4);
    let garbage: [&dyn Fn(&Path); 5] = [
        &|file| std::fs::write(file, b"").unwrap(),
        &|file| std::fs::write(file, b"no database at all, and longer than nothing").unwrap(),
        &|file| std::fs::write(file, [0x5a; 100_000]).unwrap(),
        &|file| {
            let connection = rusqlite::Connection::open(file).unwrap();
            connection.pragma_update(None, "user_version", disk::FORMAT + 1).unwrap();
        },
        &|file| {
            let bytes = std::fs::read(file).unwrap();
            std::fs::write(file, &bytes[..bytes.len() / 2 + 100]).unwrap();
        },
    ];
    for spoil in garbage {
        let id = put(&place.database.index(&name("ab")).unwrap(), &[1; 50_000]);
        assert!(place.database.close_if_idle().unwrap());
        spoil(&place.file("ab"));
        // Some damage shows only at the page that has it.
        for _ in 0..2 {
            let Ok(index) = place.database.index(&name("ab")) else { continue };
            let _shows = index.read(|pages| pages.page(id, &mut |_| ()));
            let _shows = index.read(|pages| pages.meta("root"));
        }
        let index = place.database.index(&name("ab")).unwrap();
        assert_eq!(index.read(|pages| pages.meta("root")).unwrap(), None);
    }
    let index = place.database.index(&name("ab")).unwrap();
    let id = put(&index, b"distrusted");
    index.distrust();
    assert_eq!(page(&index, id), None);
}

#[test]
fn a_deleted_database_takes_its_indexes_along() {
    let place = Place::new(4);
    let index = place.database.index(&name("ab")).unwrap();
    put(&index, b"x");
    assert!(place.file("ab").exists());
    place.store.delete(&place.database.name()).unwrap();
    assert!(!place.file("ab").exists());
    assert!(matches!(index.read(|pages| pages.meta("root")), Err(Error::Busy)));
    assert!(matches!(place.database.index(&name("ab")), Err(Error::NoDatabase)));
}

#[test]
fn files_are_open_only_while_they_are_used() {
    let place = Place::new(2);
    let digits = "0123456789abcdef";
    let indexes: Vec<_> =
        (0..16).map(|digit| place.database.index(&name(&digits[digit..=digit])).unwrap()).collect();
    let open = || indexes.iter().filter(|index| index.is_open()).count();
    assert_eq!(open(), 2);
    place.store.close_unused_indexes();
    assert_eq!(open(), 2, "they were used since the last call");
    indexes[0].read(|pages| pages.meta("root")).unwrap();
    place.store.close_unused_indexes();
    assert!(indexes[0].is_open());
    assert_eq!(open(), 1);
    place.store.close_unused_indexes();
    assert_eq!(open(), 0);
    put(&indexes[3], b"x");
    assert_eq!(open(), 1);
    assert!(place.database.close_if_idle().unwrap());
    assert_eq!(open(), 0);
    assert_eq!(place.database.indexes().unwrap().len(), 16);
}

#[test]
fn sizes_count_indexes() {
    let place = Place::new(2);
    let before = place.database.info().unwrap().sizes;
    let index = place.database.index(&name("ab")).unwrap();
    put(&index, &[1; 100_000]);
    let after = place.database.info().unwrap().sizes;
    assert!(after.file >= before.file + 100_000);
    assert!(after.active >= before.active + 100_000);
    assert!(index.bytes_on_disk() >= 100_000);
    assert!(index.scratch().unwrap().is_some());
}

#[test]
fn damage_is_found_and_left_alone() {
    let place = Place::new(4);
    let sound = |_: &Path| Vec::new();
    assert_eq!(place.database.verify_indexes(sound).unwrap(), Vec::<String>::new());
    let index = place.database.index(&name("ab")).unwrap();
    put(&index, &[7; 100_000]);
    place.database.search_index(&name("cd")).unwrap().write(|_| Ok::<_, Error>(())).unwrap();
    assert_eq!(place.database.verify_indexes(sound).unwrap(), Vec::<String>::new());
    let torn = |path: &Path| {
        assert!(path.is_dir());
        vec!["torn".to_owned()]
    };
    assert_eq!(place.database.verify_indexes(torn).unwrap(), ["index cd: torn"]);
    place.store.close();

    let file = place.file("ab");
    let length = file.metadata().unwrap().len();
    for damage in [vec![0xa5; length as usize], b"short".to_vec(), vec![0; 5000]] {
        std::fs::write(&file, &damage).unwrap();
        let findings = place.database.verify_indexes(sound).unwrap();
        assert!(findings.iter().all(|finding| finding.starts_with("index ab: ")), "{findings:?}");
        assert!(!findings.is_empty());
        assert_eq!(std::fs::read(&file).unwrap(), damage);
    }
}
