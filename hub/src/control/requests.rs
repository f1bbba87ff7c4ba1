//! `/_hub/requests`: strangers who would like to be friends, and asking somebody to be one.

use http::{Method, StatusCode};
use identity::{HttpKeyUrl, PublicKey};
use serde::Deserialize;
use serde_json::{Value, json};

use super::apps::parsed;
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply, request};
use crate::mesh::profile;
use crate::mesh::requests::{Asking, NotTaken, REQUEST_BYTES_MAX, Request};
use crate::mesh::{self, Kind, Record};

/// `GET /_hub/requests`: who asks, and whether anybody may.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let app = &call.app;
    let requests = app.mesh.requests();
    let all = requests.all(clock::now());
    let shown: Vec<Value> = all.iter().map(|request| describe(app, request)).collect();
    let answer = json!({"open": requests.is_open(), "requests": shown});
    Ok(reply::json(StatusCode::OK, &answer))
}

fn describe(app: &App, request: &Request) -> Value {
    let mut shown = json!(request);
    shown["id"] = json!(request.key);
    let mut warnings = Vec::new();
    let policies = app.access.policies().now();
    let is_named = |name: &str| name.to_lowercase() == request.name.to_lowercase();
    if !request.name.is_empty() && policies.principals().values().any(|notes| is_named(&notes.name))
    {
        warnings.push("You call somebody else by this name: this is another key.");
    }
    if request.reach.is_empty() {
        warnings.push("They do not say where they are reached, so their hub has to reach yours.");
    }
    shown["warnings"] = json!(warnings);
    shown
}

/// What `PUT /_hub/requests` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    open: bool,
}

/// `PUT /_hub/requests`: lets anybody ask, or nobody.
pub(crate) async fn open(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let Opened { open } = parsed(json_body::object(&headers, body).await?)?;
    blocking(move || Ok(app.mesh.requests().set_open(open)?)).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// What `POST /_hub/requests/{doc}` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    accept: bool,
    /// What to call them, where not as they suggest.
    name: Option<String>,
}

/// `POST /_hub/requests/{doc}`: makes a friend of whoever asks, or drops the request.
pub(crate) async fn answer(call: Call) -> Result<Reply, HttpError> {
    const MISSING: HttpError = HttpError::NotFound("nobody with this key asks");
    let Call { app, captures, headers, body, .. } = call;
    let Answered { accept, name } = parsed(json_body::object(&headers, body).await?)?;
    let key: PublicKey = captures.doc.parse().map_err(|_| MISSING)?;
    let friend = blocking(move || {
        let now = clock::now();
        let waiting = app.mesh.requests().all(now).into_iter().find(|asks| asks.key == key);
        let asks = waiting.ok_or(MISSING)?;
        let friend = if accept {
            let name = name.unwrap_or_else(|| asks.name.clone());
            let record = asks.record(name, now);
            let record = record.map_err(|error| HttpError::BadRequest(error.to_string()))?;
            Some(mesh::introduce(&app, Kind::Friend, record, now)?)
        } else {
            None
        };
        // Only now: a name that is taken loses no request.
        app.mesh.requests().take(key)?;
        Ok(friend)
    });
    let friend = friend.await?;
    Ok(reply::json(StatusCode::OK, &json!({"ok": true, "friend": friend})))
}

/// What `POST /_hub/requests` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    url: HttpKeyUrl,
    /// What to call them.
    name: String,
    #[serde(default)]
    message: String,
}

/// `POST /_hub/requests`: asks somebody to be a friend, and notes them as one, so that they are let in once
/// they have said yes.
pub(crate) async fn send(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let Wish { url, name, message } = parsed(json_body::object(&headers, body).await?)?;
    let record = Record::new(&url, name, clock::now());
    let record = record.map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let composing = app.clone();
    let asking = blocking(move || {
        let name = profile::settings(&composing).name;
        Ok(Asking { name, message, reach: mesh::own_reach(&composing) })
    });
    let asking = asking.await?;
    mesh::ask_once(&app, &url, Method::POST, "/_hub/request", json!(asking).to_string())
        .await
        .map_err(HttpError::Unreached)?;
    let friend = blocking(move || mesh::introduce(&app, Kind::Friend, record, clock::now()));
    Ok(reply::json(StatusCode::OK, &json!({"ok": true, "friend": friend.await?})))
}

/// `POST /_hub/request`: somebody with a key would like to be a friend.
pub(crate) async fn take(call: Call) -> Result<Reply, HttpError> {
    if call.rewritten.is_rewritten() {
        return Err(HttpError::ForbiddenBecause("A rewrite speaks for no device."));
    }
    let key = call.principal.device().ok_or_else(|| match call.principal.name() {
        None => HttpError::LogIn,
        Some(_) => HttpError::ForbiddenBecause("This is for other hubs, known by their keys."),
    })?;
    // Before anything is read of what they say.
    if !call.app.mesh.requests().is_open() {
        return Err(HttpError::Forbidden);
    }
    let Call { app, headers, body, .. } = call;
    let text = request::read(&headers, body, REQUEST_BYTES_MAX).await?;
    let asking: Asking =
        serde_json::from_slice(&text).map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let taken = blocking(move || {
        if app.access.policies().now().knows(key) {
            return Ok(Ok(()));
        }
        Ok(app.mesh.requests().ask(key, asking, clock::now(), mesh::chance()))
    });
    match taken.await? {
        Ok(()) => Ok(reply::ok(StatusCode::ACCEPTED)),
        Err(NotTaken::Closed) => Err(HttpError::Forbidden),
        Err(NotTaken::Busy) => Err(HttpError::Overloaded),
    }
}
