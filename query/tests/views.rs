//! Views kept in step with their documents, whatever happens to those.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;
use query::Limits;
use query::design::Views;
use query::index::{Collation, Range, View, tree};
use query::view::{Reducers, Update, ViewError};
use serde_json::json;
use store::{
    Database, Direction, Edit, Error, IndexFile, Lineage, Millis, Options, Purge, RevId, Store,
};

const NOW: Millis = Millis(1_700_000_000_000);

fn database() -> (tempfile::TempDir, Arc<Store>, Arc<Database>) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { writer_threads: 0, open_databases_max: 2, device: [7; 32] };
    let store = Store::open(folder.path(), &options).unwrap();
    let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
    (folder, store, database)
}

fn design() -> Views {
    let design = json!({"views": {
        "by_type": {"map": "function (doc) { emit(doc.type, doc.n); }", "reduce": "_sum"},
        "by_tag": {
            "map": "function (doc) {
                for (var tag of doc.tags || []) emit([doc.type, tag], null);
                if (doc._conflicts) emit('conflict', doc._conflicts.length);
            }",
            "reduce": "function (keys, values, rereduce) {
                return rereduce ? sum(values) : values.length;
            }",
        },
        "raw": {
            "map": "function (doc) { emit(doc, doc._id); }",
            "options": {"collation": "raw"},
        },
    }});
    Views::parse(&design.to_string(), false).unwrap()
}

fn update(database: &Database, file: &IndexFile, views: &Views) -> Result<(), ViewError> {
    Update {
        database,
        file,
        views,
        limits: &Limits::default(),
        log: |_| {},
        wanted: &|| true,
        progress: &|_, _| {},
    }
    .run()
}

/// Every row of every view, and what the reduce functions make of them.
fn contents(file: &IndexFile, views: &Views) -> Vec<String> {
    let reducers = Reducers::new(views, &Limits::default(), |_| {}).unwrap();
    let mut contents = Vec::new();
    file.read(|pages| {
        for (number, definition) in views.trees.iter().enumerate() {
            let reducers = reducers.of_tree(number);
            let collation = if definition.raw { Collation::Raw } else { Collation::Standard };
            let tree = tree(pages, number, View { collation, reducers: &reducers })?;
            let all = (0, u64::MAX);
            tree.range(pages, &Range::all(), Direction::Ascending, all, &mut |row| {
                contents.push(format!("{number} {} {} {}", row.key, row.id, row.value));
                ControlFlow::Continue(())
            })?;
            for function in 0..reducers.len() {
                let reduced = tree.reduce(pages, &Range::all(), function)?;
                let reduced = reduced.map(|reduced| tree.finish(function, &reduced)).transpose()?;
                contents.push(format!("{number} reduced {reduced:?}"));
            }
        }
        Ok::<_, ViewError>(())
    })
    .unwrap();
    contents
}

/// Something that happens to the documents, or to the index.
#[derive(Clone, Debug)]
enum Event {
    Edit(u8, u8),
    Delete(u8),
    Conflict(u8, u8),
    Purge(u8),
    Compact,
    Update,
    Lose,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..6_u8, 0..9_u8).prop_map(|(id, n)| Event::Edit(id, n)),
        2 => (0..6_u8).prop_map(Event::Delete),
        2 => (0..6_u8, 0..9_u8).prop_map(|(id, n)| Event::Conflict(id, n)),
        1 => (0..6_u8).prop_map(Event::Purge),
        1 => Just(Event::Compact),
        4 => Just(Event::Update),
        1 => Just(Event::Lose),
    ]
}

fn body(n: u8) -> String {
    let tags: Vec<String> = (0..n % 4).map(|tag| format!("t{}", (tag + n) % 5)).collect();
    json!({"type": format!("type{}", n % 3), "n": n, "tags": tags}).to_string()
}

fn winner(database: &Database, id: &str) -> Option<RevId> {
    let id = id.parse().unwrap();
    let head = database.read::<_, Error>(|snapshot| snapshot.head(&id)).unwrap();
    head.filter(|head| !head.deleted).map(|head| head.rev)
}

