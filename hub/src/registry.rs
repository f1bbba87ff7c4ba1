//! Which databases there are, whatever they are called: kept in the database `_dbs`, which a person's
//! devices have in common, held in memory, and obeyed whoever wrote there.

mod apply;
mod change;
mod follow;
mod publish;
mod record;
mod records;
mod rules;
pub(crate) mod serve;
mod system;
mod trash;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use identity::PublicKey;
use store::{ConflictRule, Database, DbName, DbUuid, Error, Seq, Store};
use tokio::sync::watch;

pub(crate) use self::change::NewDatabase;
pub(crate) use self::follow::follow;
pub(crate) use self::publish::fold;
pub(crate) use self::record::{Record, Scope, SourceView};
use self::rules::Rules;
pub(crate) use self::system::{DBS, MESH, is_of_mesh};
pub(crate) use self::trash::{forget_policy, keep as keep_trash};
use crate::access::LivePolicies;

/// Which databases there are.
pub(crate) struct Registry {
    store: Arc<Store>,
    policies: Arc<LivePolicies>,
    /// This device's own key.
    device: PublicKey,
    /// Whether deleted databases are kept for a while.
    keeps_trash: bool,
    records: ArcSwap<BTreeMap<DbUuid, Arc<Record>>>,
    /// Counts up when records have changed and were obeyed.
    changes: watch::Sender<u64>,
    /// Held while databases are made, renamed, deleted, or records obeyed.
    state: Mutex<State>,
}

/// How far records were read and obeyed.
#[derive(Debug, Default)]
struct State {
    /// Up to where `_dbs` was read, and which `_dbs` that was.
    read: Option<(DbUuid, Seq)>,
    /// Documents that are no records: nothing is done about their databases.
    unreadable: BTreeSet<DbUuid>,
    /// What is known to become of conflicts in each database.
    rules: Option<Rules>,
    /// Databases whose conflicts are still to be resolved by the rule that they have.
    unsettled: Vec<(Arc<Database>, ConflictRule)>,
    /// Databases that were deleted though it could not be noted for want of room.
    unnoted: BTreeSet<DbUuid>,
}

/// Something about databases could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    /// There is no such database, or none in the trash.
    #[error("{0}")]
    Unknown(&'static str),
    /// What was asked for cannot be.
    #[error("{0}")]
    Refused(String),
    /// The record was changed over and over by others at the same time.
    #[error("the database's record was changed by somebody else at the same time; try again")]
    Conflict,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Registry {
    /// Knows nothing until [`Self::apply`].
    pub(crate) fn new(
        store: Arc<Store>,
        policies: Arc<LivePolicies>,
        device: PublicKey,
        trash_days: u32,
    ) -> Self {
        Self {
            store,
            policies,
            device,
            keeps_trash: trash_days > 0,
            records: ArcSwap::default(),
            changes: watch::Sender::new(0),
            state: Mutex::default(),
        }
    }

    /// What `_dbs` says of a database; system databases have no records.
    pub(crate) fn record(&self, uuid: DbUuid) -> Option<Arc<Record>> {
        self.records.load().get(&uuid).cloned()
    }

    /// Every record, deleted databases included.
    pub(crate) fn records(&self) -> Arc<BTreeMap<DbUuid, Arc<Record>>> {
        self.records.load_full()
    }

    /// Told when records have changed and were obeyed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The database that hubs know as this: by its uuid, or one that each of them has of its own.
    pub(crate) fn database(&self, id: DbUuid) -> Option<Arc<Database>> {
        match system::by_sync_id(id) {
            Some(name) => self.store.database(&name),
            None => self.store.database_of(id).filter(|database| !database.name().is_system()),
        }
    }

    /// What hubs know a database as; `None` where it is on this device only.
    pub(crate) fn sync_id(&self, database: &Database) -> Option<DbUuid> {
        let (name, uuid) = (database.name(), database.uuid());
        if name.is_system() {
            return is_of_mesh(name.as_str()).then(|| system::sync_id(name.as_str()));
        }
        self.record(uuid).filter(|record| record.is_live() && record.scope != Scope::Local)?;
        Some(uuid)
    }

    /// Every database that hubs know, with what they know it as, `_dbs` first.
    pub(crate) fn syncable(&self) -> Vec<(DbUuid, Arc<Database>)> {
        let named = |name: &str| self.store.database(&name.parse::<DbName>().ok()?);
        let of_mesh = MESH.iter().filter_map(|name| Some((system::sync_id(name), named(name)?)));
        let records = self.records.load();
        let live =
            records.values().filter(|record| record.is_live() && record.scope != Scope::Local);
        let others = live.filter_map(|record| Some((record.uuid, self.database(record.uuid)?)));
        of_mesh.chain(others).collect()
    }

    /// How often it was set what becomes of conflicts in the database that hubs know as this.
    pub(crate) fn rule_version(&self, id: DbUuid) -> u64 {
        match system::by_sync_id(id) {
            Some(name) => system::rule(name.as_str()).version,
            None => self.record(id).map_or(0, |record| record.conflicts_version),
        }
    }

    /// What becomes of conflicts in a database here.
    pub(crate) fn rule(&self, database: &Database) -> ConflictRule {
        let name = database.name();
        match name.is_system() {
            true => system::rule(name.as_str()),
            false => self.record(database.uuid()).map(|record| record.rule()).unwrap_or_default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whatever panicked with it, what was read is read, and the rest is looked at anew.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database of records.
    fn dbs(&self) -> Result<Arc<Database>, Error> {
        let name: DbName = DBS.parse().map_err(|_| Error::NoDatabase)?;
        self.store.database(&name).ok_or(Error::NoDatabase)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}
