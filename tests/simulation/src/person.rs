//! What people do at their devices: the workload.

use std::collections::BTreeMap;

use store::{
    Content as Bytes, DocId, Edit, Intake, Lineage, Millis, NewAttachment, RevId, Signature,
};

use crate::content::{Content, Leaf, attachment, stage};
use crate::device::{DATABASES, Role};
use crate::event::{Event, Job};
use crate::ledger::Author;
use crate::world::World;

const ATTACHMENTS: [&str; 3] = ["x.txt", "dir/y", "z"];

/// Bytes of a large attachment, which travels ahead of its document.
const LARGE_BYTES: usize = 70_000;

impl World {
    pub(crate) fn person(&mut self, device: usize) {
        if self.devices[device].operations_left == 0 {
            return;
        }
        self.devices[device].operations_left -= 1;
        let pause = self.random.below(self.profile.pause_max);
        self.agenda.add(self.now + pause, Event::Person(device));
        let Some(db) = self.some_database(device) else { return };
        let Some(doc) = self.random.pick(&self.documents).cloned() else { return };
        self.operate(device, db, &doc);
        // Two people do something to one document in the same instant, and if their clocks agree,
        // in the same millisecond.
        if self.random.chance(12) {
            let other = self.random.below(self.devices.len() as u64) as usize;
            if other != device && self.devices[other].is_hub() && self.sees(other, db) {
                self.operate(other, db, &doc);
            }
        }
    }

    fn some_database(&mut self, device: usize) -> Option<usize> {
        let db = self.random.below(DATABASES.len() as u64) as usize;
        (self.devices[device].is_up() && self.sees(device, db)).then_some(db)
    }

    /// A person has a database of their own, or one that somebody lets them read.
    fn sees(&self, device: usize, db: usize) -> bool {
        self.devices[device].is_up()
            && (self.devices[device].role == Role::Own || self.lists.may_see(device, db))
    }

    fn operate(&mut self, device: usize, db: usize, doc: &DocId) {
        let leaves = self.devices[device].live_leaves(db, doc);
        let Some(leaves) = self.expect(leaves, "a document cannot be read") else { return };
        match self.devices[device].role {
            Role::Own | Role::Friend => self.use_hub(device, db, doc, &leaves),
            Role::Dumb => self.use_couchdb(device, db, doc, &leaves),
            Role::Liar => {
                // It reads what is at the one device that lets it.
                let leaves = self.devices[0].live_leaves(db, doc).unwrap_or_default();
                self.lie_about(device, db, doc, &leaves);
            }
        }
    }

    fn use_hub(&mut self, device: usize, db: usize, doc: &DocId, leaves: &[Leaf]) {
        match self.random.below(100) {
            0 => self.ask_disk(device, Job::Compact { db }),
            1..4 => self.look_at_overwritten(device, db),
            4 if self.devices[device].role == Role::Own
                && self.random.chance(self.profile.rules) =>
            {
                self.change_rule(device, db);
            }
            5..18 => self.edit(device, db, doc, leaves, true),
            _ => self.edit(device, db, doc, leaves, false),
        }
    }

    /// Edits a leaf of a document, deletes it, or creates the document.
    fn edit(&mut self, device: usize, db: usize, doc: &DocId, leaves: &[Leaf], deletes: bool) {
        let base = self.base(leaves).cloned();
        let deletes = deletes && base.is_some();
        let now = self.devices[device].local(self.now);
        let before = base.as_ref().map(|leaf| &leaf.content.attachments);
        let content = self.content(now, deletes, before);
        let known = base.as_ref().map(|leaf| &leaf.content);
        let Some(attachments) = self.stage_all(device, db, &content, known) else { return };
        let edit = Edit {
            id: doc.clone(),
            lineage: Lineage::Child(base.map(|leaf| leaf.rev().clone())),
            deleted: content.deleted,
            body: content.body.clone().into(),
            attachments,
        };
        self.ask_disk(device, Job::Edit { db, edit, content, now, author: Some(Author::Hub) });
    }

