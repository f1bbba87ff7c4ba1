//! What a hub keeps apart: overwritten contents, and revisions that it holds back.

use store::{Content as Bytes, CopySource, DocId, Edit, Error, Lineage, RevId};

use crate::content::{Content, attachment};
use crate::device::DATABASES;
use crate::event::Job;
use crate::ledger::Author;
use crate::world::World;

/// Rows that a person looks at.
const ROWS: usize = 50;

impl World {
    /// A person looks at what was overwritten, and brings something back or does not want to see it any
    /// more.
    pub(crate) fn look_at_overwritten(&mut self, device: usize, db: usize) {
        let Some(database) = self.devices[device].database(db).cloned() else { return };
        let rows = database.overwritten(0, ROWS);
        let Some(rows) = self.expect(rows, "what was overwritten cannot be read") else { return };
        let Some(row) = self.random.pick(&rows).cloned() else { return };
        if self.random.chance(30) {
            return self.ask_disk(device, Job::Dismiss { db, id: row.id });
        }
        if row.deleted {
            return;
        }
        let contents = database.read(|snapshot| {
            let Some((_, body)) = snapshot.overwritten_contents(row.id)? else { return Ok(None) };
            let found = Content::read(snapshot, false, body.json, &body.attachments)?;
            Ok::<_, Error>(Some(found))
        });
        let contents = self.expect(contents, "an overwritten body cannot be read");
        let Some(content) = contents.flatten() else { return };
        let leaves = self.devices[device].live_leaves(db, &row.doc);
        let Some(leaves) = self.expect(leaves, "a document cannot be read") else { return };
        let winner = leaves.first().filter(|leaf| !leaf.content.deleted);
        let source = CopySource { id: row.doc.clone(), rev: row.rev.clone() };
        let copied = content.attachments.keys();
        let edit = Edit {
            id: row.doc.clone(),
            lineage: Lineage::Child(winner.map(|leaf| leaf.rev().clone())),
            deleted: false,
            body: content.body.clone().into(),
            attachments: copied
                .map(|name| attachment(name, Bytes::Copied(source.clone())))
                .collect(),
        };
        let now = self.devices[device].local(self.now);
        self.trace_line(|_| {
            format!("{device} brings back {}/{} {}", DATABASES[db], row.doc, row.rev)
        });
        self.ask_disk(device, Job::Edit { db, edit, content, now, author: Some(Author::Hub) });
    }

    /// What a device keeps of a document that was overwritten.
    pub(crate) fn overwritten(
        &mut self,
        device: usize,
        db: usize,
        doc: &DocId,
    ) -> Vec<(RevId, Content)> {
        let Some(database) = self.devices[device].database(db) else { return Vec::new() };
        let found = database.read(|snapshot| {
            let mut found = Vec::new();
            for row in
                snapshot.overwritten(0, usize::MAX)?.into_iter().filter(|row| row.doc == *doc)
            {
                let Some((_, body)) = snapshot.overwritten_contents(row.id)? else { continue };
                let content = Content::read(snapshot, row.deleted, body.json, &body.attachments)?;
                found.push((row.rev, content));
            }
            Ok::<_, Error>(found)
        });
        self.expect(found, "what was overwritten cannot be read").unwrap_or_default()
    }

    pub(crate) fn dismiss(&mut self, device: usize, db: usize, id: u64) {
        let Some(database) = self.devices[device].database(db).cloned() else { return };
        let contents = database.read(|snapshot| {
            let Some((row, body)) = snapshot.overwritten_contents(id)? else { return Ok(None) };
            let content = Content::read(snapshot, row.deleted, body.json, &body.attachments)?;
            Ok::<_, Error>(Some((row, content)))
        });
        let contents = self.expect(contents, "an overwritten body cannot be read").flatten();
        if let Some((row, content)) = contents
            && !matches!(database.dismiss_overwritten(id), Ok(false))
        {
            // It may be gone even if the power failed before that was said.
            self.ledger.dismiss(device, db, &row.doc, content);
        }
    }

    /// Whether the time has come of something that a device holds back.
    pub(crate) fn is_release_due(&self, device: usize, db: usize) -> bool {
        let now = self.devices[device].local(self.now);
        let Some(database) = self.devices[device].database(db) else { return false };
        database.next_due().ok().flatten().is_some_and(|due| due <= now)
    }

    pub(crate) fn is_any_release_due(&self) -> bool {
        let mut devices = 0..self.devices.len();
        devices.any(|device| (0..DATABASES.len()).any(|db| self.is_release_due(device, db)))
    }

    pub(crate) fn release(&mut self, device: usize, db: usize) {
        let now = self.devices[device].local(self.now);
        let Some(database) = self.devices[device].database(db).cloned() else { return };
        let released = database.release_due(now);
        self.trace_line(|_| format!("{device} releases what is due: {released:?}"));
    }
}
