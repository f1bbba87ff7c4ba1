//! `POST /_hub/pause`: pauses being in step with other hubs, and Tor, or goes on with it.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::apps::parsed;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};
use crate::pause::Paused;

/// What it takes; what is not named stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    sync: Option<bool>,
    onion: Option<bool>,
}

/// `POST /_hub/pause`: takes effect before it is answered, and stays over restarts.
pub(crate) async fn pause(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let wanted: Wanted = parsed(json_body::object(&headers, body).await?)?;
    let _alone = app.pause.alone().await;
    let before = app.pause.now();
    let paused = Paused {
        sync: wanted.sync.unwrap_or(before.sync),
        onion: wanted.onion.unwrap_or(before.onion),
    };
    let keeping = app.clone();
    blocking(move || Ok(keeping.pause.set(&keeping.store, paused)?)).await?;
    if paused.onion != before.onion {
        match paused.onion {
            true => app.onion.pause().await,
            false => app.onion.resume(&app)?,
        }
    }
    Ok(reply::json(StatusCode::OK, &json!({"ok": true, "paused": paused})))
}
