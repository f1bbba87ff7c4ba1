//! The changes of those documents that a selector or a function means.

use store::{Direction, DocId, DocTree, Error, Output, RevId, Seq, Show, Snapshot};

use super::database::LocalDatabase;
use crate::{Change, ChangesBatch, ChangesQuery, Leaves, PeerError, Select};

/// Changes looked at before an answer is given, even one without any.
const LOOKED_AT_MAX: usize = 20_000;

/// Changes read at a time.
const PAGE: std::ops::RangeInclusive<usize> = 50..=500;

/// Bytes of documents read at a time; one document more may exceed it.
const PAGE_BYTES: usize = 4 << 20;

impl LocalDatabase {
    /// As [`Self::changes`], but only those leaves that `select` means, tombstones too, as in
    /// CouchDB.
    ///
    /// # Errors
    /// Any of [`PeerError`].
    pub fn selected_changes(
        &self,
        query: &ChangesQuery,
        select: &dyn Select,
    ) -> Result<ChangesBatch, PeerError> {
        let mut last = self.since(query)?;
        let mut changes = Vec::new();
        let mut looked_at = 0;
        let mut over = false;
        while !over && changes.len() < query.limit && looked_at < LOOKED_AT_MAX {
            let wanted = (query.limit - changes.len()).clamp(*PAGE.start(), *PAGE.end());
            let page = self
                .database()
                .read::<_, Error>(|snapshot| Page::read(snapshot, last, wanted, query.leaves))?;
            over = page.over;
            looked_at += page.changes.len();
            let meant = if page.texts.is_empty() { vec![] } else { select.select(page.texts)? };
            let mut meant = meant.into_iter();
            for (seq, id, leaves) in page.changes {
                if changes.len() >= query.limit {
                    break;
                }
                last = seq;
                let leaves = leaves.into_iter();
                let leaves: Vec<RevId> = leaves.filter(|_| meant.next().unwrap_or(false)).collect();
                if !leaves.is_empty() {
                    changes.push(Change { id, leaves });
                }
            }
        }
        let pending = self.database().read::<_, Error>(|snapshot| snapshot.changes_after(last))?;
        Ok(ChangesBatch {
            changes,
            last_seq: self.database().seq(last).into(),
            pending: Some(pending),
            more: pending > 0,
            unreadable: 0,
        })
    }
}

/// Changes, and the documents that they made.
struct Page {
    changes: Vec<(Seq, DocId, Vec<RevId>)>,
    /// One for each of the leaves.
    texts: Vec<String>,
    /// Whether nothing comes behind them.
    over: bool,
}

impl Page {
    fn read(
        snapshot: &Snapshot<'_>,
        after: Seq,
        wanted: usize,
        leaves: Leaves,
    ) -> Result<Self, Error> {
        let found = snapshot.changes(after, Direction::Ascending, wanted)?;
        let mut page = Self { changes: vec![], texts: vec![], over: found.len() < wanted };
        let mut bytes = 0;
        for change in found {
            if bytes >= PAGE_BYTES {
                page.over = false;
                break;
            }
            let Some(tree) = snapshot.tree(&change.id)? else {
                page.changes.push((change.seq, change.id, vec![]));
                continue;
            };
            let asked = match leaves {
                Leaves::All => usize::MAX,
                Leaves::Winner => 1,
            };
            let mut revs = Vec::new();
            for (rev, _) in change.leaves.into_iter().take(asked) {
                if let Some(text) = revision_text(snapshot, &change.id, &tree, &rev)? {
                    bytes += text.len();
                    page.texts.push(text);
                    revs.push(rev);
                }
            }
            page.changes.push((change.seq, change.id, revs));
        }
        Ok(page)
    }
}

/// A revision as text, as filters see it, where it is stored.
pub(crate) fn revision_text(
    snapshot: &Snapshot<'_>,
    id: &DocId,
    tree: &DocTree,
    rev: &RevId,
) -> Result<Option<String>, Error> {
    let mut out = Output::new();
    if !snapshot.render_revision(id, tree, rev, &Show::default(), &mut out)? {
        return Ok(None);
    }
    let damaged = |_| Error::Damaged(format!("document {id} is not UTF-8"));
    String::from_utf8(std::mem::take(out.text())).map(Some).map_err(damaged)
}
