//! Random work on a store whose engine and catalog fail on cue: what was acknowledged is there, what
//! was refused is not, and all is well when the faults end.

#![cfg(test)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use proptest::prelude::*;

use super::Faults;
use crate::{
    Content, Database, DbName, Direction, DocId, Edit, Error, Lineage, LocalId, Millis,
    NewAttachment, Options, RevId, Seq, Store,
};

#[derive(Clone, Debug)]
enum Step {
    /// Edits so many documents, the first of this number, in one write.
    Edit {
        first: u8,
        count: u8,
        attachment: Option<u32>,
    },
    Local(u8),
    Compact,
    Close,
    Delete,
    /// From now on each operation of this number fails; 0 is none.
    Faults(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let attachment = prop::option::weighted(0.3, 1..150_000_u32);
    prop_oneof![
        8 => (0..6_u8, 1..4_u8, attachment)
            .prop_map(|(first, count, attachment)| Step::Edit { first, count, attachment }),
        2 => (0..4_u8).prop_map(Step::Local),
        2 => Just(Step::Compact),
        2 => Just(Step::Close),
        1 => Just(Step::Delete),
        4 => prop_oneof![Just(0), 1..25_u64].prop_map(Step::Faults),
    ]
}

/// What was acknowledged.
#[derive(Debug, Default)]
struct Model {
    docs: BTreeMap<DocId, (RevId, String, Option<u32>)>,
    locals: BTreeMap<LocalId, String>,
    edits: u64,
}

fn name() -> DbName {
    "db".parse().unwrap()
}

fn write(database: &Database, model: &mut Model, step: &Step, number: u64) -> Result<(), Error> {
    let &Step::Edit { first, count, attachment } = step else { return Ok(()) };
    let ids = (first..first + count).map(|doc| format!("doc-{doc}").parse::<DocId>().unwrap());
    let body = format!("{{\"n\":{number}}}");
    let mut edits = Vec::new();
    for id in ids {
        let mut attachments = Vec::new();
        if let Some(length) = attachment {
            let mut writer = database.stage(u64::MAX, crate::Intake::Plain)?;
            writer.write_all(&vec![number as u8; length as usize]).unwrap();
            let content = Content::Staged(writer.finish()?);
            let (name, content_type) = ("a".into(), None);
            attachments.push(NewAttachment { name, content_type, revpos: None, content });
        }
        let lineage = Lineage::Child(model.docs.get(&id).map(|(rev, ..)| rev.clone()));
        edits.push(Edit { id, lineage, deleted: false, body: body.clone().into(), attachments });
    }
    let ids: Vec<_> = edits.iter().map(|edit| edit.id.clone()).collect();
    let outcomes = database.write(edits, Millis(number))?;
    model.edits += outcomes.len() as u64;
    for (id, outcome) in ids.into_iter().zip(outcomes) {
        let rev = outcome.expect("what was refused left no revision behind");
        model.docs.insert(id, (rev, body.clone(), attachment));
    }
    Ok(())
}

/// Compares all that can be seen; an error where it cannot be looked at.
fn compare(database: &Database, model: &Model) -> Result<(), Error> {
    let info = database.info()?;
    assert_eq!(info.doc_count, model.docs.len() as u64);
    assert_eq!(info.update_seq.seq.0, model.edits);
    assert_eq!(database.update_seq().seq.0, model.edits);
    database.read(|snapshot| {
        let changes = snapshot.changes(Seq(0), Direction::Ascending, usize::MAX)?;
        assert_eq!(changes.len(), model.docs.len());
        for (id, (rev, body, length)) in &model.docs {
            let head = snapshot.head(id)?.expect("an acknowledged document");
            assert_eq!(&head.rev, rev);
            let found = snapshot.body(head.body)?.expect("an acknowledged body");
            assert_eq!(&found.json, body);
            assert_eq!(found.attachments.first().map(|a| a.length), length.map(u64::from));
        }
        for (id, json) in &model.locals {
            assert_eq!(snapshot.local(id)?.map(|local| local.json).as_ref(), Some(json));
        }
        Ok(())
    })
}

fn run(steps: &[Step]) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { writer_threads: 0, open_databases_max: 2, device: [7; 32] };
    let faults = Arc::new(Faults::default());
    let store = Store::open_faulty(folder.path(), &options, &faults).unwrap();
    let mut database = store.create(&name(), Millis(1)).unwrap();
    let mut model = Model::default();
    for (number, step) in steps.iter().enumerate() {
        let (number, before) = (number as u64 + 10, faults.struck());
        let outcome = match step {
            Step::Edit { .. } => write(&database, &mut model, step, number),
            Step::Local(id) => {
                let id: LocalId = format!("_local/{id}").parse().unwrap();
                let json = format!("{{\"n\":{number}}}");
                database.write_local(id.clone(), 0, Some(json.clone())).map(|_| {
                    model.locals.insert(id, json);
                })
            }
            Step::Compact => database.compact(&mut |_, _| {}),
            Step::Close => database.close_if_idle().map(|_| ()),
            Step::Delete => match store.delete(&name()) {
                Ok(()) => {
                    model = Model::default();
                    // The name is free again, at the latest when the faults are over.
                    let again = store.create(&name(), Millis(number));
                    database = again.unwrap_or_else(|_| {
                        faults.fail_every(0);
                        store.create(&name(), Millis(number)).unwrap()
                    });
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Step::Faults(every) => {
                faults.fail_every(*every);
                Ok(())
            }
        };
        if let Err(error) = outcome {
            assert!(faults.struck() > before, "{step:?} failed without a fault: {error}");
        }
        let before = faults.struck();
        if let Err(error) = compare(&database, &model) {
            assert!(faults.struck() > before, "cannot be read, without a fault: {error}");
        }
    }
    faults.fail_every(0);
    compare(&database, &model).unwrap();
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
    database.compact(&mut |_, _| {}).unwrap();
    compare(&database, &model).unwrap();
    drop(database);
    store.close();
    drop(store);
    let store = Store::open(folder.path(), &options).unwrap();
    let database = store.database(&name()).unwrap();
    compare(&database, &model).unwrap();
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
    assert_eq!(store.databases().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_nothing_is_lost(steps in prop::collection::vec(step(), 1..40)) {
        run(&steps);
    }
}
