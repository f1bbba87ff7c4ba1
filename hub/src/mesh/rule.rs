//! What decides conflicts in a database that is shared with a friend: the friends' hubs do not share
//! `_dbs`, so the newer rule comes by the feed.

use std::sync::Arc;

use identity::PublicKey;
use store::{ConflictPolicy, DbUuid};

use super::permit::Rights;
use super::state::Rule;
use super::{Kind, databases};
use crate::access::{self, AclError};
use crate::app::App;
use crate::clock;
use crate::registry::{DBS, Record};

/// Takes a friend's rule where it is newer than ours; of two of one version the greater text counts, at
/// both ends. Writes in the background.
pub(super) fn heed(app: &Arc<App>, key: PublicKey, id: DbUuid, rule: &Rule) {
    let Some(record) = app.registry.record(id).filter(|record| is_newer(rule, record)) else {
        return;
    };
    let person = |key| app.access.policies().person(key);
    let is_friend = app.mesh.peers.now().get(&key).is_some_and(|peer| peer.kind == Kind::Friend);
    let Some(database) = databases::find(app, id) else { return };
    let Ok(policy) = rule.policy.parse::<ConflictPolicy>() else { return };
    // Whoever shared it says so, or may do as much here.
    let may = record.device.map(person) == Some(person(key))
        || Rights::of(app, key, &database).administers();
    if !is_friend || !may {
        return;
    }
    let (app, rule) = (Arc::clone(app), rule.clone());
    tokio::task::spawn_blocking(move || {
        let Some(dbs) = DBS.parse().ok().and_then(|name| app.store.database(&name)) else { return };
        let written = access::change_in(&dbs, &id.to_string(), clock::now(), |before| {
            let record = before.and_then(|text| Record::parse(id, text).ok());
            let mut record = record.ok_or(AclError::Unknown("there is no such record"))?;
            if is_newer(&rule, &record) {
                record.conflicts = policy.clone();
                record.conflicts_version = rule.version;
            }
            Ok(Some(record.text()))
        });
        if let Err(error) = written {
            tracing::debug!(%error, "could not take a friend's rule for conflicts");
        }
    });
}

fn is_newer(rule: &Rule, record: &Record) -> bool {
    let ours = record.conflicts.to_string();
    (rule.version, rule.policy.as_str()) > (record.conflicts_version, ours.as_str())
}
