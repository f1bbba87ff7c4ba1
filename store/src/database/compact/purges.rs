//! What compaction does about purges: those that happen meanwhile, and the records it keeps.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Sums, take_back};
use crate::Error;
use crate::database::purge::PURGES_LIMIT;
use crate::database::{decode_number, setting};
use crate::engine::{Engine, Rows, RowsMut};

/// Removes from the target what was copied and then purged: the feed of the source no longer tells of
/// a document that is gone. `before` is the last purge before the first slice was read.
pub(super) fn follow(source: &dyn Engine, target: &dyn Engine, before: u64) -> Result<(), Error> {
    source.read(&mut |from| {
        let mut purged = BTreeSet::new();
        from.purges(before, &mut |row| {
            purged.insert(row.doc);
            ControlFlow::Continue(())
        })?;
        // What is left of a document, or was written anew, stands at a later sequence and was copied.
        let mut gone = Vec::new();
        for id in purged {
            if from.head(&id)?.is_none() {
                gone.push(id);
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        target.write(&mut |to| {
            let mut sums = Sums::read(to)?;
            for id in &gone {
                if take_back(id, &mut sums, to)? {
                    to.delete_doc(id)?;
                }
            }
            sums.write(to)
        })
    })
}

/// Copies the records of the last purges, as many as are to be kept.
pub(super) fn copy(from: &dyn Rows, to: &mut dyn RowsMut) -> Result<(), Error> {
    let limit = decode_number(from.setting(setting::PURGES_LIMIT)?).unwrap_or(PURGES_LIMIT);
    let last = from.counters()?.purge_seq;
    let mut copied = Ok(());
    from.purges(last.saturating_sub(limit), &mut |row| {
        copied = to.put_purge(&row);
        if copied.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    copied
}
