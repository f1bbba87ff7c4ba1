//! Random edits against a database, and against the least that could be said of one: for each
//! document a list of leaves.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use proptest::prelude::*;
use store::{
    Content, Database, Direction, DocId, Edit, IdRange, Intake, Lineage, Millis, NewAttachment,
    Purge, RevId, Seq, Store,
};
use support::{options, put};

/// One step; documents, leaves and attachments are picked by number among those there are.
#[derive(Clone, Debug)]
enum Step {
    /// Edits a leaf, or begins the document.
    Edit {
        doc: u8,
        leaf: u8,
        deleted: bool,
        attachment: Option<u32>,
    },
    /// Edits what is no leaf.
    Stale {
        doc: u8,
    },
    /// Delivers a branch made elsewhere, from some ancestor of a leaf.
    Branch {
        doc: u8,
        leaf: u8,
        depth: u8,
        salt: u8,
        deleted: bool,
    },
    /// Delivers what is known.
    Again {
        doc: u8,
        leaf: u8,
    },
    /// Purges leaves, and asks the same of what is no leaf.
    Purge {
        doc: u8,
        leaf: u8,
        all: bool,
    },
    Compact,
    Reopen,
}

#[derive(Clone, Debug, PartialEq)]
struct Leaf {
    path: Vec<RevId>,
    deleted: bool,
    body: String,
    attachment: Option<Vec<u8>>,
}

#[derive(Default)]
struct Model {
    docs: BTreeMap<DocId, Vec<Leaf>>,
    /// Every purge there was, and which of them compaction has forgotten.
    purges: Vec<Purge>,
    forgotten: usize,
}

/// Records of purges that compaction keeps.
const PURGES_KEPT: usize = 2;

