//! `/_hub/onion/…`: whether this hub can be reached through Tor, and who may find it there.

use acl::Who;
use http::StatusCode;
use identity::PublicKey;
use onion::{DiscoveryKey, Finding, OnionAddress};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::who;
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};
use crate::onion::{describe, moment};

/// `POST /_hub/onion/check`: dials the hub's own service, and says how that went.
pub(crate) async fn check(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let outcome = app.onion.check().await;
    let mut answer = match outcome {
        Ok(took) => json!({"reachable": true, "took_ms": took.as_millis()}),
        Err(error) => json!({"reachable": false, "error": error.to_string()}),
    };
    let finding = |Finding { ok, text }| json!({"ok": ok, "text": text});
    answer["system_tor"] = app.onion.inspect().await.into_iter().map(finding).collect();
    answer["onion"] = blocking(move || Ok(describe(&app.onion, moment(clock::now())))).await?;
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `GET /_hub/onion/clients`: who may find the service where its discovery is restricted, and whether
/// it is.
pub(crate) async fn clients(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let answer = blocking(move || {
        let policies = app.access.policies().now();
        let client = |(device, key): (PublicKey, DiscoveryKey)| {
            let name = policies.principals().get(&device).map(|notes| notes.name.clone());
            (device.to_string(), json!({"name": name.unwrap_or_default(), "key": key}))
        };
        let clients: Map<String, Value> = app.onion.clients().into_iter().map(client).collect();
        let described = describe(&app.onion, moment(clock::now()));
        Ok(json!({
            "clients": clients,
            "restricted": app.onion.is_restricted(),
            "discovery": described["discovery"],
        }))
    });
    Ok(reply::json(StatusCode::OK, &answer.await?))
}

/// What `POST /_hub/onion/clients/allow` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    who: String,
    key: DiscoveryKey,
}

/// `POST /_hub/onion/clients/allow`: lets a device find the service by a key.
pub(crate) async fn allow(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let Allowed { who, key } = parsed(json_body::object(&headers, body).await?)?;
    blocking(move || Ok(app.onion.allow_client(&app, device(&app, &who)?, key)?)).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// What `POST /_hub/onion/clients/remove` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removed {
    who: String,
}

/// `POST /_hub/onion/clients/remove`: lets a device find the service no longer, from the next
/// descriptor on.
pub(crate) async fn remove(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let Removed { who } = parsed(json_body::object(&headers, body).await?)?;
    let found = blocking(move || Ok(app.onion.remove_client(&app, device(&app, &who)?)?));
    match found.await? {
        true => Ok(reply::ok(StatusCode::OK)),
        false => Err(HttpError::NotFound("this device has told no key, and was given none")),
    }
}

/// `GET /_hub/onion/key?address=`: by which key this device looks for a service.
pub(crate) async fn key(call: Call) -> Result<Reply, HttpError> {
    let address = call.query.text("address").ok_or(HttpError::NotFound("address"))?;
    let address: OnionAddress =
        address.parse().map_err(|error| HttpError::BadRequest(format!("`address`: {error}")))?;
    Ok(reply::json(StatusCode::OK, &json!({"key": call.app.onion.key_for(&address)})))
}

/// `GET /_hub/onion/address`: where another device finds this hub's service.
pub(crate) async fn address(call: Call) -> Result<Reply, HttpError> {
    known_device(&call)?;
    Ok(reply::json(StatusCode::OK, &json!({"address": call.app.onion.address()})))
}

/// What `PUT /_hub/onion/client-key` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    key: DiscoveryKey,
}

/// `PUT /_hub/onion/client-key`: another device tells by which key it looks for this hub's service. Of
/// anybody else it says nothing.
pub(crate) async fn tell(call: Call) -> Result<Reply, HttpError> {
    let device = known_device(&call)?;
    let Call { app, headers, body, .. } = call;
    let Told { key } = parsed(json_body::object(&headers, body).await?)?;
    blocking(move || Ok(app.onion.allow_client(&app, device, key)?)).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// The device that asks, which the owner has to do with.
pub(crate) fn known_device(call: &Call) -> Result<PublicKey, HttpError> {
    if call.rewritten.is_rewritten() {
        return Err(HttpError::ForbiddenBecause("A rewrite speaks for no device."));
    }
    let device = call.principal.device().ok_or_else(|| match call.principal.name() {
        None => HttpError::LogIn,
        Some(_) => HttpError::ForbiddenBecause("This is for other devices, known by their keys."),
    })?;
    let policies = call.app.access.policies();
    let known = policies.now().knows(device) && !policies.is_blocked(device);
    if known && !call.principal.is_stranger() { Ok(device) } else { Err(HttpError::Forbidden) }
}

/// The one device that a word means.
fn device(app: &App, word: &str) -> Result<PublicKey, HttpError> {
    match who::find(app, word)? {
        Who::Key(key) => Ok(key),
        Who::App(_) | Who::Group(_) => Err(HttpError::BadRequest(format!(
            "`{word}` is no device: name it by its key or its petname"
        ))),
    }
}

fn parsed<T: DeserializeOwned>(body: Map<String, Value>) -> Result<T, HttpError> {
    serde_json::from_value(body.into()).map_err(|error| HttpError::BadRequest(error.to_string()))
}
