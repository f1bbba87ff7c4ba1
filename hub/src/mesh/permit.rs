//! Whether what a peer offers may be pulled: into databases that it may write to, by this hub's own
//! rights.

use std::sync::Arc;

use acl::{Action, Caller, Resource};
use identity::PublicKey;
use replication::{Permit, Trouble};
use store::{Database, DbUuid};

use super::databases;
use super::link::trouble;
use super::record::Kind;
use super::why::RIGHT_HERE;
use super::{id_of, state::State};
use crate::app::App;

/// What a peer may do in a database, of what pulling asks about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rights(u8);

/// What pulling asks about: one that is added later lets in what was refused before.
const ASKED: [Action; 3] = [Action::Write, Action::WriteViews, Action::WriteDesign];

impl Rights {
    /// What it may do now.
    pub(super) fn of(app: &App, key: PublicKey, database: &Database) -> Self {
        let policies = app.access.policies().now();
        let name = database.name();
        let resource = Resource::Database { name: &name, uuid: Some(database.uuid()) };
        let may = |action| policies.decide(Caller::Key(key), action, resource).is_allowed();
        let bits = ASKED.iter().enumerate().map(|(at, action)| u8::from(may(*action)) << at);
        Self(bits.sum())
    }

    /// Whether it may write documents.
    pub(super) fn writes(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether it may write any design document, which is administration.
    pub(super) fn administers(self) -> bool {
        self.0 & 4 != 0
    }

    /// Whether there is any that there was not before.
    fn has_more_than(self, before: Self) -> bool {
        self.0 & !before.0 != 0
    }
}

/// Whether what this peer has in a database, which it calls so, may be pulled; opens nothing.
pub(super) fn permit(app: &App, key: PublicKey, id: DbUuid, name: &str) -> Permit {
    let peers = app.mesh.peers.now();
    let Some(peer) = peers.get(&key) else {
        return Permit::Withheld(trouble("peer_unknown", "it is no device and no friend"));
    };
    if app.mesh.rules.own(id).is_some_and(|rule| rule.skip) {
        return Permit::Withheld(trouble("rule", "a rule of this device's leaves it out"));
    }
    match databases::find(app, id) {
        Some(database) if Rights::of(app, key, &database).writes() => Permit::Granted,
        Some(_) => Permit::Withheld(trouble(RIGHT_HERE, "it may not write here")),
        None => Permit::Withheld(absence(app, id, name, peer.kind)),
    }
}

/// Why a database that a peer offers is not here.
fn absence(app: &App, id: DbUuid, name: &str, kind: Kind) -> Trouble {
    let record = app.registry.record(id);
    match (record, kind) {
        (Some(record), _) if !record.is_live() => trouble("deleted_here", "it was deleted here"),
        (Some(_), _) => trouble("local_only", "it stays on this device"),
        (None, Kind::Friend) => trouble("not_accepted", "nobody has accepted it here"),
        (None, Kind::Device) if name.starts_with('_') => {
            trouble("local_only", "no release of this hub's shares it")
        }
        (None, Kind::Device) => trouble("registry", "its record has yet to come"),
    }
}

/// Databases of which a peer may do more than at the last look: what it has is to be looked at anew.
pub(super) type Gained = Vec<(PublicKey, DbUuid, Arc<Database>)>;

/// Looks at the rights of everybody anew. What was lost is stopped; what was gained is handed back.
pub(super) fn look(app: &App, state: &mut State) -> Gained {
    let mut gained = Gained::new();
    let keys: Vec<_> = state.ways.keys().copied().collect();
    for key in keys {
        let peer = id_of(key);
        let Some(known) = state.manager.peer(peer) else { continue };
        let offered: Vec<_> = known
            .databases()
            .filter_map(|(id, standing)| Some((id, standing.offered()?.name.clone())))
            .collect();
        for (id, name) in offered {
            state.manager.permit(peer, id, permit(app, key, id, &name));
            select(app, state, key, id);
            let Some(database) = databases::find(app, id) else { continue };
            let now = Rights::of(app, key, &database);
            let before = state.rights.insert((key, id), now);
            if before.is_some_and(|before| now.has_more_than(before)) {
                gained.push((key, id, database));
            }
        }
    }
    gained
}

/// Where something else is taken of a database than at the last look, what a peer has of it is asked for
/// anew: what was reached was reached of something else.
pub(super) fn select(app: &App, state: &mut State, key: PublicKey, id: DbUuid) {
    let now = app.mesh.rules.tag(id);
    let before = state.selections.insert((key, id), now.clone());
    if before.is_some_and(|before| before != now) {
        state.remembered.forget(key, id);
        state.skipped.remove(&(key, id));
        state.postponed.remove(&(key, id));
        state.manager.begin_anew(id_of(key), id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_is_more() {
        for (before, now, more) in [(0, 1, true), (1, 1, false), (3, 1, false), (2, 1, true)] {
            assert_eq!(Rights(now).has_more_than(Rights(before)), more, "{before} {now}");
        }
    }
}
