//! Databases that friends offer, and taking them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http_body_util::{BodyExt as _, Limited};
use identity::PublicKey;
use replication::{Offer, Rank};
use serde_json::{Value, json};
use store::{Database, DbName, DbUuid, Millis};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::databases::rank;
use super::link::Link;
use super::peers::{Peer, devices_of};
use super::state::{Rule, SharedRight, Size, State};
use super::{Kind, databases, id_of};
use crate::app::App;
use crate::clock;
use crate::http::HttpError;
use crate::registry::{Record, Scope};

/// How long a friend may take to say how much there is of a database, and how long somebody waits for that.
const SIZE_MAX: Duration = Duration::from_secs(60);
const SIZES_WAIT: Duration = Duration::from_secs(2);

/// After how long a friend is asked the same again, about how many databases friends are asked at a time, and
/// longest answer, in bytes.
const SIZE_AGAIN_MS: u64 = 30_000;
const SIZES_AT_ONCE: usize = 32;
const INFO_BYTES_MAX: usize = 64 * 1024;

/// What a friend offers, and what it is called here where it was taken.
pub(crate) fn offers(app: &App, person: PublicKey) -> Vec<Value> {
    let peers = app.mesh.peers().now();
    let state = app.mesh.state();
    let shown = offered_by(&state, &devices_of(&peers, person)).into_iter().map(|offered| {
        let Offered { from, database, name, in_step, .. } = offered;
        let here = databases::find(app, database).map(|here| here.name().to_string());
        json!({
            "name": name, "id": database.to_string(), "here": here, "in_step": in_step,
            "right": state.shared.get(&(from, database)).map(|right| right.word()),
        })
    });
    shown.collect()
}

/// A database that some hub of a friend's offers.
struct Offered {
    /// The hub that is gone by: of several the one that all is here of, then the one that there is a
    /// connection to, then the noted one.
    from: PublicKey,
    database: DbUuid,
    name: String,
    in_step: bool,
}

/// What these hubs of one friend offer, each database once.
fn offered_by(state: &State, devices: &[(PublicKey, Arc<Peer>)]) -> Vec<Offered> {
    let mut all: BTreeMap<DbUuid, ((bool, bool), Offered)> = BTreeMap::new();
    for (key, _) in devices {
        let Some(known) = state.manager.peer(id_of(*key)) else { continue };
        for (database, standing) in known.databases() {
            let Some(offer) = standing.offered() else { continue };
            let (from, name, in_step) = (*key, offer.name.clone(), standing.is_in_step());
            let worth = (known.is_connected() && in_step, known.is_connected());
            if all.get(&database).is_none_or(|(before, _)| *before < worth) {
                all.insert(database, (worth, Offered { from, database, name, in_step }));
            }
        }
    }
    all.into_values().map(|(_, offered)| offered).collect()
}

/// Takes a database that a friend offers under this name or id: makes it here, under the name that `called`
/// makes of the one that it has there. May block.
pub(crate) fn accept(
    app: &App,
    person: PublicKey,
    word: &str,
    called: impl FnOnce(&str) -> Result<DbName, HttpError>,
    now: Millis,
) -> Result<Arc<Database>, HttpError> {
    let (id, name, rule) = offered(app, person, word)?;
    if let Some(here) = databases::find(app, id) {
        return Ok(here);
    }
    let name = called(&name)?;
    let conflicts = rule.policy.parse().map_err(|_| {
        HttpError::NotImplemented(
            "its conflicts are decided in a way that this release does not know",
        )
    })?;
    let mut record = Record::new(id, name, person, now);
    record.conflicts = conflicts;
    record.conflicts_version = rule.version;
    record.scope = Scope::Shared;
    Ok(app.registry.adopt(&record, now)?)
}

/// The database that a friend offers under this name or id, what it is called there, and what decides
/// its conflicts.
fn offered(app: &App, person: PublicKey, word: &str) -> Result<(DbUuid, String, Rule), HttpError> {
    let devices = devices_of(&app.mesh.peers().now(), person);
    let state = app.mesh.state();
    if devices.iter().all(|(key, _)| state.manager.peer(id_of(*key)).is_none()) {
        return Err(HttpError::NotFound("this friend has not been reached yet"));
    }
    let mut meant = offered_by(&state, &devices)
        .into_iter()
        .filter(|offered| offered.name == word || offered.database.to_string() == word);
    let Offered { from, database: id, name, .. } =
        meant.next().ok_or(HttpError::NotFound("this friend offers no such database"))?;
    if meant.next().is_some() {
        return Err(HttpError::BadRequest(format!(
            "the friend has several called {word}: name its id"
        )));
    }
    let rule = state.rules.get(&(from, id)).cloned().unwrap_or_default();
    Ok((id, name, rule))
}

/// A database that a friend offers, or has offered and that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Invitation {
    /// Who offers it.
    pub(crate) from: Arc<Peer>,
    /// Which it is.
    pub(crate) database: DbUuid,
    /// What the friend calls it.
    pub(crate) name: String,
    /// What this hub may do with it, where the friend says so.
    pub(crate) right: Option<SharedRight>,
    /// How much there is, where that is known.
    pub(crate) size: Option<Size>,
    /// What it is called here, where it was taken.
    pub(crate) here: Option<String>,
    /// Whether all of it is here.
    pub(crate) in_step: bool,
    /// Whether the friend offers it; unknown while there is no connection.
    pub(crate) is_offered: Option<bool>,
}