fn write(database: &Database, id: &str, lineage: Lineage, deleted: bool, body: &str) {
    let edit = Edit {
        id: id.parse().unwrap(),
        lineage,
        deleted,
        body: body.into(),
        attachments: Vec::new(),
    };
    // A refusal is as good as nothing happening.
    let _refused = database.write(vec![edit], NOW).unwrap();
}

fn happen(event: &Event, database: &Database, file: &IndexFile, views: &Views) {
    let name = |id: &u8| format!("doc{id}");
    match event {
        Event::Edit(id, n) => {
            let base = winner(database, &name(id));
            write(database, &name(id), Lineage::Child(base), false, &body(*n));
        }
        Event::Delete(id) => {
            if let Some(base) = winner(database, &name(id)) {
                write(database, &name(id), Lineage::Child(Some(base)), true, "{}");
            }
        }
        Event::Conflict(id, n) => {
            let rev = format!("1-{:032x}", 7 + u32::from(*n)).parse().unwrap();
            write(database, &name(id), Lineage::Path(vec![rev]), false, &body(*n));
        }
        Event::Purge(id) => {
            if let Some(rev) = winner(database, &name(id)) {
                let purge = Purge { id: name(id).parse().unwrap(), revs: vec![rev] };
                database.purge(vec![purge]).unwrap();
            }
        }
        Event::Compact => database.compact(&mut |_, _| {}).unwrap(),
        Event::Update => update(database, file, views).unwrap(),
        Event::Lose => file.distrust(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn an_index_kept_in_step_is_one_made_from_nothing(
        events in proptest::collection::vec(event(), 1..40),
    ) {
        let (_folder, _store, database) = database();
        let views = design();
        let file = database.index(&views.signature).unwrap();
        for event in &events {
            happen(event, &database, &file, &views);
        }
        update(&database, &file, &views).unwrap();
        let fresh = database.index(&"00".parse().unwrap()).unwrap();
        update(&database, &fresh, &views).unwrap();
        prop_assert_eq!(contents(&file, &views), contents(&fresh, &views));
    }
}

#[test]
fn many_documents_are_mapped_while_others_are_written() {
    let (_folder, _store, database) = database();
    let views = design();
    let file = database.index(&views.signature).unwrap();
    let put = |from: u32, until: u32| {
        for id in from..until {
            let body = body(u8::try_from(id % 9).unwrap());
            write(&database, &format!("doc{id:05}"), Lineage::Child(None), false, &body);
        }
    };
    put(0, 1200);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| put(1200, 1500));
        update(&database, &file, &views).unwrap();
        writing.join().unwrap();
    });
    update(&database, &file, &views).unwrap();
    let fresh = database.index(&"00".parse().unwrap()).unwrap();
    update(&database, &fresh, &views).unwrap();
    let rows = contents(&file, &views);
    assert_eq!(rows, contents(&fresh, &views));
    assert!(rows.len() > 3000);
}

#[test]
fn what_fails_leaves_the_index_as_it_was() {
    let (_folder, _store, database) = database();
    let design = json!({"views": {"a": {
        "map": "function (doc) { emit(doc.n, doc.n); }", "reduce": "_sum",
    }}});
    let views = Views::parse(&design.to_string(), false).unwrap();
    let file = database.index(&views.signature).unwrap();
    write(&database, "a", Lineage::Child(None), false, r#"{"n":1}"#);
    update(&database, &file, &views).unwrap();
    let before = contents(&file, &views);
    write(&database, "b", Lineage::Child(None), false, r#"{"n":2}"#);
    let stopped = Update {
        database: &database,
        file: &file,
        views: &views,
        limits: &Limits::default(),
        log: |_| {},
        wanted: &|| false,
        progress: &|_, _| {},
    };
    assert!(matches!(stopped.run(), Err(ViewError::Stopped)));
    assert_eq!(contents(&file, &views), before);
    update(&database, &file, &views).unwrap();
    assert_eq!(contents(&file, &views).last().unwrap(), "0 reduced Some(\"3\")");
}
