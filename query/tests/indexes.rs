//! Indexes on disk: kept, taken back, and begun again where they are damaged.

#![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

use std::io::{Seek as _, SeekFrom, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use query::Collation;
use query::index::reduce::Builtin;
use query::index::{
    Builder, DocRows, Emitted, IndexError, Progress, Range, Reduce, View, apply_batch, progress,
    tree,
};
use store::{Database, Direction, IndexFile, Millis, Options, Pages, Store};

const REDUCERS: [&dyn Reduce; 2] = [&Builtin::Sum, &Builtin::Stats];
const VIEWS: [View<'_>; 1] = [View { collation: Collation::Standard, reducers: &REDUCERS }];

struct Place {
    folder: tempfile::TempDir,
    store: Arc<Store>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        store.create(&"db".parse().unwrap(), Millis(0)).unwrap();
        Self { folder, store }
    }

    fn database(&self) -> Arc<Database> {
        self.store.database(&"db".parse().unwrap()).unwrap()
    }

    fn index(&self) -> Arc<IndexFile> {
        self.database().index(&"0a".parse().unwrap()).unwrap()
    }

    fn file(&self) -> PathBuf {
        let databases = self.folder.path().join("databases");
        databases.join(self.database().uuid().to_string()).join("indexes/0a.sqlite")
    }
}

fn open(folder: &Path) -> Arc<Store> {
    let options = Options { writer_threads: 0, open_databases_max: 4, device: [7; 32] };
    Store::open(folder, &options).unwrap()
}

fn documents(count: u32) -> Vec<DocRows> {
    let document = |number: u32| {
        let key = format!("[{},\"{number}\"]", number % 7);
        let row = Emitted { view: 0, key, value: number.to_string() };
        DocRows { id: format!("doc-{number}"), rows: vec![row] }
    };
    (0..count).map(document).collect()
}

fn rows(index: &IndexFile) -> Result<Vec<String>, IndexError> {
    index.read(|pages| {
        let mut rows = Vec::new();
        let mut show = |row: &query::index::Row<'_>| {
            rows.push(format!("{} {} {}", row.key, row.id, row.value));
            ControlFlow::Continue(())
        };
        let tree = tree(pages, 0, VIEWS[0])?;
        tree.range(pages, &Range::all(), Direction::Ascending, (0, u64::MAX), &mut show)?;
        Ok(rows)
    })
}

fn sum(index: &IndexFile) -> String {
    let look = |pages: &dyn Pages| {
        let sum = tree(pages, 0, VIEWS[0])?.reduce(pages, &Range::all(), 0)?;
        Ok::<_, IndexError>(Builtin::Sum.finish(&sum.unwrap())?)
    };
    index.read(look).unwrap()
}

#[test]
fn batches_and_builds_outlive_the_process() {
    let to = Progress { update_seq: 20_000, purge_seq: 3 };
    let all = documents(20_000);
    let built = Place::new();
    let mut builder = Builder::new(&built.index(), &VIEWS).unwrap();
    all.iter().for_each(|document| builder.add(document).unwrap());
    built.index().write(|pages| builder.finish(pages, to)).unwrap();
    let grown = Place::new();
    for batch in all.chunks(3000) {
        grown.index().write(|pages| apply_batch(pages, &VIEWS, batch, to)).unwrap();
    }
    let expected = rows(&built.index()).unwrap();
    assert_eq!(expected.len(), 20_000);
    for Place { folder, store } in [built, grown] {
        store.close();
        drop(store);
        let place = Place { store: open(folder.path()), folder };
        assert_eq!(place.index().read(|pages| progress(pages)).unwrap(), Some(to));
        assert_eq!(rows(&place.index()).unwrap(), expected);
        assert_eq!(sum(&place.index()), (0..20_000_u32).sum::<u32>().to_string());
    }
}

#[test]
fn a_batch_that_fails_leaves_nothing() {
    let place = Place::new();
    let (first, mut second) = (documents(500), documents(1000));
    let to = |update_seq| Progress { update_seq, purge_seq: 0 };
    place.index().write(|pages| apply_batch(pages, &VIEWS, &first, to(1))).unwrap();
    let before = rows(&place.index()).unwrap();
    second[999].rows[0].key = "no JSON".into();
    let failed = place.index().write(|pages| apply_batch(pages, &VIEWS, &second, to(2)));
    assert!(matches!(failed, Err(IndexError::Key(_))));
    assert_eq!(rows(&place.index()).unwrap(), before);
    assert_eq!(place.index().read(|pages| progress(pages)).unwrap(), Some(to(1)));
}

#[test]
fn a_damaged_index_is_noticed_and_made_again() {
    let place = Place::new();
    let all = documents(5000);
    let to = Progress { update_seq: 1, purge_seq: 0 };
    let mut noticed = 0;
    for round in 0..12 {
        place.index().write(|pages| apply_batch(pages, &VIEWS, &all, to)).unwrap();
        let expected = rows(&place.index()).unwrap();
        assert_eq!(expected.len(), 5000);
        place.store.close_unused_indexes();
        place.store.close_unused_indexes();
        let mut file = std::fs::File::options().write(true).open(place.file()).unwrap();
        file.seek(SeekFrom::Start(4096 * (3 * round))).unwrap();
        file.write_all(&[0xa5; 12_000]).unwrap();
        drop(file);
        if place.index().read(|pages| progress(pages)).is_ok_and(|progress| progress.is_none()) {
            // Its first page could not be read: it began again when it was opened.
            noticed += 1;
            continue;
        }
        let again = || place.index().write(|pages| apply_batch(pages, &VIEWS, &all, to));
        match rows(&place.index()).and_then(|rows| again().map(|()| rows)) {
            // What was hit is in no use, or only for documents that are not there.
            Ok(rows) => assert_eq!(rows, expected),
            Err(error) => {
                noticed += 1;
                assert!(matches!(error, IndexError::Damaged(_) | IndexError::Store(_)), "{error}");
            }
        }
        place.index().distrust();
        assert_eq!(place.index().read(|pages| progress(pages)).unwrap(), None, "{round}");
    }
    assert!(noticed >= 10, "{noticed}");
}
