//! The security object: the database's policy in CouchDB's form.

use http::StatusCode;

use crate::access;
use crate::clock;
use crate::http::call::blocking;
use crate::http::{Call, HttpError, Reply, reply, request};

/// CouchDB's default: administrators only.
const DEFAULT: &str = r#"{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}"#;

/// Longest security object; names of people and groups take far less.
const BYTES_MAX: usize = 1 << 20;

/// `GET /{db}/_security`
pub(crate) async fn security(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let policies = call.app.access.policies().now();
    let text = policies.policy_of(database.uuid()).map(|policy| policy.security().to_string());
    let text = text.unwrap_or_else(|| DEFAULT.into());
    Ok(reply::json_text(StatusCode::OK, text.into_bytes()))
}

/// `PUT /{db}/_security`: what was given and taken has effect before this is answered.
pub(crate) async fn set_security(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    if database.name().as_str() == "_users" {
        return Err(HttpError::ForbiddenBecause(
            "You can't edit the security object of the user database.",
        ));
    }
    if call.principal.is_elsewhere() {
        return Err(HttpError::ForbiddenBecause(
            "Who may do what is said on the hub's own device.",
        ));
    }
    let app = call.app;
    let text = request::read(&call.headers, call.body, BYTES_MAX).await?;
    let text = store::json::compact(&text)?;
    blocking(move || {
        let policies = app.access.policies();
        access::set_security(&app.store, &database, &text, policies.hub(), clock::now())?;
        Ok(policies.reload(&app.store)?)
    })
    .await?;
    Ok(reply::ok(StatusCode::OK))
}
