//! One node of the cluster, which is this hub: its settings.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::cluster::NODE;
use crate::app::App;
use crate::couch_config::{CouchConfig, CouchConfigError, Persist};
use crate::http::call::blocking;
use crate::http::{Call, HttpError, Reply, json_body, reply};
use crate::observe;

/// What a client may call the node that it asks.
const SELF: &str = "_local";

/// CouchDB's section of names and passwords.
const ADMINS: &str = "admins";

/// Sections that CouchDB lets nobody write by HTTP: what they say is run.
const BLOCKED: [&str; 9] = [
    "daemons",
    "external",
    "httpd_design_handlers",
    "httpd_db_handlers",
    "httpd_global_handlers",
    "native_query_servers",
    "os_daemons",
    "query_servers",
    "feature_flags",
];

/// `GET /_node/{node}`: its name.
pub(crate) async fn name(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    Ok(reply::json(StatusCode::OK, &serde_json::json!({"name": NODE})))
}

/// `GET /_node/{node}/_config`
pub(crate) async fn config(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    Ok(reply::json(StatusCode::OK, &call.app.couch_config.all()))
}

/// `GET /_node/{node}/_config/{section}`: an unknown section is empty.
pub(crate) async fn section(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    Ok(reply::json(StatusCode::OK, &call.app.couch_config.section(&call.captures.section)))
}

/// `GET /_node/{node}/_config/{section}/{key}`
pub(crate) async fn value(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    let value = call.app.couch_config.value(&call.captures.section, &call.captures.key);
    Ok(reply::json(StatusCode::OK, &value.ok_or(UNKNOWN)?))
}

/// `PUT /_node/{node}/_config/{section}/{key}`: answers with the value before.
pub(crate) async fn set(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    check_section(&call)?;
    if call.captures.section == ADMINS {
        // Nobody's password is to lie here in clear, or to be taken for one that opens anything.
        return Err(HttpError::ForbiddenBecause(
            "A hub's admins are its owner and apps: `larder app add NAME --admin`.",
        ));
    }
    let Value::String(value) = json_body::value(&call.headers, call.body).await? else {
        return Err(HttpError::BadRequest("A setting's value must be a JSON string.".into()));
    };
    let persist = persist(&call.headers);
    let (section, key) = (call.captures.section, call.captures.key);
    let set = move |config: &CouchConfig| config.set(&section, &key, value.trim(), persist);
    let before = change(call.app, set).await?;
    Ok(reply::json(StatusCode::OK, &before.unwrap_or_default()))
}

/// `DELETE /_node/{node}/_config/{section}/{key}`: answers with the value before.
pub(crate) async fn remove(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    check_section(&call)?;
    let persist = persist(&call.headers);
    let (section, key) = (call.captures.section, call.captures.key);
    let remove = move |config: &CouchConfig| config.remove(&section, &key, persist);
    let before = change(call.app, remove).await?;
    Ok(reply::json(StatusCode::OK, &before.ok_or(UNKNOWN)?))
}

/// `POST /_node/{node}/_config/_reload`: what was not to persist is forgotten.
pub(crate) async fn reload(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    change(call.app, CouchConfig::reload).await?;
    Ok(reply::ok(StatusCode::OK))
}

const UNKNOWN: HttpError = HttpError::NotFound("unknown_config_value");

async fn change<T: Send + 'static>(
    app: Arc<App>,
    change: impl FnOnce(&CouchConfig) -> Result<T, CouchConfigError> + Send + 'static,
) -> Result<T, HttpError> {
    blocking(move || {
        let outcome = change(&app.couch_config)?;
        observe::set_level(app.couch_config.obeyed().log_level);
        // The section `replicator` says how many replications run, and when they take turns.
        app.replications.wake();
        Ok(outcome)
    })
    .await
}

fn persist(headers: &HeaderMap) -> Persist {
    match headers.get("x-couch-persist") {
        Some(value) if value == "false" => Persist::No,
        _ => Persist::Yes,
    }
}

pub(super) fn check_node(call: &Call) -> Result<(), HttpError> {
    match call.captures.node.as_str() {
        SELF | NODE => Ok(()),
        other => Err(HttpError::NoNode(other.into())),
    }
}

fn check_section(call: &Call) -> Result<(), HttpError> {
    if BLOCKED.contains(&call.captures.section.as_str()) {
        return Err(HttpError::ForbiddenBecause(
            "Config section blacklisted for modification over HTTP API.",
        ));
    }
    Ok(())
}
