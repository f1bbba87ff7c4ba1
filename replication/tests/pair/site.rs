//! A device with one database.

#![allow(dead_code, reason = "each suite uses its own part")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use replication::{Clock, Filter, Leaves, LocalDatabase, LocalPeer, PeerSeq, ReplicationId};
use store::{
    Content, Database, DbName, DocId, DocumentLimits, Edit, Intake, Lineage, Millis, NewAttachment,
    Options, Store,
};

use crate::random::Random;

/// Few documents, so that edits meet.
const IDS: [&str; 6] = ["a", "b", "c", "d", "_design/e", "f/ü"];

const ATTACHMENT_NAMES: [&str; 3] = ["x.txt", "dir/y", "z"];

/// A device with one database.
pub(crate) struct Site {
    pub(crate) name: String,
    store: Arc<Store>,
    database: Arc<Database>,
    clock: AtomicU64,
}

/// What a database has of a document: all of it that replication carries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) winner: String,
    /// Revision, whether it is deleted, body, attachments.
    pub(crate) leaves: BTreeMap<String, (bool, String, BTreeMap<String, HeldAttachment>)>,
}

/// Media type, `revpos` and bytes of an attachment.
pub(crate) type HeldAttachment = (String, u64, Vec<u8>);

impl Site {
    pub(crate) fn new(number: u8) -> Self {
        let device = [number; 32];
        let options = Options { writer_threads: 0, open_databases_max: 4, device };
        let store = Store::in_memory(&options).unwrap();
        let database = store.create(&db_name(), Millis(1)).unwrap();
        // Clocks of different devices differ.
        let clock = AtomicU64::new(1_000_000 + 777 * u64::from(number));
        Self { name: format!("site{number}"), store, database, clock }
    }

    pub(crate) fn local(&self) -> LocalDatabase {
        LocalDatabase::new(Arc::clone(&self.database), DocumentLimits::default())
    }

    /// The database itself.
    pub(crate) fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// The site as a peer, for tests that run on Tokio.
    pub(crate) fn peer(&self) -> Arc<LocalPeer> {
        let limits = DocumentLimits::default();
        let clock: Clock = Arc::new(|| Millis(1_000_000));
        Arc::new(LocalPeer::new(Arc::clone(&self.store), db_name(), limits, clock))
    }

    /// The site as a source that is filtered.
    pub(crate) fn selecting(&self, select: Arc<dyn replication::Select>) -> LocalPeer {
        let limits = DocumentLimits::default();
        let clock: Clock = Arc::new(|| Millis(1_000_000));
        LocalPeer::new(Arc::clone(&self.store), db_name(), limits, clock).selecting(select)
    }

    /// The site as a target that takes only what a judge lets in.
    pub(crate) fn judged_by(&self, judge: Arc<dyn replication::Judge>) -> LocalPeer {
        let limits = DocumentLimits::default();
        let clock: Clock = Arc::new(|| Millis(1_000_000));
        LocalPeer::new(Arc::clone(&self.store), db_name(), limits, clock).judged_by(judge)
    }

    pub(crate) fn id_to(&self, target: &Self) -> ReplicationId {
        ReplicationId::new(b"pair", &self.name, &target.name, &Filter::All, Leaves::All)
    }

    pub(crate) fn now(&self) -> Millis {
        Millis(self.clock.fetch_add(1, Ordering::Relaxed))
    }

