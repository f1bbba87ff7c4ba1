//! `/_hub/rules`: what of which database each of the owner's devices takes.

use std::sync::Arc;

use http::StatusCode;
use identity::PublicKey;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::DbUuid;

use super::apps::parsed;
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};
use crate::mesh::{self, DeviceRule, Kind};

/// What this device itself is called where one is named.
const THIS: &str = "this";

/// `GET /_hub/rules`: all of them, or those of a `device` or a database `db`.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let app = Arc::clone(&call.app);
    let device = call.query.text("device").map(|word| device(&app, word)).transpose()?;
    let db = call.query.text("db").map(|word| database(&app, word)).transpose()?;
    let rules = blocking(move || {
        let all = app.mesh.rules().now();
        let meant = all.iter().filter(|((of, id), _)| {
            device.is_none_or(|device| device == *of) && db.is_none_or(|db| db == *id)
        });
        Ok(meant.map(|((of, id), rule)| shown(&app, *of, *id, rule)).collect::<Vec<_>>())
    });
    Ok(reply::json(StatusCode::OK, &json!({"rules": rules.await?})))
}

fn shown(app: &App, of: PublicKey, id: DbUuid, rule: &DeviceRule) -> Value {
    let is_this = of == app.device.public();
    let peers = app.mesh.peers().now();
    let name = match is_this {
        true => Some(THIS.to_owned()),
        false => peers.get(&of).map(|peer| peer.record.name.clone()),
    };
    let db = app.registry.database(id).map(|database| database.name().to_string());
    let noted = || app.registry.record(id).map(|record| record.name.to_string());
    let mut shown = json!({
        "device": of, "name": name, "this": is_this, "db": id.to_string(),
        "database": db.or_else(noted),
        "skip": rule.skip, "selector": rule.selector,
        "attachment_bytes_max": rule.attachment_bytes_max,
        "words": rule.words(),
    });
    if is_this {
        shown["complete"] = mesh::is_complete(app, id).into();
    }
    shown
}

/// What `PUT /_hub/rules` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    /// A device's name or key; this one where it is not named.
    device: Option<String>,
    /// A database's name or uuid.
    db: String,
    #[serde(default)]
    skip: bool,
    selector: Option<Map<String, Value>>,
    attachment_bytes_max: Option<u64>,
}

/// `PUT /_hub/rules`: says what a device takes of a database, in place of what was said before.
pub(crate) async fn set(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let set: Set = parsed(json_body::object(&headers, body).await?)?;
    let of = device(&app, set.device.as_deref().unwrap_or(THIS))?;
    let id = database(&app, &set.db)?;
    let rule = DeviceRule::new(of, id, set.skip, set.selector, set.attachment_bytes_max);
    let rule = rule.map_err(HttpError::BadRequest)?;
    let shown = blocking(move || {
        mesh::set_rule(&app, (of, id), Some(&rule), clock::now())?;
        Ok(shown(&app, of, id, &rule))
    });
    Ok(reply::json(StatusCode::OK, &json!({"ok": true, "rule": shown.await?})))
}

/// `DELETE /_hub/rules`: a device takes all of a database again.
pub(crate) async fn remove(call: Call) -> Result<Reply, HttpError> {
    let app = Arc::clone(&call.app);
    let of = device(&app, call.query.text("device").unwrap_or(THIS))?;
    let word = call.query.text("db");
    let word = word.ok_or_else(|| HttpError::BadRequest("option `db` is missing".into()))?;
    let id = database(&app, word)?;
    blocking(move || {
        if !app.mesh.rules().now().contains_key(&(of, id)) {
            return Err(HttpError::NotFound("there is no such rule"));
        }
        mesh::set_rule(&app, (of, id), None, clock::now())
    })
    .await?;
    Ok(reply::ok(StatusCode::OK))
}

/// The device that a word means: this one, or another one of the owner's, or one that has rules still.
fn device(app: &App, word: &str) -> Result<PublicKey, HttpError> {
    let own = app.device.public();
    if word == THIS || word.parse() == Ok(own) {
        return Ok(own);
    }
    let missing = HttpError::NotFound("there is no device of that name or key");
    if let Some(peer) = app.mesh.peers().find(word, Some(Kind::Device)) {
        return Ok(peer.record.key);
    }
    let key: PublicKey = word.parse().map_err(|_| missing)?;
    let known = app.mesh.rules().now().keys().any(|(of, _)| *of == key);
    known.then_some(key).ok_or(HttpError::NotFound("there is no device of that name or key"))
}

/// The database that a word means, by the name that it has here, the one in its record, or its uuid.
fn database(app: &App, word: &str) -> Result<DbUuid, HttpError> {
    if word.starts_with('_') {
        return Err(HttpError::BadRequest("devices take all of what hubs need themselves".into()));
    }
    let here = word.parse().ok().and_then(|name| app.store.database(&name));
    if let Some(here) = here {
        return Ok(here.uuid());
    }
    if let Some(id) = DbUuid::parse(word) {
        return Ok(id);
    }
    let records = app.registry.records();
    let mut named = records.values().filter(|record| record.name.as_str() == word);
    let missing = HttpError::NotFound("there is no such database");
    let found = named.next().map(|record| record.uuid).ok_or(missing)?;
    match named.next() {
        None => Ok(found),
        Some(_) => Err(HttpError::BadRequest(format!("several are called {word}: name its uuid"))),
    }
}
