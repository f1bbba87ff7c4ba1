//! An index is what its documents emit, however it came to be.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;
use store::{Direction, IndexFile, MemoryPages, Millis, Options, Store};

use super::rows::Placed;
use super::*;
use crate::index::reduce::Builtin;
use crate::index::{Range, Row};

const REDUCERS: [&dyn Reduce; 2] = [&Builtin::Sum, &Builtin::Count];

const VIEWS: [View<'_>; 2] = [
    View { collation: Collation::Standard, reducers: &REDUCERS },
    View { collation: Collation::Raw, reducers: &[] },
];

type Said = (String, String, String);

fn rows(pages: &dyn Pages, view: usize) -> Vec<Said> {
    let mut rows = Vec::new();
    let mut show = |row: &Row<'_>| {
        rows.push((row.key.into(), row.id.clone().into_owned(), row.value.into()));
        ControlFlow::Continue(())
    };
    let tree = tree(pages, view, VIEWS[view]).unwrap();
    tree.range(pages, &Range::all(), Direction::Ascending, (0, u64::MAX), &mut show).unwrap();
    rows
}

/// What a view has, by the documents alone.
fn expected(documents: &BTreeMap<String, Vec<Emitted>>, view: usize) -> Vec<Said> {
    let mut rows = Vec::new();
    for (id, emitted) in documents {
        for emitted in emitted.iter().filter(|emitted| emitted.view == view) {
            let key = CollationKey::of_json(&emitted.key, VIEWS[view].collation).unwrap();
            rows.push((key, (emitted.key.clone(), id.clone(), emitted.value.clone())));
        }
    }
    // Equal keys of one document stay in the order of emission, and documents are in order.
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn emitted() -> impl Strategy<Value = Emitted> {
    let key = prop_oneof![
        (0..5_u32).prop_map(|number| number.to_string()),
        (0..3_u32).prop_map(|number| format!("{number}.0")),
        "[abA]{0,2}".prop_map(|text| format!("[\"{text}\"]")),
        "[abA]{0,2}".prop_map(|text| format!("\"{text}\"")),
    ];
    (0..2_usize, key, 0..9_u32).prop_map(|(view, key, value)| Emitted {
        view,
        key,
        value: value.to_string(),
    })
}

fn document() -> impl Strategy<Value = DocRows> {
    ("[a-f]\u{0}?[a-c]?", prop::collection::vec(emitted(), 0..6))
        .prop_map(|(id, rows)| DocRows { id, rows })
}

fn index() -> (Arc<Store>, Arc<IndexFile>) {
    let options = Options { writer_threads: 0, open_databases_max: 4, device: [7; 32] };
    let store = Store::in_memory(&options).unwrap();
    let database = store.create(&"db".parse().unwrap(), Millis(0)).unwrap();
    let index = database.index(&"ab".parse().unwrap()).unwrap();
    (store, index)
}

proptest! {
    #[test]
    fn batches_come_to_what_the_documents_emit(
        batches in prop::collection::vec(prop::collection::vec(document(), 0..12), 1..8),
    ) {
        let mut pages = MemoryPages::default();
        let mut documents = BTreeMap::new();
        for (number, batch) in batches.iter().enumerate() {
            let to = Progress { update_seq: number as u64, purge_seq: 7 };
            apply_batch(&mut pages, &VIEWS, batch, to).unwrap();
            prop_assert_eq!(progress(&pages).unwrap(), Some(to));
            for document in batch {
                documents.insert(document.id.clone(), document.rows.clone());
            }
            for (view, definition) in VIEWS.into_iter().enumerate() {
                let expected = expected(&documents, view);
                prop_assert_eq!(rows(&pages, view), expected.clone());
                for document in documents.keys() {
                    let of_it = expected.iter().filter(|(_, id, _)| id == document);
                    let of_it: Vec<_> =
                        of_it.map(|(key, _, value)| (key.clone(), value.clone())).collect();
                    prop_assert_eq!(rows_of(&pages, view, definition, document).unwrap(), of_it);
                }
            }
        }

        let (_store, index) = index();
        let mut builder = Builder::new(&index, &VIEWS).unwrap();
        for (id, rows) in &documents {
            builder.add(&DocRows { id: id.clone(), rows: rows.clone() }).unwrap();
        }
        let to = Progress { update_seq: 9, purge_seq: 0 };
        index.write(|pages| builder.finish(pages, to)).unwrap();
        let look = |built: &dyn Pages| {
            for (view, definition) in VIEWS.into_iter().enumerate() {
                assert_eq!(rows(built, view), rows(&pages, view));
                let (one, other) = (tree(built, view, definition)?, tree(&pages, view, definition)?);
                for function in 0..definition.reducers.len() {
                    let all = Range::all();
                    let reduced = other.reduce(&pages, &all, function)?;
                    assert_eq!(one.reduce(built, &all, function)?, reduced);
                }
            }
            for id in documents.keys() {
                assert_eq!(built.document(id)?, pages.document(id)?, "{id}");
            }
            Ok::<_, IndexError>(())
        };
        index.read(look).unwrap();
    }
}

fn one(id: &str, key: &str) -> DocRows {
    let row = Emitted { view: 0, key: key.into(), value: "1".into() };
    DocRows { id: id.into(), rows: vec![row] }
}

#[test]
fn a_build_is_from_nothing_and_of_each_document_once() {
    let (_store, index) = index();
    let build = |documents: &[DocRows]| {
        let mut builder = Builder::new(&index, &VIEWS).unwrap();
        for document in documents {
            builder.add(document).unwrap();
        }
        index.write(|pages| builder.finish(pages, Progress::default()))
    };
    let twice = build(&[one("a", "1"), one("b", "1"), one("a", "2")]);
    assert!(matches!(twice, Err(IndexError::NotANewBuild)));
    build(&[one("a", "1"), one("b", "1")]).unwrap();
    assert!(matches!(build(&[one("c", "1")]), Err(IndexError::NotANewBuild)));
    assert_eq!(index.read(|pages| Ok::<_, IndexError>(rows(pages, 0))).unwrap().len(), 2);
}

#[test]
fn what_cannot_be_indexed_is_refused() {
    let mut pages = MemoryPages::default();
    let mut apply =
        |document: DocRows| apply_batch(&mut pages, &VIEWS, &[document], Progress::default());
    assert!(matches!(apply(one("a", "[")), Err(IndexError::Key(_))));
    let mut stray = one("a", "1");
    stray.rows[0].view = 2;
    assert!(matches!(apply(stray), Err(IndexError::NoView(2))));
}

#[test]
fn what_cannot_have_been_written_is_damage() {
    let mut pages = MemoryPages::default();
    apply_batch(&mut pages, &VIEWS, &[one("a", "1")], Progress::default()).unwrap();
    let emitted = Emitted { view: 7, key: "1".into(), value: "1".into() };
    let row = Placed { view: 7, key: vec![1], duplicate: 0 };
    pages.put_document("a", &encode_rows(&[(row, &emitted)])).unwrap();
    let applied = apply_batch(&mut pages, &VIEWS, &[one("a", "2")], Progress::default());
    assert!(matches!(applied, Err(IndexError::Damaged(_))), "{applied:?}");
    for builtin in [Builtin::Sum, Builtin::Stats, Builtin::ApproxCountDistinct, Builtin::Top(2)] {
        let reduced = builtin.rereduce(&[&[0xff, 1], &[0xff]]).map_err(IndexError::from);
        assert!(matches!(reduced, Err(IndexError::Damaged(_))), "{builtin:?} {reduced:?}");
    }
}

#[test]
fn keys_of_another_version_are_damage() {
    let mut pages = MemoryPages::default();
    apply_batch(&mut pages, &VIEWS, &[], Progress::default()).unwrap();
    pages.set_meta(PROGRESS, &[99, 0, 0]).unwrap();
    assert!(matches!(progress(&pages), Err(IndexError::Damaged(_))));
    pages.set_meta(PROGRESS, &[1]).unwrap();
    assert!(matches!(progress(&pages), Err(IndexError::Damaged(_))));
}