    /// Lets the clock run ahead.
    pub(crate) fn advance(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn seq(&self) -> PeerSeq {
        self.database.update_seq().into()
    }

    pub(crate) fn make_anew(&mut self) {
        self.store.delete(&db_name()).unwrap();
        self.database = self.store.create(&db_name(), Millis(2)).unwrap();
    }

    /// Up to four edits, one after the other.
    pub(crate) fn edit_some(&self, random: &mut Random) {
        for _ in 0..=random.below(4) {
            self.edit(random);
        }
    }

    /// Edits a leaf of a document, or creates the document.
    fn edit(&self, random: &mut Random) {
        let id: DocId = IDS[random.below(IDS.len() as u64) as usize].parse().unwrap();
        let leaves = self.held(&id).map(|held| held.leaves).unwrap_or_default();
        let live: Vec<_> = leaves.iter().filter(|(_, (deleted, ..))| !deleted).collect();
        let base = (!live.is_empty()).then(|| live[random.below(live.len() as u64) as usize]);
        let deleted = base.is_some() && random.chance(20);
        let mut attachments = Vec::new();
        for name in ATTACHMENT_NAMES {
            let had = base.is_some_and(|(_, (_, _, attachments))| attachments.contains_key(name));
            if had && random.chance(70) {
                attachments.push(attachment(name, Content::Stub));
            } else if random.chance(15) {
                let length = random.below(100_000) as usize;
                let bytes = vec![random.next() as u8; length];
                let intake = [Intake::Plain, Intake::Compress(6)][random.below(2) as usize];
                let content = Content::Staged(self.stage(&bytes, intake));
                attachments.push(attachment(name, content));
            }
        }
        let edit = Edit {
            id,
            lineage: Lineage::Child(base.map(|(rev, _)| rev.parse().unwrap())),
            deleted,
            body: format!(r#"{{"n":{}}}"#, random.below(1000)).into(),
            attachments,
        };
        for result in self.database.write(vec![edit], self.now()).unwrap() {
            result.unwrap();
        }
    }

    /// Changes the body of every live winner, and keeps its attachments.
    pub(crate) fn edit_bodies(&self) {
        for (id, held) in self.documents() {
            let (deleted, _, attachments) = &held.leaves[&held.winner];
            if *deleted {
                continue;
            }
            let edit = Edit {
                id: id.parse().unwrap(),
                lineage: Lineage::Child(Some(held.winner.parse().unwrap())),
                deleted: false,
                body: format!(r#"{{"n":{}}}"#, self.now().0).into(),
                attachments: attachments.keys().map(|n| attachment(n, Content::Stub)).collect(),
            };
            self.database.write(vec![edit], self.now()).unwrap()[0].as_ref().unwrap();
        }
    }

    /// Creates a document.
    pub(crate) fn write(&self, id: &str, body: &str) {
        let id = id.parse().unwrap();
        let (lineage, body) = (Lineage::Child(None), body.into());
        let edit = Edit { id, lineage, deleted: false, body, attachments: vec![] };
        self.database.write(vec![edit], self.now()).unwrap()[0].as_ref().unwrap();
    }

    /// Creates a document with an attachment.
    pub(crate) fn write_attachment(&self, id: &str, bytes: &[u8]) {
        let content = Content::Staged(self.stage(bytes, Intake::Plain));
        let edit = Edit {
            id: id.parse().unwrap(),
            lineage: Lineage::Child(None),
            deleted: false,
            body: "{}".into(),
            attachments: vec![attachment("bytes", content)],
        };
        self.database.write(vec![edit], self.now()).unwrap()[0].as_ref().unwrap();
    }

    /// Deletes a document's winner.
    pub(crate) fn delete(&self, id: &str) {
        let id: DocId = id.parse().unwrap();
        let winner = self.held(&id).unwrap().winner.parse().unwrap();
        let (lineage, body) = (Lineage::Child(Some(winner)), "{}".into());
        let edit = Edit { id, lineage, deleted: true, body, attachments: vec![] };
        self.database.write(vec![edit], self.now()).unwrap()[0].as_ref().unwrap();
    }

    fn stage(&self, bytes: &[u8], intake: Intake) -> store::Staged {
        let mut writer = self.database.stage(u64::MAX, intake).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    /// Gives a document so many conflicting first revisions.
    pub(crate) fn add_leaves(&self, id: &str, count: u64) {
        for number in 0..count {
            let edit = Edit {
                id: id.parse().unwrap(),
                lineage: Lineage::Path(vec![format!("1-{number:032x}").parse().unwrap()]),
                deleted: false,
                body: format!(r#"{{"n":{number}}}"#).into(),
                attachments: vec![],
            };
            self.database.write(vec![edit], self.now()).unwrap()[0].as_ref().unwrap();
        }
    }

    /// Everything the database has.
    pub(crate) fn documents(&self) -> BTreeMap<String, Held> {
        let all = |snapshot: &store::Snapshot<'_>| {
            snapshot.changes(store::Seq(0), store::Direction::Ascending, usize::MAX)
        };
        let changes = self.database.read::<_, store::Error>(all).unwrap();
        changes
            .into_iter()
            .map(|change| (change.id.to_string(), self.held(&change.id).unwrap()))
            .collect()
    }

    fn held(&self, id: &DocId) -> Option<Held> {
        let look = |snapshot: &store::Snapshot<'_>| {
            let Some(document) = snapshot.tree(id)? else { return Ok(None) };
            let mut leaves = BTreeMap::new();
            for leaf in document.tree.leaves() {
                let node = document.tree.node(leaf);
                let body = snapshot.body(node.stored.unwrap().body)?.unwrap();
                let mut attachments = BTreeMap::new();
                for attachment in body.attachments {
                    let mut bytes = Vec::new();
                    let reader = snapshot.attachment(&attachment)?;
                    reader.decoded(&attachment).read_to_end(&mut bytes).unwrap();
                    let held = (attachment.content_type, attachment.revpos, bytes);
                    attachments.insert(attachment.name, held);
                }
                leaves.insert(node.rev.to_string(), (node.deleted, body.json, attachments));
            }
            let winner = document.tree.winner().unwrap().rev.to_string();
            Ok(Some(Held { winner, leaves }))
        };
        self.database.read::<_, store::Error>(look).unwrap()
    }
}

fn attachment(name: &str, content: Content) -> NewAttachment {
    let content_type = Some(format!("application/{}", name.len()));
    NewAttachment { name: name.into(), content_type, revpos: None, content }
}

fn db_name() -> DbName {
    "notes".parse().unwrap()
}

/// All sites hold the same.
pub(crate) fn agree(sites: &[Site]) {
    let first = sites[0].documents();
    for site in &sites[1..] {
        let other = site.documents();
        let ids = |documents: &BTreeMap<String, Held>| -> Vec<String> {
            documents.keys().cloned().collect()
        };
        assert_eq!(ids(&first), ids(&other), "{} has other documents", site.name);
        for (id, document) in &first {
            assert_eq!(document.winner, other[id].winner, "{id} at {}", site.name);
            assert!(*document == other[id], "{id} has other leaves at {}", site.name);
        }
    }
}