fn step() -> impl Strategy<Value = Step> {
    let doc = 0..6_u8;
    prop_oneof![
        6 => (doc.clone(), any::<u8>(), prop::bool::weighted(0.2), prop::option::weighted(0.3, 0..200_000_u32))
            .prop_map(|(doc, leaf, deleted, attachment)| Step::Edit { doc, leaf, deleted, attachment }),
        1 => doc.clone().prop_map(|doc| Step::Stale { doc }),
        3 => (doc.clone(), any::<u8>(), 0..4_u8, any::<u8>(), any::<bool>())
            .prop_map(|(doc, leaf, depth, salt, deleted)| Step::Branch { doc, leaf, depth, salt, deleted }),
        1 => (doc.clone(), any::<u8>()).prop_map(|(doc, leaf)| Step::Again { doc, leaf }),
        2 => (doc, any::<u8>(), any::<bool>())
            .prop_map(|(doc, leaf, all)| Step::Purge { doc, leaf, all }),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

fn doc_id(doc: u8) -> DocId {
    format!("doc-{doc}").parse().unwrap()
}

/// Bytes that a length makes, so that equal lengths are equal attachments.
fn bytes(length: u32) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn apply(database: &Database, model: &mut Model, step: &Step, now: u64) {
    match step {
        Step::Edit { doc, leaf, deleted, attachment } => {
            let leaves = model.docs.entry(doc_id(*doc)).or_default();
            let base = pick(leaves, *leaf);
            let path = base.map_or_else(Vec::new, |at| leaves[at].path.clone());
            let mut edit =
                put(doc_id(*doc).as_str(), path.first().cloned(), &format!("{{\"n\":{now}}}"));
            edit.deleted = *deleted && base.is_some();
            edit.attachments =
                attachment.map(|length| stage(database, length)).into_iter().collect();
            let deleted = edit.deleted;
            let body = edit.body.clone();
            let rev = database.write(vec![edit], Millis(now)).unwrap().remove(0).unwrap();
            if let Some(at) = base {
                leaves.remove(at);
            }
            let path = std::iter::once(rev).chain(path).collect();
            leaves.push(Leaf {
                path,
                deleted,
                body: body.to_string(),
                attachment: attachment.map(bytes),
            });
        }
        Step::Stale { doc } => {
            let Some(leaves) = model.docs.get(&doc_id(*doc)) else { return };
            let Some(stale) = leaves.iter().find_map(|leaf| leaf.path.get(1)) else { return };
            let edit = put(doc_id(*doc).as_str(), Some(stale.clone()), "{}");
            let outcome = database.write(vec![edit], Millis(now)).unwrap().remove(0);
            assert_eq!(outcome, Err(store::EditError::Conflict));
        }
        Step::Branch { doc, leaf, depth, salt, deleted } => {
            let leaves = model.docs.entry(doc_id(*doc)).or_default();
            let base = pick(leaves, *leaf);
            let path = base.map_or_else(Vec::new, |at| leaves[at].path.clone());
            let from = path.get(usize::from(*depth)..).unwrap_or_default().to_vec();
            let generation = from.first().map_or(0, |rev| rev.generation) + 1;
            let rev: RevId = format!("{generation}-{now:016x}{salt:016x}").parse().unwrap();
            let path: Vec<RevId> = std::iter::once(rev).chain(from).collect();
            let body = format!("{{\"salt\":{salt}}}");
            let edit = Edit {
                id: doc_id(*doc),
                lineage: Lineage::Path(path.clone()),
                deleted: *deleted,
                body: body.as_str().into(),
                attachments: Vec::new(),
            };
            database.write(vec![edit], Millis(now)).unwrap().remove(0).unwrap();
            leaves.retain(|leaf| path.get(1) != Some(&leaf.path[0]));
            leaves.push(Leaf { path, deleted: *deleted, body, attachment: None });
        }
        Step::Again { doc, leaf } => {
            let Some(leaves) = model.docs.get(&doc_id(*doc)) else { return };
            let Some(at) = pick(leaves, *leaf) else { return };
            let edit = Edit {
                id: doc_id(*doc),
                lineage: Lineage::Path(leaves[at].path.clone()),
                deleted: leaves[at].deleted,
                body: "{\"other\":true}".into(),
                attachments: Vec::new(),
            };
            let before = database.update_seq();
            database.write(vec![edit], Millis(now)).unwrap().remove(0).unwrap();
            assert_eq!(database.update_seq(), before, "what is known changes nothing");
        }
        Step::Purge { doc, leaf, all } => purge(database, model, doc_id(*doc), *leaf, *all),
        Step::Compact => {
            database.compact(&mut |_, _| {}).unwrap();
            model.forgotten = model.purges.len().saturating_sub(PURGES_KEPT);
        }
        Step::Reopen => {}
    }
}

fn purge(database: &Database, model: &mut Model, id: DocId, leaf: u8, all: bool) {
    let leaves = model.docs.entry(id.clone()).or_default();
    let picked = pick(leaves, leaf);
    let goes = |at: usize| all || Some(at) == picked;
    let unknown: RevId = "9-unknown".parse().unwrap();
    let inner = leaves.iter().flat_map(|leaf| leaf.path.get(1).cloned());
    let gone: Vec<RevId> =
        (0..leaves.len()).filter(|at| goes(*at)).map(|at| leaves[at].path[0].clone()).collect();
    let revs: Vec<RevId> =
        std::iter::once(unknown).chain(inner).chain(gone.iter().cloned()).collect();
    let purge = Purge { id, revs };
    let before = database.update_seq();
    assert_eq!(database.purge(vec![purge.clone()]).unwrap().remove(0), gone);
    assert_eq!(database.update_seq().seq > before.seq, !gone.is_empty());
    leaves.retain(|leaf| !gone.contains(&leaf.path[0]));
    model.purges.push(purge);
}

fn pick(leaves: &[Leaf], number: u8) -> Option<usize> {
    (!leaves.is_empty()).then(|| usize::from(number) % leaves.len())
}

fn stage(database: &Database, length: u32) -> NewAttachment {
    // Half of them lie compressed.
    let intake = if length.is_multiple_of(2) { Intake::Plain } else { Intake::Compress(1) };
    let mut writer = database.stage(1 << 20, intake).unwrap();
    writer.write_all(&bytes(length)).unwrap();
    NewAttachment {
        name: "a".into(),
        content_type: Some("text/plain".into()),
        revpos: None,
        content: Content::Staged(writer.finish().unwrap()),
    }
}

/// CouchDB's rule, said anew: live before deleted, then the greatest revision.
fn winner(leaves: &[Leaf]) -> &Leaf {
    leaves.iter().max_by_key(|leaf| (!leaf.deleted, leaf.path[0].clone())).unwrap()
}

fn compare(database: &Database, model: &Model) {
    assert_eq!(database.verify().unwrap(), Vec::<String>::new());
    let purges = database.read(|snapshot| snapshot.purges(0, usize::MAX)).unwrap();
    let numbered =
        model.purges.iter().enumerate().map(|(at, purge)| (at as u64 + 1, purge.clone()));
    assert_eq!(purges, numbered.skip(model.forgotten).collect::<Vec<_>>());
    assert_eq!(database.info().unwrap().purge_seq.seq, Seq(model.purges.len() as u64));
    let model: BTreeMap<_, _> =
        model.docs.iter().filter(|(_, leaves)| !leaves.is_empty()).collect();
    let live: Vec<_> = model
        .iter()
        .filter(|(_, leaves)| !winner(leaves).deleted)
        .map(|(id, _)| (*id).clone())
        .collect();
    database
        .read(|snapshot| {
            let everything = IdRange { start: None, end: None, direction: Direction::Ascending };
            let heads = snapshot.heads(&everything, 0, usize::MAX)?;
            assert_eq!(heads.into_iter().map(|head| head.id).collect::<Vec<_>>(), live);
            assert_eq!(snapshot.counts()?, (live.len() as u64, (model.len() - live.len()) as u64));
            let changes = snapshot.changes(Seq(0), Direction::Ascending, usize::MAX)?;
            assert_eq!(changes.len(), model.len());
            // A purged document leaves a position behind at which nothing stands.
            let last = changes.last().map_or(Seq(0), |change| change.seq);
            assert!(last <= snapshot.update_seq()?);
            assert!(!purges.is_empty() || last == snapshot.update_seq()?);
            for change in changes {
                let leaves = model[&change.id];
                assert_eq!(change.leaves[0].0, winner(leaves).path[0]);
                let mut expected: Vec<_> =
                    leaves.iter().map(|leaf| (leaf.path[0].clone(), leaf.deleted)).collect();
                let mut found = change.leaves;
                expected.sort();
                found.sort();
                assert_eq!(found, expected);
            }
            for (id, leaves) in &model {
                let tree = snapshot.tree(id)?.unwrap().tree;
                for leaf in *leaves {
                    let at = tree.find(&leaf.path[0]).unwrap();
                    let ancestry: Vec<_> = tree.ancestry(at).map(|node| node.rev.clone()).collect();
                    assert_eq!(ancestry, leaf.path);
                    let body = snapshot.body(tree.node(at).stored.unwrap().body)?.unwrap();
                    assert_eq!(body.json, leaf.body);
                    let attachment = body.attachments.first().map(|attachment| {
                        let mut bytes = Vec::new();
                        let reader = snapshot.attachment(attachment).unwrap();
                        let mut reader = reader.decoded(attachment);
                        reader.read_to_end(&mut bytes).unwrap();
                        bytes
                    });
                    assert!(attachment == leaf.attachment, "attachment of {id}");
                }
            }
            Ok::<_, store::Error>(())
        })
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn on_disk(steps in prop::collection::vec(step(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), &options()).unwrap();
        let mut database = store.create(&"db".parse().unwrap(), Millis(0)).unwrap();
        database.set_purged_infos_limit(PURGES_KEPT as u64).unwrap();
        let mut model = Model::default();
        for (at, step) in steps.iter().enumerate() {
            apply(&database, &mut model, step, 1_000 + at as u64);
            if matches!(step, Step::Reopen) {
                let before = database.update_seq();
                store.close();
                drop((store, database));
                store = Store::open(folder.path(), &options()).unwrap();
                database = store.database(&"db".parse().unwrap()).unwrap();
                prop_assert_eq!(database.update_seq(), before);
            }
        }
        compare(&database, &model);
    }

    #[test]
    fn in_memory(steps in prop::collection::vec(step(), 1..60)) {
        let store = Store::in_memory(&options()).unwrap();
        let database = store.create(&"db".parse().unwrap(), Millis(0)).unwrap();
        database.set_purged_infos_limit(PURGES_KEPT as u64).unwrap();
        let mut model = Model::default();
        for (at, step) in steps.iter().enumerate() {
            apply(&database, &mut model, step, 1_000 + at as u64);
        }
        compare(&database, &model);
    }
}
