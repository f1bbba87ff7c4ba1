//! How many changes a reader has before it, remembered from one page to the next.

use std::sync::Mutex;

use crate::Error;
use crate::core::lock;
use crate::engine::Rows;

/// The count of changes behind the position that was asked for last.
///
/// A client that pages through a feed is told with every page how many changes are left. Counting
/// them all each time costs more than the pages; counting on from the page before does not.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<Option<Known>>);

/// A count, and the state of the database in which it is right.
#[derive(Clone, Copy, Debug)]
struct Known {
    update_seq: u64,
    documents: u64,
    position: u64,
    after: u64,
}

impl Pending {
    /// Changes after `from`: counted from the nearest position whose count is known, which are the
    /// beginning, the end and the one asked for last.
    pub(super) fn after(&self, rows: &dyn Rows, from: u64) -> Result<u64, Error> {
        let counters = rows.counters()?;
        let (update_seq, documents) =
            (counters.update_seq, counters.docs_live + counters.docs_deleted);
        if from >= update_seq {
            return Ok(0);
        }
        // Every document has one change; nothing else moves the counts without moving these.
        let last = (*lock(&self.0))
            .filter(|last| last.update_seq == update_seq && last.documents == documents)
            .map(|last| (last.position, last.after));
        let ends = [(0, documents), (update_seq, 0)];
        let known = ends.into_iter().chain(last).min_by_key(|(known, _)| known.abs_diff(from));
        let (position, count) = known.unwrap_or((0, documents));
        let after = match position <= from {
            true => count.saturating_sub(rows.count_changes(position, from)?),
            false => count.saturating_add(rows.count_changes(from, position)?),
        };
        *lock(&self.0) = Some(Known { update_seq, documents, position: from, after });
        Ok(after)
    }
}