    /// What a client of CouchDB's protocol does, which makes revision ids by itself.
    fn use_couchdb(&mut self, device: usize, db: usize, doc: &DocId, leaves: &[Leaf]) {
        let base = self.base(leaves).cloned();
        let deletes = base.is_some() && self.random.chance(12);
        let now = self.devices[device].local(self.now);
        let before = base.as_ref().map(|leaf| &leaf.content.attachments);
        let content = self.content(now, deletes, before);
        let known = base.as_ref().map(|leaf| &leaf.content);
        let Some(attachments) = self.stage_all(device, db, &content, known) else { return };
        let rest = match &base {
            Some(leaf) => leaf.path.clone(),
            None => leaves.first().map(|leaf| leaf.path.clone()).unwrap_or_default(),
        };
        let generation = rest.first().map_or(0, |rev| rev.generation) + 1;
        let signature = Signature::Digest(self.random.bytes());
        let path: Vec<RevId> =
            std::iter::once(RevId { generation, signature }).chain(rest).collect();
        let edit = Edit {
            id: doc.clone(),
            lineage: Lineage::Path(path),
            deleted: content.deleted,
            body: content.body.clone().into(),
            attachments,
        };
        self.ask_disk(device, Job::Edit { db, edit, content, now, author: Some(Author::Dumb) });
    }

    /// The leaf that a person has before them: mostly the winner.
    fn base<'l>(&mut self, leaves: &'l [Leaf]) -> Option<&'l Leaf> {
        let live: Vec<&Leaf> = leaves.iter().filter(|leaf| !leaf.content.deleted).collect();
        let at = if self.random.chance(85) { 0 } else { self.random.below(live.len() as u64) };
        live.get(at as usize).copied()
    }

    /// What somebody writes next.
    fn content(
        &mut self,
        now: Millis,
        deleted: bool,
        before: Option<&BTreeMap<String, std::rc::Rc<[u8]>>>,
    ) -> Content {
        self.tags += 1;
        if deleted {
            // With an empty body it is what clients of CouchDB do to a branch that they do not want.
            let empty = self.random.chance(50);
            let body = if empty { "{}".into() } else { format!(r#"{{"tag":{}}}"#, self.tags) };
            return Content { deleted, body, ..Content::default() };
        }
        let at = match self.random.below(10) {
            0 => String::new(),
            1 => r#","at":"soon""#.into(),
            2 => format!(r#","at":{}"#, self.random.below(now.0)),
            _ => format!(r#","at":{}"#, now.0),
        };
        let body = match self.random.below(20) {
            // The same as somebody else, so that revisions differ and contents do not.
            0 => format!(r#"{{"same":{}}}"#, self.random.below(2)),
            1 => "{}".into(),
            _ => format!(r#"{{"tag":{}{at}}}"#, self.tags),
        };
        let mut attachments = BTreeMap::new();
        for name in ATTACHMENTS {
            let had = before.and_then(|before| before.get(name));
            if let Some(bytes) = had.filter(|_| self.random.chance(70)) {
                attachments.insert(name.to_owned(), std::rc::Rc::clone(bytes));
            } else if self.random.chance(6) {
                let large = self.random.chance(2);
                let length = if large { LARGE_BYTES } else { self.random.below(200) as usize };
                let byte = self.random.next() as u8;
                attachments.insert(name.to_owned(), vec![byte; length].into());
            }
        }
        Content { deleted, body, attachments }
    }

    /// Brings the bytes of attachments to a device's disk, but for those that the base has.
    fn stage_all(
        &mut self,
        device: usize,
        db: usize,
        content: &Content,
        base: Option<&Content>,
    ) -> Option<Vec<NewAttachment>> {
        let mut attachments = Vec::new();
        for (name, bytes) in &content.attachments {
            let kept = base.is_some_and(|base| base.attachments.get(name) == Some(bytes));
            let bytes = if kept {
                Bytes::Stub
            } else {
                let intake =
                    if self.random.chance(80) { Intake::Plain } else { Intake::Compress(1) };
                let database = self.devices[device].database(db)?;
                Bytes::Staged(stage(database, bytes, intake).ok()?)
            };
            attachments.push(attachment(name, bytes));
        }
        Some(attachments)
    }
}
