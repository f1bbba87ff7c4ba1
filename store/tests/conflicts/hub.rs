//! A hub as far as conflicts are concerned: one database, and a way to another hub's.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use store::rev_tree::RevTree;
use store::{
    ConflictRule, Database, Direction, DocId, Edit, EditError, Lineage, Millis, Options, RevId,
    Seq, Store,
};

use super::support::{Random, put};

pub(crate) struct Hub {
    pub(crate) store: Arc<Store>,
    pub(crate) database: Arc<Database>,
    name: String,
}

impl Hub {
    /// In memory, with a rule of version 1.
    pub(crate) fn new(device: u8, policy: &str) -> Self {
        let store = Store::in_memory(&options(device)).unwrap();
        Self::with(store, device, policy)
    }

    pub(crate) fn on_disk(folder: &Path, device: u8, policy: &str) -> Self {
        Self::with(Store::open(folder, &options(device)).unwrap(), device, policy)
    }

    fn with(store: Arc<Store>, device: u8, policy: &str) -> Self {
        let name = "db".parse().unwrap();
        let known = store.database(&name);
        let database = known.unwrap_or_else(|| store.create(&name, Millis(0)).unwrap());
        let rule = ConflictRule { policy: policy.parse().unwrap(), version: 1 };
        database.set_conflict_rule(rule).unwrap();
        Self { store, database, name: format!("hub-{device}") }
    }

    /// Edits the winner, or begins the document.
    pub(crate) fn edit(&self, id: &str, body: &str, now: u64) -> RevId {
        self.write(put(id, self.live(id), body), now).unwrap()
    }

    pub(crate) fn delete(&self, id: &str, now: u64) -> Option<RevId> {
        let edit = Edit { deleted: true, ..put(id, Some(self.live(id)?), "{}") };
        Some(self.write(edit, now).unwrap())
    }

    pub(crate) fn write(&self, edit: Edit, now: u64) -> Result<RevId, EditError> {
        self.database.write(vec![edit], Millis(now)).unwrap().remove(0)
    }

    fn live(&self, id: &str) -> Option<RevId> {
        let head = self.database.read(|snapshot| snapshot.head(&id.parse().unwrap())).unwrap();
        head.filter(|head| !head.deleted).map(|head| head.rev)
    }

    pub(crate) fn tree(&self, id: &str) -> RevTree {
        let found = self.database.read(|snapshot| snapshot.tree(&id.parse().unwrap())).unwrap();
        found.map(|found| found.tree).unwrap_or_default()
    }

    /// Its winner's JSON; `None` where the document is deleted or unknown.
    pub(crate) fn shown(&self, id: &str) -> Option<String> {
        let tree = self.tree(id);
        let winner = tree.winner().filter(|winner| !winner.deleted)?;
        let body = winner.stored.unwrap().body;
        Some(self.database.read(|snapshot| snapshot.body(body)).unwrap().unwrap().json)
    }

    /// All documents with their leaves and whether each is deleted, in the order in which they win.
    pub(crate) fn leaves(&self) -> BTreeMap<DocId, Vec<(RevId, bool)>> {
        let changes = self
            .database
            .read(|snapshot| snapshot.changes(Seq(0), Direction::Ascending, usize::MAX));
        changes.unwrap().into_iter().map(|change| (change.id, change.leaves)).collect()
    }

    /// The JSON of everything that lost.
    pub(crate) fn lost(&self) -> Vec<String> {
        self.database
            .read(|snapshot| {
                let rows = snapshot.overwritten(0, usize::MAX)?;
                let body = |row: store::Overwritten| Ok(snapshot.body(row.body)?.unwrap().json);
                rows.into_iter().map(body).collect::<Result<_, store::Error>>()
            })
            .unwrap()
    }

    /// The leaves that `other` lacks, as edits; of attachments the names alone.
    pub(crate) fn lacking(&self, other: &Self) -> Vec<Edit> {
        let mut edits = Vec::new();
        for (id, leaves) in self.leaves() {
            let revs: Vec<RevId> = leaves.into_iter().map(|(rev, _)| rev).collect();
            let missing: Vec<RevId> = other
                .database
                .read(|snapshot| {
                    let document = snapshot.tree(&id)?;
                    let missing = snapshot.missing(&id, document.as_ref(), &revs)?;
                    Ok::<_, store::Error>(missing.into_iter().cloned().collect())
                })
                .unwrap();
            let tree = self.tree(id.as_str());
            for rev in missing {
                let at = tree.find(&rev).unwrap();
                let node = tree.node(at);
                let stored = node.stored.unwrap().body;
                let body = self.database.read(|snapshot| snapshot.body(stored)).unwrap().unwrap();
                edits.push(Edit {
                    id: id.clone(),
                    lineage: Lineage::Path(
                        tree.ancestry(at).map(|node| node.rev.clone()).collect(),
                    ),
                    deleted: node.deleted,
                    body: body.json.into(),
                    attachments: Vec::new(),
                });
            }
        }
        edits
    }

    /// Brings all that `other` lacks; how many revisions.
    pub(crate) fn push(&self, other: &Self, now: u64) -> usize {
        let edits = self.lacking(other);
        let count = edits.len();
        other.take(edits, now, &self.name);
        count
    }

    /// The same, in any order and in pieces.
    pub(crate) fn push_in_pieces(&self, other: &Self, now: u64, random: &mut Random) -> usize {
        let mut edits = self.lacking(other);
        let count = edits.len();
        shuffle(&mut edits, random);
        while !edits.is_empty() {
            let some = 1 + random.below(3) as usize;
            let rest = edits.split_off(some.min(edits.len()));
            other.take(std::mem::replace(&mut edits, rest), now, &self.name);
        }
        count
    }

    pub(crate) fn take(&self, edits: Vec<Edit>, now: u64, by: &str) {
        if edits.is_empty() {
            return;
        }
        for outcome in self.database.deliver(edits, Millis(now), by).unwrap() {
            outcome.unwrap();
        }
    }

    #[track_caller]
    pub(crate) fn verify(&self) {
        assert_eq!(self.database.verify().unwrap(), Vec::<String>::new());
    }
}

fn options(device: u8) -> Options {
    Options { writer_threads: 0, open_databases_max: 2, device: [device; 32] }
}

pub(crate) fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.below(at as u64 + 1) as usize);
    }
}

/// Lets hubs exchange what they have until nobody lacks anything.
#[track_caller]
pub(crate) fn exchange(hubs: &[Hub], now: u64, random: &mut Random) {
    exchange_at(hubs, |_| now, random);
}

/// The same, where it is another time at each hub.
#[track_caller]
pub(crate) fn exchange_at(hubs: &[Hub], time: impl Fn(usize) -> u64, random: &mut Random) {
    for _ in 0..40 {
        let mut moved = 0;
        for from in 0..hubs.len() {
            for to in (0..hubs.len()).filter(|to| *to != from) {
                moved += match random.below(2) {
                    0 => hubs[from].push(&hubs[to], time(to)),
                    _ => hubs[from].push_in_pieces(&hubs[to], time(to), random),
                };
            }
        }
        if moved == 0 {
            return;
        }
    }
    panic!("hubs do not come to rest");
}
