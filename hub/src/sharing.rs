//! What a person shares with others beyond a right: views published as databases of their own, what others
//! offer and was taken or declined, and edits that stay here since a share is only for reading.

mod declined;
mod derive;
mod deriving;
mod failure;
mod mark;
mod own_edits;
mod published;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::DbUuid;

pub(crate) use self::declined::{decline, declined, id as invitation_id};
pub(crate) use self::own_edits::OwnEdits;
pub(crate) use self::published::{Standing, follow, withdraw};

/// What is known of sharing beside what documents say; kept in memory.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    /// How it went last with each view that this device publishes.
    views: Mutex<BTreeMap<DbUuid, Standing>>,
    /// Databases of friends that were edited here though the edits stay here.
    pub(crate) own_edits: OwnEdits,
}

impl Sharing {
    /// How it went last with the view that this database is made of, where this device makes it.
    pub(crate) fn standing(&self, of: DbUuid) -> Option<Standing> {
        self.views().get(&of).cloned()
    }

    fn views(&self) -> MutexGuard<'_, BTreeMap<DbUuid, Standing>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
