//! Conflicts decided within the transaction that brings them about.

use super::{Commit, Contents, EMPTY, Lost};
use crate::database::setting;
use crate::engine::Rows;
use crate::rev_tree::resolve::revival;
use crate::rev_tree::{Derived, Inserted, Node, NodeId, Resolution, RevTree, Stored, check_path};
use crate::stamp::{Stamp, stamp_of};
use crate::{ConflictPolicy, ConflictRule, DocId, Error, FieldPath, Millis, RevId};

impl Commit<'_> {
    /// Decides the conflict of a document, as far as the database's rule does.
    pub(super) fn settle(&mut self, id: &DocId) -> Result<(), Error> {
        match self.decide(id)? {
            Resolution::Stands => Ok(()),
            Resolution::Overwrite(losers) => self.overwrite(id, &losers),
            Resolution::Revive(tombstones) => self.revive(id, &tombstones),
        }
    }

    /// Has a document's conflict decided, whether it changed or not; whether there is anything to do.
    pub(in crate::database) fn resolve(&mut self, id: &DocId, now: Millis) -> Result<bool, Error> {
        self.now = self.now.max(now);
        self.load(id)?;
        let decided = self.decide(id)? != Resolution::Stands;
        if decided {
            self.mark_changed(id);
        }
        Ok(decided)
    }

    fn decide(&mut self, id: &DocId) -> Result<Resolution, Error> {
        if !self.tree(id).is_some_and(RevTree::is_undecided) {
            return Ok(Resolution::Stands);
        }
        let field = match &self.rule()?.policy {
            ConflictPolicy::Keep => return Ok(Resolution::Stands),
            ConflictPolicy::Newest => None,
            ConflictPolicy::NewestBy(field) => Some(field.clone()),
        };
        let Some(tree) = self.tree(id) else { return Ok(Resolution::Stands) };
        tree.resolve(|node| {
            let Some(field) = &field else { return Ok(stamp_of(&node.rev)) };
            let body = match node.stored {
                Some(stored) => Some(stored.body),
                None => self.overwritten_body(id, &node.rev)?,
            };
            time_of(&*self.rows, Some(field), node, body)
        })
    }

    fn rule(&mut self) -> Result<&ConflictRule, Error> {
        if self.rule.is_none() {
            let stored = self.rows.setting(setting::CONFLICT_RULE)?;
            self.rule = Some(setting::conflict_rule(stored.as_deref())?);
        }
        Ok(self.rule.get_or_insert_default())
    }

    /// Puts resolution tombstones on live leaves, and keeps what they held.
    fn overwrite(&mut self, id: &DocId, losers: &[NodeId]) -> Result<(), Error> {
        let Some(tree) = self.tree(id) else { return Ok(()) };
        let losers: Vec<(Vec<RevId>, Option<Stored>)> =
            losers.iter().map(|at| (path_to(tree, *at), tree.node(*at).stored)).collect();
        for (path, stored) in losers {
            let Some(rev) = path.first() else { continue };
            let lost = stored.map(|stored| Lost { rev: rev.clone(), deleted: false, stored });
            let tombstone = Derived::Overwritten.tombstone(rev);
            let path: Vec<RevId> = std::iter::once(tombstone).chain(path).collect();
            let stored = Stored::new(self.next_body(), EMPTY.len() as u64);
            let Some(pending) = self.docs.get_mut(id) else { return Ok(()) };
            match pending.tree.insert_path(&path, true, Some(stored)) {
                // Generations end somewhere; then the conflict stays.
                Err(_) | Ok(Inserted::Known { body_taken: false, .. }) => continue,
                Ok(_) => {}
            }
            pending.lose(lost);
            self.put_body(stored.body, EMPTY, &[])?;
        }
        // Once for all: a document may have very many.
        self.stem(id)
    }

    /// Brings back the first of those that were taken away whose contents are here.
    fn revive(&mut self, id: &DocId, tombstones: &[NodeId]) -> Result<(), Error> {
        let Some(tree) = self.tree(id) else { return Ok(()) };
        let paths: Vec<Vec<RevId>> = tombstones.iter().map(|at| path_to(tree, *at)).collect();
        for path in paths {
            let [tombstone, rev, ..] = &path[..] else { continue };
            let (revived, rev) = (revival(tombstone, stamp_of(rev)), rev.clone());
            let path: Vec<RevId> = std::iter::once(revived).chain(path).collect();
            if check_path(&path).is_err() {
                continue;
            }
            let Some(stored) = self.take_back(id, &rev)? else { continue };
            if self.graft(id, &path, false, stored, false)? != Ok(true) {
                self.rows.delete_body(stored.body)?;
            }
            return Ok(());
        }
        Ok(())
    }

    /// The body of a revision that was taken away, wherever it still lies; there it is no more.
    fn take_back(&mut self, id: &DocId, rev: &RevId) -> Result<Option<Stored>, Error> {
        let Some(pending) = self.docs.get_mut(id) else { return Ok(None) };
        if let Some(at) = pending.lost.iter().position(|lost| lost.rev == *rev) {
            return Ok(Some(pending.lost.remove(at).stored));
        }
        let at = pending.tree.find(rev);
        if let Some(stored) = at.and_then(|at| pending.tree.node(at).stored) {
            pending.tree.forget_body(stored.body);
            return Ok(Some(stored));
        }
        let Some(row) = self.overwritten_row(id, rev)? else { return Ok(None) };
        let bytes = self.release_overwritten(&row)?;
        Ok(Some(Stored::new(row.body, bytes)))
    }
}

/// When a revision was written: what its field says, if there is one to ask, else its stamp.
pub(in crate::database) fn time_of(
    rows: &dyn Rows,
    field: Option<&FieldPath>,
    node: &Node,
    body: Option<crate::rev_tree::BodyId>,
) -> Result<Option<Stamp>, Error> {
    let stamp = stamp_of(&node.rev);
    let (Some(field), Some(body)) = (field, body) else { return Ok(stamp) };
    // Nothing is in the shortest body there is.
    if node.stored.is_some_and(|stored| stored.bytes <= EMPTY.len() as u64) {
        return Ok(stamp);
    }
    let json = Contents::of(rows, body)?.json()?;
    Ok(field.time_in(&json).or(stamp))
}

fn path_to(tree: &RevTree, at: NodeId) -> Vec<RevId> {
    tree.ancestry(at).map(|node| node.rev.clone()).collect()
}
