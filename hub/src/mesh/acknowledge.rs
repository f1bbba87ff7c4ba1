//! Acknowledgements: a hub tells a peer how far it has what that peer has, also where nothing had to be
//! fetched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use identity::PublicKey;
use store::{DbUuid, UpdateSeq};
use tokio::time::{sleep, timeout};

use super::databases;
use super::id_of;
use super::link::Link;
use super::state::{Acknowledged, State};
use crate::app::App;
use crate::clock;
use crate::control::onion::known_device;
use crate::http::{Call, HttpError, Reply, json_body, reply};

/// What is to be said is gathered for so long.
const GATHER: Duration = Duration::from_millis(200);

/// How long the peer may take to hear it.
const HEAR_MAX: Duration = Duration::from_secs(60);

/// Databases that one request may be about.
const DATABASES_MAX: usize = 100_000;

/// Tells a peer what has come here of it.
pub(super) async fn acknowledge(app: Arc<App>, key: PublicKey, link: Link) {
    sleep(GATHER).await;
    let said = match app.mesh.state().ways.get_mut(&key) {
        Some(way) => std::mem::take(&mut way.to_acknowledge),
        None => return,
    };
    if said.is_empty() {
        return;
    }
    let body: BTreeMap<String, &String> =
        said.iter().map(|(id, seq)| (id.to_string(), seq)).collect();
    // It always serialises: its keys are strings.
    let body = serde_json::to_string(&body).unwrap_or_default();
    let heard = timeout(HEAR_MAX, link.ask(Method::POST, "/_hub/reached", Some(body))).await;
    if !matches!(heard, Ok(Ok(_))) {
        let mut state = app.mesh.state();
        let Some(way) = state.ways.get_mut(&key) else { return };
        for (id, seq) in said {
            // With the next one, then.
            way.to_acknowledge.entry(id).or_insert(seq);
        }
    }
}

/// `POST /_hub/reached`: a peer says up to which update sequence it has each database.
pub(crate) async fn reached(call: Call) -> Result<Reply, HttpError> {
    let peer = known_device(&call)?;
    super::not_paused(&call.app)?;
    let Call { app, principal, headers, body, .. } = call;
    let said = json_body::object(&headers, body).await?;
    if said.len() > DATABASES_MAX {
        return Err(HttpError::RequestTooLarge);
    }
    let now = clock::now();
    let mut heard = Vec::new();
    for (id, seq) in &said {
        let id = DbUuid::parse(id);
        let Some(database) = id.and_then(|id| databases::find(&app, id)) else { continue };
        let seq = seq.as_str().filter(|seq| seq.parse::<UpdateSeq>().is_ok());
        if let (Some(id), Some(seq), true) =
            (id, seq, app.reads(&principal, database.name().as_str()))
        {
            heard.push(((peer, id), Acknowledged { seq: seq.to_owned(), at: now }));
        }
    }
    app.mesh.state().acknowledged.extend(heard);
    app.mesh.heard_of(peer);
    Ok(reply::ok(StatusCode::OK))
}

/// Has a peer told that nothing is missing of what it offers, where that is so.
pub(super) fn say_if_in_step(state: &mut State, key: PublicKey, id: DbUuid) {
    let standing = state.manager.standing(id_of(key), id);
    // What was left out for want of room is not here.
    let has_all = !state.postponed.contains_key(&(key, id));
    let reached = standing.filter(|standing| standing.is_in_step() && has_all);
    let reached = reached.and_then(|standing| standing.reached()).map(str::to_owned);
    if let Some(seq) = reached {
        say(state, key, id, &seq);
    }
}

/// Has a peer told what was reached.
pub(super) fn say(state: &mut State, key: PublicKey, id: DbUuid, seq: &str) {
    let Some(way) = state.ways.get_mut(&key) else { return };
    way.to_acknowledge.insert(id, seq.to_owned());
    way.said.notify_one();
}
