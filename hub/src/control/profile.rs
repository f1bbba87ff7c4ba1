//! `/_hub/profile`: what friends are told of the owner.

use http::StatusCode;
use serde_json::{Value, json};

use super::apps::parsed;
use super::onion::known_device;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};
use crate::mesh::profile::{self, Settings};

/// `GET /_hub/profile`: what friends are told.
pub(crate) async fn show(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let shown = blocking(move || {
        let (profile, _) = profile::own(&app)?;
        let mut shown = json!(profile);
        shown["windows"] = json!(profile::settings(&app).windows);
        Ok(shown)
    });
    Ok(reply::json(StatusCode::OK, &shown.await?))
}

/// `PUT /_hub/profile`: sets the name that the owner suggests, the inbox, and when devices can be reached;
/// what is left out stays.
pub(crate) async fn set(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let asked = json_body::object(&headers, body).await?;
    if let Some(other) = asked.keys().find(|key| !["name", "inbox", "windows"].contains(&&***key)) {
        return Err(HttpError::BadRequest(format!("a profile has no `{other}` that can be set")));
    }
    let shown = blocking(move || {
        let mut settings = match json!(profile::settings(&app)) {
            Value::Object(settings) => settings,
            _ => serde_json::Map::new(),
        };
        settings.extend(asked);
        let settings: Settings = parsed(settings)?;
        profile::set(&app, &settings, clock::now())?;
        let (profile, _) = profile::own(&app)?;
        Ok(json!({"ok": true, "seq": profile.seq}))
    });
    Ok(reply::json(StatusCode::OK, &shown.await?))
}

/// `GET /_hub/profile/signed`: the same for friends and devices, signed.
pub(crate) async fn signed(call: Call) -> Result<Reply, HttpError> {
    let key = known_device(&call)?;
    let app = call.app;
    // Whoever is only named in some list is no friend.
    if !app.mesh.peers().now().contains_key(&key) {
        return Err(HttpError::Forbidden);
    }
    let signed = blocking(move || Ok(profile::own(&app)?.1));
    Ok(reply::json(StatusCode::OK, &json!(signed.await?)))
}
