//! Whether hubs decided conflicts as the design says, told from the ledger.

use store::{ConflictPolicy, DocId, RevId};

use crate::checker::{Found, Holding};
use crate::content::Content;
use crate::ledger::Author;
use crate::stamp::ticks;
use crate::world::World;

/// What somebody wrote and nobody wrote on.
struct Tip<'a> {
    rev: &'a RevId,
    ticks: Option<u64>,
    content: &'a Content,
}

impl World {
    /// A document that hubs decided otherwise than they should have.
    pub(crate) fn misjudged(&self, db: usize, holdings: &[Holding]) -> Option<String> {
        let hubs = (0..self.devices.len()).filter(|device| self.devices[*device].is_hub());
        hubs.into_iter().find_map(|device| {
            let holding = holdings[device].iter();
            // What was made up stands in several places, in other ones at other hubs.
            let mut documents = holding.filter(|(doc, _)| !self.ledger.is_made_up(db, doc));
            documents.find_map(|(doc, found)| {
                let wrong =
                    self.died(db, doc, found).or_else(|| self.lost_wrongly(db, doc, found))?;
                Some(format!("at {device}, {doc} {wrong}"))
            })
        })
    }

    /// No document ends by itself: somebody has to want that.
    fn died(&self, db: usize, doc: &DocId, found: &Found) -> Option<String> {
        let by_nobody = |rev: &RevId| {
            // Who gives up one of several branches means the branch.
            self.ledger.writers(db, doc, rev).all(|one| one.author == Author::Hub)
                && ticks(rev).is_none()
        };
        let is_dead = found.leaves.values().all(|content| content.deleted);
        let died = !found.leaves.is_empty() && is_dead && found.leaves.keys().all(by_nobody);
        died.then(|| "is deleted, and nobody deleted it".into())
    }

    /// Where the newest is to win, and nothing else ever was, it has won, and nothing without a stamp has
    /// lost.
    fn lost_wrongly(&self, db: usize, doc: &DocId, found: &Found) -> Option<String> {
        let chosen = &self.policies_had[db];
        if chosen.iter().any(|policy| *policy != ConflictPolicy::Newest) {
            return None;
        }
        let by_hubs = found.revisions.iter();
        let by_hubs = by_hubs.filter(|(rev, _)| !self.ledger.is_by_somebody(db, doc, rev));
        let mut lost = by_hubs.flat_map(|(_, parents)| parents);
        let was_live =
            |rev: &RevId| self.ledger.writers(db, doc, rev).any(|written| !written.content.deleted);
        let unstamped = lost.find(|rev| was_live(rev) && ticks(rev).is_none());
        if let Some(rev) = unstamped {
            return Some(format!("{rev} has no stamp, and lost by it"));
        }
        let tips = self.tips(db, doc, found);
        // Without a stamp a live leaf leaves everything to people, and a deletion gave up a branch: what
        // lost to that one before does not come back where somebody deleted another.
        if tips.iter().any(|tip| tip.ticks.is_none()) {
            return None;
        }
        let stamped = tips.iter().filter(|tip| tip.ticks.is_some());
        let newest = stamped.max_by_key(|tip| (tip.ticks, tip.rev))?;
        let live: Vec<(&RevId, &Content)> =
            found.leaves.iter().filter(|(_, content)| !content.deleted).collect();
        let expected = usize::from(!newest.content.deleted);
        if live.len() != expected {
            return Some(format!("has {} live leaves, not {expected}", live.len()));
        }
        // A hub may have had to bring it back.
        let is_newest =
            |rev: &RevId, content: &Content| match self.ledger.is_by_somebody(db, doc, rev) {
                true => rev == newest.rev,
                false => content == newest.content && ticks(rev) == newest.ticks,
            };
        let (wrong, _) = live.into_iter().find(|(rev, content)| !is_newest(rev, content))?;
        Some(format!("is {wrong}, not {}", newest.rev))
    }

    fn tips<'t>(&'t self, db: usize, doc: &DocId, found: &'t Found) -> Vec<Tip<'t>> {
        let mut tips = Vec::new();
        for rev in found.revisions.keys().filter(|rev| !found.edited.contains(*rev)) {
            if let Some(written) = self.ledger.writers(db, doc, rev).next() {
                tips.push(Tip { rev, ticks: ticks(rev), content: &written.content });
            }
        }
        tips
    }
}
