//! Databases that friends offer, and taking them.

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
use super::peers::Peer;
use super::state::{Rule, SharedRight, Size};
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
pub(crate) fn offers(app: &App, key: PublicKey) -> Vec<Value> {
    let state = app.mesh.state();
    let known = state.manager.peer(id_of(key)).into_iter().flat_map(|known| known.databases());
    let offered = known.filter_map(|(id, standing)| {
        let offer = standing.offered()?;
        let here = databases::find(app, id).map(|here| here.name().to_string());
        Some(json!({
            "name": offer.name, "id": id.to_string(), "here": here,
            "in_step": standing.is_in_step(),
            "right": state.shared.get(&(key, id)).map(|right| right.word()),
        }))
    });
    offered.collect()
}

/// Takes a database that a friend offers under this name or id: makes it here, under the name that is
/// wanted where it is free. May block.
pub(crate) fn accept(
    app: &App,
    key: PublicKey,
    word: &str,
    local: Option<&str>,
    now: Millis,
) -> Result<Arc<Database>, HttpError> {
    let (id, name, rule) = offered(app, key, word)?;
    if let Some(here) = databases::find(app, id) {
        return Ok(here);
    }
    let name: DbName = local.unwrap_or(&name).parse()?;
    let conflicts = rule.policy.parse().map_err(|_| {
        HttpError::NotImplemented(
            "its conflicts are decided in a way that this release does not know",
        )
    })?;
    let mut record = Record::new(id, name, key, now);
    record.conflicts = conflicts;
    record.conflicts_version = rule.version;
    record.scope = Scope::Shared;
    Ok(app.registry.adopt(&record, now)?)
}

/// The database that a friend offers under this name or id, what it is called there, and what decides
/// its conflicts.
fn offered(app: &App, key: PublicKey, word: &str) -> Result<(DbUuid, String, Rule), HttpError> {
    let state = app.mesh.state();
    let Some(known) = state.manager.peer(id_of(key)) else {
        return Err(HttpError::NotFound("this friend has not been reached yet"));
    };
    let mut meant = known.databases().filter_map(|(id, standing)| {
        let offer = standing.offered()?;
        (offer.name == word || id.to_string() == word).then(|| (id, offer.name.clone()))
    });
    let (id, name) =
        meant.next().ok_or(HttpError::NotFound("this friend offers no such database"))?;
    if meant.next().is_some() {
        return Err(HttpError::BadRequest(format!(
            "the friend has several called {word}: name its id"
        )));
    }
    let rule = state.rules.get(&(key, id)).cloned().unwrap_or_default();
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
    let friends = peers.iter().filter(|(_, peer)| peer.kind == Kind::Friend);
    let state = app.mesh.state();
    let mut invitations = Vec::new();
    for (key, friend) in friends {
        let known = state.manager.peer(id_of(*key));
        let offered = known.into_iter().flat_map(|known| known.databases());
        for (id, standing) in offered {
            let Some(offer) = standing.offered() else { continue };
            // Nobody shares those, whatever is offered.
            if rank(&offer.name) != Rank::Person {
                continue;
            }
            // Whose it is elsewhere, the owner's or another friend's, is offered back and no news.
            let record = app.registry.record(id);
            if record.is_some_and(|record| record.device != Some(*key)) {
                continue;
            }
            invitations.push(Invitation {
                from: Arc::clone(friend),
                database: id,
                name: offer.name.clone(),
                right: state.shared.get(&(*key, id)).copied(),
                size: state.sizes.get(&(*key, id)).cloned(),
                here: databases::find(app, id).map(|here| here.name().to_string()),
                in_step: standing.is_in_step(),
                is_offered: Some(true),
            });
        }
        let connected = known.is_some_and(|known| known.is_connected());
        for record in app.registry.records().values() {
            let is_from = record.device == Some(*key) && record.is_live();
            let standing = state.manager.standing(id_of(*key), record.uuid);
            if !is_from || standing.is_some_and(|standing| standing.offered().is_some()) {
                continue;
            }
            let Some(here) = databases::find(app, record.uuid) else { continue };
            let withdrawn = connected || standing.is_some();
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

/// Whether the peer has what is here; nothing where it is nobody who would say so.
pub(crate) fn has_all(app: &App, key: PublicKey, database: &Database) -> Option<bool> {
    app.mesh.peers().now().get(&key)?;
    let id = app.registry.sync_id(database)?;
    let state = app.mesh.state();
    let known = state.acknowledged.get(&(key, id));
    Some(known.is_some_and(|known| known.seq == database.update_seq().to_string()))
}
