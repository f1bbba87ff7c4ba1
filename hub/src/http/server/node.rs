//! One node of the cluster, which is this hub: its settings.

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use super::cluster::NODE;
use crate::app::App;
use crate::couch_config::{CouchConfig, CouchConfigError};
use crate::http::call::blocking;
use crate::http::{Call, HttpError, Reply, json_body, reply};

/// What a client may call the node that it asks.
const SELF: &str = "_local";

/// CouchDB's section of names and passwords.
const ADMINS: &str = "admins";

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
    if call.captures.section == ADMINS {
        // Nobody's password is to lie here in clear, or to be taken for one that opens anything.
        return Err(HttpError::ForbiddenBecause(
            "A hub's admins are its owner and apps: `larder app add NAME --admin`.",
        ));
    }
    let Value::String(value) = json_body::value(&call.headers, call.body).await? else {
        return Err(HttpError::BadRequest("A setting's value must be a JSON string.".into()));
    };
    let (section, key) = (call.captures.section, call.captures.key);
    let before = change(call.app, move |config| config.set(&section, &key, value.trim())).await?;
    Ok(reply::json(StatusCode::OK, &before.unwrap_or_default()))
}

/// `DELETE /_node/{node}/_config/{section}/{key}`: answers with the value before.
pub(crate) async fn remove(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    let (section, key) = (call.captures.section, call.captures.key);
    let before = change(call.app, move |config| config.remove(&section, &key)).await?;
    Ok(reply::json(StatusCode::OK, &before.ok_or(UNKNOWN)?))
}

const UNKNOWN: HttpError = HttpError::NotFound("unknown_config_value");

async fn change(
    app: Arc<App>,
    change: impl FnOnce(&CouchConfig) -> Result<Option<String>, CouchConfigError> + Send + 'static,
) -> Result<Option<String>, HttpError> {
    blocking(move || Ok(change(&app.couch_config)?)).await
}

fn check_node(call: &Call) -> Result<(), HttpError> {
    match call.captures.node.as_str() {
        SELF | NODE => Ok(()),
        _ => Err(HttpError::NotFound("no such node")),
    }
}
