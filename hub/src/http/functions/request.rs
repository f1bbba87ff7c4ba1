//! A request as functions of design documents see it.
//!
//! Source: CouchDB's `chttpd_external:json_req_obj`, and "Request object" in its documentation.

use std::sync::Arc;

use http::{HeaderMap, Method, Uri, header};
use serde_json::{Map, Value, json};
use store::Database;

use crate::access::Principal;
use crate::app::App;
use crate::http::database::Info;
use crate::http::location::escaped;
use crate::http::path::percent_decode;
use crate::http::{Call, HttpError, Query};

/// Headers that nobody's functions see: whoever wrote them could keep what proves who asks.
const SECRET: [header::HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Query options that are JSON.
const JSON_OPTIONS: [&str; 5] = ["startkey", "start_key", "endkey", "end_key", "key"];

/// A request, ready to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    method: Method,
    uri: Uri,
    /// What the client asked for, before that was rewritten.
    requested: Uri,
    headers: HeaderMap,
    query: Query,
    app: Arc<App>,
    principal: Principal,
    /// The document that it names.
    pub(crate) id: Option<String>,
    /// Its body, where it has one.
    pub(crate) body: Option<String>,
}

impl Asked {
    /// What this call asks.
    pub(crate) fn of(call: &Call) -> Self {
        Self {
            method: call.method.clone(),
            uri: call.uri.clone(),
            requested: call.rewritten.requested().unwrap_or(&call.uri).clone(),
            headers: call.headers.clone(),
            query: call.query.clone(),
            app: Arc::clone(&call.app),
            principal: call.principal.clone(),
            id: None,
            body: None,
        }
    }

    /// What a replication asks of a database here, in whose name it runs.
    pub(crate) fn of_replication(
        app: &Arc<App>,
        principal: &Principal,
        database: &Database,
        query: Query,
    ) -> Self {
        let uri = format!("/{}/_changes", escaped(database.name().as_str()));
        let uri = Uri::try_from(uri).unwrap_or_default();
        Self {
            method: Method::GET,
            requested: uri.clone(),
            uri,
            headers: HeaderMap::new(),
            query,
            app: Arc::clone(app),
            principal: principal.clone(),
            id: None,
            body: None,
        }
    }

    /// The request object as JSON. May block.
    pub(crate) fn to_json(&self, database: &Database) -> Result<String, HttpError> {
        let info = serde_json::to_value(Info::of(database)?).unwrap_or_default();
        let mut request = self.members(database)?;
        request.insert("info".into(), info);
        request.insert("id".into(), self.id.clone().into());
        request.insert("uuid".into(), uuid()?.into());
        request.insert("form".into(), self.form()?.into());
        Ok(Value::from(request).to_string())
    }

    /// The same as rewriting functions see it. May block.
    pub(crate) fn to_rewrite_json(&self, database: &Database) -> Result<String, HttpError> {
        Ok(Value::from(self.members(database)?).to_string())
    }

    fn members(&self, database: &Database) -> Result<Map<String, Value>, HttpError> {
        let members = [
            ("method", json!(self.shown_method())),
            ("requested_path", json!(segments(self.requested.path())?)),
            ("path", json!(segments(self.uri.path())?)),
            ("raw_path", json!(self.uri.path_and_query().map_or("/", |path| path.as_str()))),
            ("query", self.options()?.into()),
            ("headers", self.shown_headers().into()),
            ("body", self.body.as_deref().unwrap_or("undefined").into()),
            ("peer", "127.0.0.1".into()),
            ("cookie", json!({})),
            ("userCtx", user_context(&self.app, &self.principal, database)),
            ("secObj", security(&self.app, database)),
        ];
        Ok(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Functions answer `HEAD` as they answer `GET`; the body is taken off later.
    fn shown_method(&self) -> &str {
        if self.method == Method::HEAD { "GET" } else { self.method.as_str() }
    }

    fn options(&self) -> Result<Map<String, Value>, HttpError> {
        let pairs = self.query.pairs().map(|(name, value)| {
            let value = match JSON_OPTIONS.contains(&name) {
                true => crate::http::query::json(value)?,
                false => value.into(),
            };
            Ok((name.to_owned(), value))
        });
        pairs.collect()
    }

    fn shown_headers(&self) -> Map<String, Value> {
        let shown = self.headers.iter().filter(|(name, _)| !SECRET.contains(name));
        let pairs = shown.filter_map(|(name, value)| {
            Some((canonical(name.as_str()), value.to_str().ok()?.into()))
        });
        pairs.collect()
    }

    /// The fields of a form that was sent as the body.
    fn form(&self) -> Result<Map<String, Value>, HttpError> {
        let media_type =
            self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form =
            media_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        let Some(body) = self.body.as_deref().filter(|_| is_form) else { return Ok(Map::new()) };
        let fields = Query::parse(Some(body.trim_end()))?;
        Ok(fields.pairs().map(|(name, value)| (name.to_owned(), value.into())).collect())
    }
}

/// Who asks: `userCtx`.
pub(crate) fn user_context(app: &App, principal: &Principal, database: &Database) -> Value {
    json!({
        "db": database.name().as_str(),
        "name": principal.name(),
        "roles": app.access.roles(principal),
    })
}

/// The security object: `secObj`.
pub(crate) fn security(app: &App, database: &Database) -> Value {
    let policies = app.access.policies().now();
    policies.policy_of(database.uuid()).map_or_else(|| json!({}), acl::Policy::security)
}

fn segments(path: &str) -> Result<Vec<String>, HttpError> {
    let raw = path.split('/').filter(|segment| !segment.is_empty());
    raw.map(|segment| Ok(percent_decode(segment)?.into_owned())).collect()
}

/// As names of headers are written in prose: `Content-Type`.
fn canonical(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut begins = true;
    for letter in name.chars() {
        text.push(if begins { letter.to_ascii_uppercase() } else { letter });
        begins = letter == '-';
    }
    text
}

fn uuid() -> Result<String, HttpError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| HttpError::Internal { action: "make an id", cause: error.to_string() })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_headers() {
        for (name, expected) in [("content-type", "Content-Type"), ("x-a", "X-A"), ("etag", "Etag")]
        {
            assert_eq!(canonical(name), expected);
        }
    }

    #[test]
    fn paths_are_cut_and_decoded() {
        assert_eq!(segments("/a%2Fb/_design/x/").unwrap(), ["a/b", "_design", "x"]);
        assert!(segments("/%zz").is_err());
    }
}
