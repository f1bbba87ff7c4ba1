//! What a device does that means harm: revisions that no honest hub would write.

use store::rev_tree::Derived;
use store::stamp::{EditContent, Stamp, stamped};
use store::{DocId, Edit, Lineage, Millis, RevId, Signature};

use crate::content::{Content, Leaf};
use crate::event::Job;
use crate::ledger::Author;
use crate::world::World;

const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;

/// The generation of a revision that claims to be very old.
const GENERATION_HUGE: u64 = u64::MAX - 1;

impl World {
    /// Plants a revision, for whoever pulls from the liar; `leaves` are those of a hub that it reads.
    pub(crate) fn lie_about(&mut self, liar: usize, db: usize, doc: &DocId, leaves: &[Leaf]) {
        let known = self.random.pick(leaves).cloned();
        let onto: Vec<RevId> = match &known {
            Some(leaf) if self.random.chance(70) => leaf.path.clone(),
            _ => Vec::new(),
        };
        let now = self.devices[liar].local(self.now);
        self.tags += 1;
        let body = format!(r#"{{"lie":{},"at":{}}}"#, self.tags, self.random.below(2 * now.0));
        let (deleted, attachments) = (self.random.chance(10), Default::default());
        let content = Content { deleted, body, attachments };
        let (path, deleted, author) = match self.random.below(7) {
            // Stamped like an edit of the past, of now, of the near and of the far future.
            0 | 1 => {
                let when = match self.random.below(4) {
                    0 => self.random.below(now.0),
                    1 => now.0,
                    2 => now.0 + self.random.below(30 * 60_000),
                    _ => now.0 + self.random.below(3 * YEAR_MS),
                };
                let author = Author::Liar;
                (self.stamped_onto(onto, Millis(when)), deleted, author)
            }
            // Stamped by shape: the check fails.
            2 | 3 => {
                let when = now.0 - YEAR_MS + self.random.below(2 * YEAR_MS);
                let mut path = self.stamped_onto(onto, Millis(when));
                if let Some(RevId { signature: Signature::Digest(digest), .. }) = path.first_mut() {
                    digest[15] ^= 1 << self.random.below(8);
                }
                (path, deleted, Author::Liar)
            }
            // A resolution tombstone of a revision that need not have lost.
            4 => {
                let Some(leaf) = known.filter(|leaf| !leaf.content.deleted) else { return };
                let tombstone = Derived::Overwritten.tombstone(leaf.rev());
                let path = std::iter::once(tombstone).chain(leaf.path).collect();
                return self.plant(liar, db, doc, (path, true), Content::default(), None);
            }
            // A history that was not: a revision below others than its own.
            5 => {
                let mut path = onto;
                for rev in path.iter_mut().skip(1) {
                    if self.random.chance(50) {
                        rev.signature = Signature::Digest(self.random.bytes());
                        self.ledger.make_up(db, doc, rev);
                    }
                }
                let path = self.random_onto(path);
                (path, deleted, Author::Liar)
            }
            // Older than anything can become.
            _ => {
                let signature = Signature::Digest(self.random.bytes());
                let generation = if self.random.chance(30) { GENERATION_HUGE } else { 1 };
                (vec![RevId { generation, signature }], deleted, Author::Liar)
            }
        };
        let content = Content { deleted, ..content };
        self.plant(liar, db, doc, (path, deleted), content, Some(author));
    }

    fn plant(
        &mut self,
        liar: usize,
        db: usize,
        doc: &DocId,
        (path, deleted): (Vec<RevId>, bool),
        content: Content,
        author: Option<Author>,
    ) {
        let edit = Edit {
            id: doc.clone(),
            lineage: Lineage::Path(path),
            deleted,
            body: content.body.clone().into(),
            attachments: Vec::new(),
        };
        let now = self.devices[liar].local(self.now);
        self.ask_disk(liar, Job::Edit { db, edit, content, now, author });
    }

    fn stamped_onto(&self, onto: Vec<RevId>, when: Millis) -> Vec<RevId> {
        let body = [self.tags as u8; 32];
        let edit =
            EditContent { parent: onto.first(), body: &body, attachments: &[], device: &[99; 32] };
        let rev = stamped(Stamp::at(when), &edit);
        std::iter::once(rev).chain(onto).collect()
    }

    fn random_onto(&mut self, onto: Vec<RevId>) -> Vec<RevId> {
        let generation = onto.first().map_or(0, |rev| rev.generation).saturating_add(1);
        let signature = Signature::Digest(self.random.bytes());
        std::iter::once(RevId { generation, signature }).chain(onto).collect()
    }
}
