//! Databases that friends offer, and taking them.

use std::sync::Arc;

use identity::PublicKey;
use serde_json::{Value, json};
use store::{Database, DbName, DbUuid, Millis};

use super::state::Rule;
use super::{databases, id_of};
use crate::app::App;
use crate::http::HttpError;
use crate::registry::{Record, Scope};

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
