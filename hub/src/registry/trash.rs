//! Deleted databases, kept for a while.

use std::sync::Arc;
use std::time::Duration;

use store::{DbUuid, Error, Millis, Trashed};
use tokio::time::sleep;

use super::Registry;
use crate::access;
use crate::app::App;
use crate::clock;

/// How often the trash is looked through.
const LOOK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a full disk is looked for.
const ROOM_EVERY: Duration = Duration::from_secs(60);

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Empties the trash of what is too old, each day; on a full disk also of the eldest, one after the other.
pub(crate) async fn keep(app: Arc<App>) {
    let mut looked: Option<Millis> = None;
    loop {
        let now = clock::now();
        let due = looked.is_none_or(|at| now.0.abs_diff(at.0) >= millis(LOOK_EVERY));
        if due || app.store.is_full() {
            if due {
                looked = Some(now);
            }
            let emptying = Arc::clone(&app);
            let emptied = tokio::task::spawn_blocking(move || {
                let days = emptying.databases.trash_days;
                let emptied = emptying.registry.empty_trash(days, emptying.store.is_full(), now);
                match emptied {
                    Ok(gone) => {
                        gone.into_iter().for_each(|uuid| forget_policy(&emptying, uuid, now))
                    }
                    Err(error) => {
                        tracing::warn!(error = error.unnamed(), "the trash could not be emptied");
                    }
                }
            });
            // What panics is tried again the next time.
            let _emptied = emptied.await;
        }
        sleep(ROOM_EVERY).await;
    }
}

/// Forgets with whom a database was shared, unless it is here or can be brought back from the trash. Its
/// uuid comes never again, so what is left there gives nobody anything. May block.
pub(crate) fn forget_policy(app: &App, uuid: DbUuid, now: Millis) {
    let in_trash = app.store.trash().map(|trash| trash.iter().any(|trashed| trashed.uuid == uuid));
    if app.store.database_of(uuid).is_some() || in_trash.unwrap_or(true) {
        return;
    }
    if let Err(error) = access::forget(&app.store, uuid, now) {
        tracing::warn!(%error, "the policy of a deleted database is left in _acl");
    }
}

impl Registry {
    /// Deletes for good what has been in the trash for so many days, or the eldest where there is no room.
    /// Those that are gone are handed back.
    fn empty_trash(&self, days: u32, is_full: bool, now: Millis) -> Result<Vec<DbUuid>, Error> {
        let _state = self.state();
        let mut trash = self.store.trash()?;
        trash.sort_by_key(|trashed| self.deleted_at(trashed));
        let old =
            trash.iter().filter(|trashed| self.ends(trashed, days).is_some_and(|at| at <= now));
        let old: Vec<_> = old.map(|trashed| trashed.uuid).collect();
        let eldest =
            trash.first().map(|trashed| trashed.uuid).filter(|_| is_full && old.is_empty());
        let gone: Vec<_> = old.into_iter().chain(eldest).collect();
        for uuid in &gone {
            self.store.discard(*uuid)?;
            tracing::info!(database = %uuid, "deleted for good");
        }
        Ok(gone)
    }

    /// When a database was deleted that is in the trash, as far as that is known.
    pub(super) fn deleted_at(&self, trashed: &Trashed) -> Option<Millis> {
        // The store does not know where the hub was killed meanwhile: the record was written before.
        trashed.deleted.or_else(|| self.record(trashed.uuid)?.deleted_at)
    }

    /// Until when a database can be brought back from the trash.
    pub(super) fn ends(&self, trashed: &Trashed, days: u32) -> Option<Millis> {
        let deleted = self.deleted_at(trashed)?;
        Some(Millis(deleted.0.saturating_add(u64::from(days) * DAY_MS)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use identity::DeviceKey;
    use store::{ConflictPolicy, DbName, Options, Store};

    use super::*;
    use crate::access::LivePolicies;
    use crate::registry::{DBS, NewDatabase};

    const OPTIONS: Options = Options { writer_threads: 0, open_databases_max: 2, device: [7; 32] };

    #[test]
    fn what_is_too_old_goes_and_on_a_full_disk_the_eldest() {
        let store = Store::in_memory(&OPTIONS).unwrap();
        store.create(&DBS.parse().unwrap(), Millis(1)).unwrap();
        let key = DeviceKey::from_seed(&[7; 32]).public();
        let policies = Arc::new(LivePolicies::new(key));
        let registry = Registry::new(Arc::clone(&store), policies, key, 30);
        for (name, deleted) in [("a", 100), ("b", 101), ("c", 102)] {
            let name: DbName = name.parse().unwrap();
            let wanted = NewDatabase::named(name, ConflictPolicy::Keep);
            let database = registry.create(&wanted, Millis(2)).unwrap();
            registry.delete(&database, Millis(deleted * DAY_MS)).unwrap();
        }
        let left = |days, is_full, now: u64| {
            registry.empty_trash(days, is_full, Millis(now * DAY_MS)).unwrap();
            let trash = store.trash().unwrap();
            trash.iter().map(|trashed| trashed.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(left(30, false, 129), ["a", "b", "c"]);
        assert_eq!(left(30, false, 130), ["b", "c"]);
        assert_eq!(left(30, true, 130), ["c"], "there is no room");
        let word = store.trash().unwrap()[0].uuid.to_string();
        registry.restore(&word, None, Millis(131 * DAY_MS)).unwrap();
        assert!(left(0, false, 200).is_empty());
        assert_eq!(store.databases().len(), 2);
    }
}