/// What all friends offer, and what was taken of them though they offer it no longer.
pub(crate) fn invitations(app: &App) -> Vec<Invitation> {
    let peers = app.mesh.peers().now();
    let mut friends: BTreeMap<PublicKey, Vec<(PublicKey, Arc<Peer>)>> = BTreeMap::new();
    for (key, peer) in peers.iter().filter(|(_, peer)| peer.kind == Kind::Friend) {
        friends.entry(peer.person).or_default().push((*key, Arc::clone(peer)));
    }
    let person = |key| app.access.policies().person(key);
    let state = app.mesh.state();
    let mut invitations = Vec::new();
    for (key, devices) in &friends {
        let Some(friend) = peers.get(key) else { continue };
        let mut is_offered = BTreeSet::new();
        for offered in offered_by(&state, devices) {
            let Offered { from, database: id, name, in_step } = offered;
            is_offered.insert(id);
            // Nobody shares those, whatever is offered.
            if rank(&name) != Rank::Person {
                continue;
            }
            // Whose it is elsewhere, the owner's or another friend's, is offered back and no news.
            let record = app.registry.record(id);
            if record.is_some_and(|record| record.device.map(person) != Some(*key)) {
                continue;
            }
            invitations.push(Invitation {
                from: Arc::clone(friend),
                database: id,
                name,
                right: state.shared.get(&(from, id)).copied(),
                size: state.sizes.get(&(from, id)).cloned(),
                here: databases::find(app, id).map(|here| here.name().to_string()),
                in_step,
                is_offered: Some(true),
            });
        }
        let known = || devices.iter().filter_map(|(key, _)| state.manager.peer(id_of(*key)));
        let connected = known().any(|known| known.is_connected());
        for record in app.registry.records().values() {
            let is_from = record.device.map(person) == Some(*key) && record.is_live();
            if !is_from || is_offered.contains(&record.uuid) {
                continue;
            }
            let Some(here) = databases::find(app, record.uuid) else { continue };
            let was_offered = devices
                .iter()
                .any(|(key, _)| state.manager.standing(id_of(*key), record.uuid).is_some());
            let withdrawn = connected || was_offered;
            invitations.push(Invitation {
                from: Arc::clone(friend),
                database: record.uuid,
                name: here.name().to_string(),
                right: None,
                size: None,
                here: Some(here.name().to_string()),
                in_step: false,
                is_offered: withdrawn.then_some(false),
            });
        }
    }
    invitations
}

/// Asks friends how much there is of what they offer and nobody has taken yet, where that is not known as of
/// now. What does not come soon is known the next time.
pub(crate) async fn ask_sizes(app: &Arc<App>) {
    let mut asking = JoinSet::new();
    for (key, id, link, offer) in to_be_asked(app, clock::now()) {
        let app = Arc::clone(app);
        asking.spawn(async move {
            let size = timeout(SIZE_MAX, ask_size(&link, &offer)).await;
            let Ok(Some(size)) = size else { return };
            let mut state = app.mesh.state();
            if state.shared.contains_key(&(key, id)) {
                state.sizes.insert((key, id), size);
            }
        });
    }
    let all = async { while asking.join_next().await.is_some() {} };
    if timeout(SIZES_WAIT, all).await.is_err() {
        asking.detach_all();
    }
}

/// The databases whose size is to be asked for, noted as asked for now.
fn to_be_asked(app: &App, now: Millis) -> Vec<(PublicKey, DbUuid, Link, Offer)> {
    let mut state = app.mesh.state();
    let mut asked = Vec::new();
    for (key, way) in &state.ways {
        let Some(link) = &way.link else { continue };
        let known = state.manager.peer(id_of(*key)).into_iter();
        for (id, standing) in known.flat_map(|known| known.databases()) {
            let Some(offer) = standing.offered() else { continue };
            let of = (*key, id);
            let is_recent = state.sizes_asked.get(&of).is_some_and(|(seq, at)| {
                *seq == offer.seq && now.0.saturating_sub(at.0) < SIZE_AGAIN_MS
            });
            // Whoever says what may be done with it says how much there is.
            if state.shared.contains_key(&of)
                && databases::find(app, id).is_none()
                && state.sizes.get(&of).is_none_or(|size| size.seq != offer.seq)
                && !is_recent
                && asked.len() < SIZES_AT_ONCE
            {
                asked.push((*key, id, link.clone(), offer.clone()));
            }
        }
    }
    for (key, id, _, offer) in &asked {
        state.sizes_asked.insert((*key, *id), (offer.seq.clone(), now));
    }
    asked
}

async fn ask_size(link: &Link, offer: &Offer) -> Option<Size> {
    let path = format!(
        "/{}",
        percent_encoding::utf8_percent_encode(&offer.name, percent_encoding::NON_ALPHANUMERIC,)
    );
    let answer = link.ask(Method::GET, &path, None).await.ok()?;
    let text = Limited::new(answer.into_body(), INFO_BYTES_MAX).collect().await.ok()?.to_bytes();
    let info: Value = serde_json::from_slice(&text).ok()?;
    Some(Size {
        seq: offer.seq.clone(),
        documents: info["doc_count"].as_u64()?,
        bytes: info["sizes"]["external"].as_u64()?,
    })
}

/// Whether some hub of whoever has this key has what is here; nothing where it is nobody who would say so.
pub(crate) fn has_all(app: &App, person: PublicKey, database: &Database) -> Option<bool> {
    let devices = devices_of(&app.mesh.peers().now(), person);
    let id = app.registry.sync_id(database).filter(|_| !devices.is_empty())?;
    let here = database.update_seq().to_string();
    let state = app.mesh.state();
    let mut known = devices.iter().filter_map(|(key, _)| state.acknowledged.get(&(*key, id)));
    Some(known.any(|known| known.seq == here))
}
