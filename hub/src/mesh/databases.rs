//! Databases as hubs know them: by ids that are the same everywhere.

use std::sync::Arc;

use acl::{Action, Caller, Resource};
use identity::PublicKey;
use replication::Rank;
use store::{Database, DbUuid};

use crate::app::App;

/// Every database that another hub could be offered, with the id it is known by.
pub(super) fn all(app: &App) -> Vec<(DbUuid, Arc<Database>)> {
    app.registry.syncable()
}

/// The one of this id, where it is here and leaves this device.
pub(super) fn find(app: &App, id: DbUuid) -> Option<Arc<Database>> {
    app.registry.database(id)
}

/// What a database is to the hubs, by what it is called.
pub(super) fn rank(name: &str) -> Rank {
    match name {
        "_dbs" => Rank::Registry,
        "_acl" => Rank::Rights,
        _ if name.starts_with('_') => Rank::System,
        _ => Rank::Person,
    }
}

/// Whether a peer may read it.
pub(super) fn may_read(app: &App, key: PublicKey, database: &Database) -> bool {
    let policies = app.access.policies().now();
    let name = database.name();
    let resource = Resource::Database { name: &name, uuid: Some(database.uuid()) };
    policies.decide(Caller::Key(key), Action::Read, resource).is_allowed()
}
