//! The changes of those documents that a selector matches.

use std::fmt::Write as _;

use store::{Direction, DocTree, Seq, Snapshot};

use super::database::LocalDatabase;
use crate::{Change, ChangesBatch, ChangesQuery, PeerError, Select};

/// Changes looked at before an answer is given, even one without any.
const LOOKED_AT_MAX: usize = 20_000;

/// Changes read at a time.
const PAGE: usize = 500;

impl LocalDatabase {
    /// As [`Self::changes`], but only those leaves that `select` matches, tombstones too, as in
    /// CouchDB's `_selector`.
    ///
    /// # Errors
    /// Any of [`PeerError`].
    pub fn selected_changes(
        &self,
        query: &ChangesQuery,
        select: &dyn Select,
    ) -> Result<ChangesBatch, PeerError> {
        let mut last = self.since(query)?;
        self.database().read(|snapshot| {
            let mut changes = Vec::new();
            let mut looked_at = 0;
            let mut over = false;
            while !over && changes.len() < query.limit && looked_at < LOOKED_AT_MAX {
                let page = snapshot.changes(last, Direction::Ascending, PAGE)?;
                over = page.len() < PAGE;
                for change in page {
                    if changes.len() >= query.limit {
                        over = false;
                        break;
                    }
                    looked_at += 1;
                    last = change.seq;
                    changes.extend(selected(snapshot, change, query, select)?);
                }
            }
            let pending = snapshot.changes_after(last)?;
            Ok(self.answer(changes, last, pending))
        })
    }

    fn answer(&self, changes: Vec<Change>, last: Seq, pending: u64) -> ChangesBatch {
        ChangesBatch {
            changes,
            last_seq: self.database().seq(last).into(),
            pending: Some(pending),
            more: pending > 0,
            unreadable: 0,
        }
    }
}

/// The document with those of its leaves that are matched, if any is.
fn selected(
    snapshot: &Snapshot<'_>,
    change: store::Change,
    query: &ChangesQuery,
    select: &dyn Select,
) -> Result<Option<Change>, PeerError> {
    let Some(DocTree { tree, .. }) = snapshot.tree(&change.id)? else { return Ok(None) };
    let mut leaves = Vec::new();
    let asked = match query.leaves {
        crate::Leaves::All => usize::MAX,
        crate::Leaves::Winner => 1,
    };
    for (rev, deleted) in change.leaves.into_iter().take(asked) {
        let node = tree.find(&rev).map(|at| tree.node(at));
        let Some(stored) = node.and_then(|node| node.stored) else { continue };
        let Some(body) = snapshot.body(stored.body)? else { continue };
        let mut text = String::with_capacity(body.json.len() + 128);
        let id = serde_json::Value::from(change.id.as_str());
        let _ = write!(text, "{{\"_id\":{id},\"_rev\":\"{rev}\"");
        if deleted {
            text.push_str(",\"_deleted\":true");
        }
        match body.json.strip_prefix('{') {
            Some("}") | None => text.push('}'),
            Some(members) => {
                text.push(',');
                text.push_str(members);
            }
        }
        if select.matches(&text) {
            leaves.push(rev);
        }
    }
    Ok((!leaves.is_empty()).then_some(Change { id: change.id, leaves }))
}
