//! `/_hub/apps`: programs that may use the hub.

use std::sync::Arc;

use http::StatusCode;
use identity::PublicKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::access::{self, AppDocument, AppName, Grant, GrantError, Token, TokenHash};
use crate::app::App;
use crate::clock;
use crate::config::PageOrigin;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};

/// `GET /_hub/apps`: the apps and what they may do.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let apps = call.app.access.apps().all();
    let apps: Vec<_> = apps
        .values()
        .map(|app| {
            let document = app.document();
            let AppDocument { name, admin, databases, key, origins, .. } = document;
            json!({
                "name": name, "admin": admin, "databases": databases, "key": key,
                "has_token": document.token.is_some(), "chosen_token": document.chosen,
                "origins": origins, "created": document.created.0,
                "last_used": app.used().map(|used| used.0),
            })
        })
        .collect();
    Ok(reply::json(StatusCode::OK, &json!({"apps": apps})))
}

/// What `POST /_hub/apps` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewApp {
    name: AppName,
    #[serde(default)]
    admin: bool,
    #[serde(default)]
    databases: Vec<Grant>,
    #[serde(default)]
    origins: Vec<PageOrigin>,
    token: Option<String>,
    /// An app that proves a key needs no token.
    key: Option<PublicKey>,
}

/// `POST /_hub/apps`: lets a program in; the one answer that holds its token.
pub(crate) async fn add(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let new: NewApp = parsed(json_body::object(&headers, body).await?)?;
    check_grants(&new.databases)?;
    let chosen = new.token.is_some();
    let token = match (new.token, new.key) {
        (Some(text), _) => {
            Some(Token::choose(&text).map_err(|unfit| HttpError::BadRequest(unfit.to_string()))?)
        }
        (None, Some(_)) => None,
        (None, None) => Some(Token::random()?),
    };
    let hash = token.as_ref().map(|token| TokenHash::of(token.expose())).transpose()?;
    let document = AppDocument {
        name: new.name,
        admin: new.admin,
        databases: new.databases,
        token: hash,
        key: new.key,
        origins: new.origins,
        chosen,
        created: clock::now(),
    };
    let name = document.name.clone();
    let_in(app, document).await?;
    let token = token.as_ref().map(Token::expose);
    let added = json!({"ok": true, "name": name, "token": token});
    Ok(reply::json(StatusCode::CREATED, &added))
}

/// Writes a new app; it may use the hub before this returns.
pub(super) async fn let_in(app: Arc<App>, document: AppDocument) -> Result<(), HttpError> {
    blocking(move || {
        access::add(&app.store, &document, clock::now())?;
        Ok(app.access.reload(&app.store)?)
    })
    .await
}

/// Refuses databases that are not given one by one.
pub(super) fn check_grants(grants: &[Grant]) -> Result<(), HttpError> {
    match grants.iter().find(|grant| grant.name.is_system()) {
        None => Ok(()),
        Some(grant) => {
            Err(HttpError::BadRequest(GrantError::System(grant.name.clone()).to_string()))
        }
    }
}

/// What a body says, member by member.
pub(super) fn parsed<T: DeserializeOwned>(body: Map<String, Value>) -> Result<T, HttpError> {
    serde_json::from_value(body.into()).map_err(|error| HttpError::BadRequest(error.to_string()))
}

/// `DELETE /_hub/apps/NAME`: takes a program's rights away, before this is answered.
pub(crate) async fn remove(call: Call) -> Result<Reply, HttpError> {
    let name: AppName = call
        .captures
        .doc
        .parse()
        .map_err(|_| HttpError::NotFound("there is no app of that name"))?;
    let app = call.app;
    blocking(move || {
        access::remove(&app.store, &name, clock::now())?;
        Ok(app.access.reload(&app.store)?)
    })
    .await?;
    Ok(reply::ok(StatusCode::OK))
}
