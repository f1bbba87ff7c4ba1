//! Hubs that have no room for what a peer brings, and have it later.

use std::sync::Arc;

use replication::sync::Target;
use replication::{Judge, PeerError, RefusalReason};
use store::{Database, Edit};

use crate::world::World;

/// Finds no room for some documents, whatever is brought of them; deletions need none.
struct Full {
    which: u64,
}

impl Judge for Full {
    fn judge(
        &self,
        _: &Arc<Database>,
        edits: &[Edit],
    ) -> Result<Vec<Result<(), RefusalReason>>, PeerError> {
        let sum = |edit: &Edit| edit.id.as_str().bytes().map(u64::from).sum::<u64>();
        let finds_none = |edit: &Edit| !edit.deleted && (sum(edit) + self.which).is_multiple_of(3);
        let judged = edits.iter().map(|edit| match finds_none(edit) {
            true => Err(RefusalReason::NoRoom("over quota".into())),
            false => Ok(()),
        });
        Ok(judged.collect())
    }
}

impl World {
    /// The same target, as a hub that has room for all of it now, or does not; `None` where its disk fails.
    pub(crate) fn with_room(&mut self, target: Target, number: u64) -> Option<Target> {
        let percent = if self.calm { 0 } else { self.profile.full };
        // Of its own, so that everything else happens as where there is always room.
        if self.full.chance(percent) {
            return Some(target.judged_by(Arc::new(Full { which: number })));
        }
        let known = target.checkpoint().ok()?;
        if known.is_some_and(|known| known.postponed) {
            target.forget().ok()?;
        }
        Some(target)
    }
}
