//! `_rewrite`: design documents that make other requests of those they get.
//!
//! Source: CouchDB's `chttpd_rewrite`.

mod function;
mod path;
mod rules;

use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{Request, StatusCode, Uri};
use serde_json::Value;

use self::path::Target;
use super::{Asked, design, text};
use crate::http::incoming::Incoming;
use crate::http::routes::Next;
use crate::http::{Call, HttpError, blocking};

/// Any method of `/{db}/_design/{design}/_rewrite/{rest}`
pub(crate) async fn rewrite(call: Call) -> Result<Next, HttpError> {
    let database = call.database()?;
    let name = call.captures.doc.strip_prefix("_design/").unwrap_or_default().to_owned();
    let (app, reading) = (Arc::clone(&call.app), Arc::clone(&database));
    let wanted = name.clone();
    let design = blocking(move || design(&app, &reading, &wanted)).await?;
    let base = path::base(&call.captures.db, &name);
    match design.members.get("rewrites") {
        Some(Value::Array(rules)) => {
            let target = rules::find(rules, &call)?.ok_or(HttpError::NotFound("missing"))?;
            let uri = uri(&target.under(&base))?;
            Ok(Next::Request(Box::new(request(call, uri))))
        }
        Some(Value::String(_)) => {
            let mut asked = Asked::of(&call);
            let Call { app, method, headers, query, body, .. } = call;
            asked.body = text(&method, &headers, body).await?;
            let body = asked.body.clone();
            let said = blocking(move || {
                let request = asked.to_rewrite_json(&database)?;
                Ok(app
                    .functions
                    .run(&database, &design, move |functions| functions.rewrite(&request))??)
            });
            let said = function::Said::parse(&said.await?)?.ok_or_else(no_rule)?;
            said.apply(&base, (method, query, headers, body))
        }
        _ => Err(no_rule()),
    }
}

/// The same request to another place.
fn request(call: Call, uri: Uri) -> Request<Incoming> {
    let mut request = Request::new(call.body);
    *request.method_mut() = call.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = call.headers;
    request
}

/// The place of a request that was rewritten.
fn uri(target: &Target) -> Result<Uri, HttpError> {
    let path = PathAndQuery::try_from(target.to_string());
    path.map(Uri::from).map_err(|_| no_address())
}

/// The answer to rewrites that lead to what is no address, or too long for one.
fn no_address() -> HttpError {
    HttpError::BadRequest("Invalid path".into())
}

/// CouchDB's answer where a design document rewrites nothing.
fn no_rule() -> HttpError {
    HttpError::Function {
        status: StatusCode::NOT_FOUND,
        word: "rewrite_error".into(),
        reason: "Invalid path.".into(),
    }
}

/// CouchDB's answer to rewrites that make no sense.
fn failed(word: &str, reason: &str) -> HttpError {
    HttpError::Function {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        word: word.into(),
        reason: reason.into(),
    }
}
