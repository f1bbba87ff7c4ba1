//! Purging revisions within a transaction.

use super::{Commit, Pending, Weight};
use crate::changes::encode_rev;
use crate::engine::PurgeRow;
use crate::{Error, Purge, RevId};

impl Commit<'_> {
    /// Takes the leaves among the revisions away, with bodies and all, and what is kept of revisions that
    /// lost or are held, and writes down what was asked for. Returns the leaves that are gone.
    pub(in crate::database) fn purge(&mut self, purge: &Purge) -> Result<Vec<RevId>, Error> {
        self.counters.purge_seq += 1;
        let mut revs = Vec::new();
        purge.revs.iter().for_each(|rev| encode_rev(&mut revs, rev, false));
        self.rows.put_purge(&PurgeRow {
            seq: self.counters.purge_seq,
            uuid: crate::store::random()?,
            doc: purge.id.to_string(),
            revs,
        })?;
        self.load(&purge.id)?;
        let Some(pending) = self.docs.get_mut(&purge.id) else { return Ok(Vec::new()) };
        let before: Vec<RevId> = pending.tree.nodes().map(|node| node.rev.clone()).collect();
        let purged = pending.tree.purge(&purge.revs);
        if !purged.revs.is_empty() {
            self.free(&purge.id, &purged.freed)?;
            self.mark_changed(&purge.id);
        }
        self.purge_overwritten(&purge.id, &purge.revs, &before)?;
        self.purge_held(&purge.id, &purge.revs)?;
        Ok(purged.revs)
    }

    /// Removes the rows of a document that has no revision left. It takes a position in the feed that
    /// nothing stands at, so that whoever follows the sequence notices.
    pub(super) fn forget_document(&mut self, id: &str, pending: &Pending) -> Result<(), Error> {
        self.counters.update_seq += 1;
        self.reweigh(pending, Weight::default())?;
        self.recharge(pending)?;
        let counters = &mut self.counters;
        let Some(before) = &pending.before else { return Ok(()) };
        let count =
            if before.deleted { &mut counters.docs_deleted } else { &mut counters.docs_live };
        *count = count.saturating_sub(1);
        self.rows.delete_change(before.seq)?;
        self.rows.delete_doc(id)
    }
}
