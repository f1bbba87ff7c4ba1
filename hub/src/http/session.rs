//! `/_session`: who one is, logging in and logging out.
//!
//! Source: `couch_httpd_auth:handle_session_req/2`.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use super::location::base;
use super::reply::{self, Reply};
use super::{Call, HttpError, Query, request};
use crate::access::{self, Proof};
use crate::clock;

/// Longest log-in, in bytes: a name, a token, and room.
const LOG_IN_BYTES_MAX: usize = 16 * 1024;

/// `GET /_session`: who asks.
pub(crate) async fn show(call: Call) -> Result<Reply, HttpError> {
    let Call { app, principal, headers, query, .. } = call;
    let name = principal.name();
    if name.is_none() && query.is_true("basic") {
        return Err(HttpError::Unauthorized("Please login."));
    }
    let handler = name.map(|_| {
        let proof = app.access.authenticate(&headers, clock::now()).map(|log_in| log_in.proof);
        if matches!(proof, Ok(Proof::Cookie(_))) { "cookie" } else { "default" }
    });
    let session = Session {
        ok: true,
        context: Context { name, roles: app.access.roles(&principal) },
        info: Info {
            authentication_handlers: ["cookie", "default"],
            authenticated: handler,
            authentication_db: "_users",
        },
    };
    Ok(reply::json(StatusCode::OK, &session))
}

/// `POST /_session`: begins a session.
pub(crate) async fn log_in(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, query, .. } = call;
    let (next, fail) = (destination(&query, "next")?, destination(&query, "fail")?);
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default().to_owned();
    let text = request::read(&headers, body, LOG_IN_BYTES_MAX).await?;
    let Form { name, password } = Form::parse(&media_type, &text)?;
    let principal = match app.access.log_in(&name, password.as_bytes()) {
        Ok(principal) => principal,
        Err(error) => {
            let mut reply = error.reply();
            set_cookie(&mut reply, Some(access::ended()));
            redirect(&mut reply, &headers, fail);
            return Ok(reply);
        }
    };
    let roles = app.access.roles(&principal);
    let context = Context { name: principal.name(), roles };
    let welcome = Welcome { ok: true, context };
    let mut reply = reply::json(StatusCode::OK, &welcome);
    set_cookie(&mut reply, app.access.cookie(&principal, clock::now()));
    redirect(&mut reply, &headers, next);
    Ok(reply)
}

/// `DELETE /_session`: ends a session.
pub(crate) async fn log_out(call: Call) -> Result<Reply, HttpError> {
    let next = destination(&call.query, "next")?;
    let mut reply = reply::ok(StatusCode::OK);
    set_cookie(&mut reply, Some(access::ended()));
    redirect(&mut reply, &call.headers, next);
    Ok(reply)
}

/// Where the browser is to go afterwards: a path of this hub's. Browsers take what begins with two
/// slashes, or a slash and a backslash, for another host.
fn destination<'a>(query: &'a Query, name: &str) -> Result<Option<&'a str>, HttpError> {
    let Some(path) = query.text(name) else { return Ok(None) };
    let rest = path.strip_prefix('/').filter(|rest| !rest.starts_with(['/', '\\']));
    match rest {
        Some(rest) if rest.bytes().all(|b| b.is_ascii_graphic()) => Ok(Some(path)),
        _ => Err(HttpError::BadRequest(format!("`{name}` must be a path from the server's root"))),
    }
}

fn redirect(reply: &mut Reply, request: &HeaderMap, next: Option<&str>) {
    let Some(next) = next else { return };
    if let Ok(url) = HeaderValue::from_str(&format!("{}{next}", base(request))) {
        *reply.status_mut() = StatusCode::FOUND;
        reply.headers_mut().insert(header::LOCATION, url);
    }
}

fn set_cookie(reply: &mut Reply, cookie: Option<String>) {
    if let Some(Ok(cookie)) = cookie.map(|cookie| HeaderValue::from_str(&cookie)) {
        reply.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

/// Who asks, its members in CouchDB's order.
#[derive(Serialize)]
struct Session<'a> {
    ok: bool,
    #[serde(rename = "userCtx")]
    context: Context<'a>,
    info: Info,
}

#[derive(Serialize)]
struct Context<'a> {
    name: Option<&'a str>,
    roles: Vec<String>,
}

#[derive(Serialize)]
struct Info {
    authentication_handlers: [&'static str; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated: Option<&'static str>,
    authentication_db: &'static str,
}

/// The answer to a log-in.
#[derive(Serialize)]
struct Welcome<'a> {
    ok: bool,
    #[serde(flatten)]
    context: Context<'a>,
}

/// A name and a password as a client sends them.
struct Form {
    name: String,
    password: String,
}

impl Form {
    fn parse(media_type: &str, text: &[u8]) -> Result<Self, HttpError> {
        let is = |prefix: &str| {
            media_type.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let fields: Vec<(String, String)> = if is("application/x-www-form-urlencoded") {
            let text = std::str::from_utf8(text);
            let text = text.map_err(|_| HttpError::BadRequest("the form is not UTF-8".into()))?;
            let form = Query::parse(Some(text))?;
            form.pairs().map(|(name, value)| (name.into(), value.into())).collect()
        } else if is("application/json") {
            let Ok(Value::Object(object)) = serde_json::from_slice(text) else {
                return Err(HttpError::BadRequest("invalid UTF-8 JSON".into()));
            };
            let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
            object.into_iter().filter_map(text).collect()
        } else {
            Vec::new()
        };
        let field = |wanted: &str| {
            fields.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        let name = match (field("name"), field("username")) {
            (None, None) => Err("request body must contain a username"),
            (Some(one), Some(other)) if one != other => {
                Err("request body contains different usernames")
            }
            (Some(name), _) | (None, Some(name)) => Ok(name),
        };
        let name = name.map_err(|reason| HttpError::BadRequest(reason.into()))?;
        Ok(Self { name, password: field("password").unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(media_type: &str, text: &str) -> Result<(String, String), String> {
        let form = Form::parse(media_type, text.as_bytes()).map_err(|error| error.to_string())?;
        Ok((form.name, form.password))
    }

    #[test]
    fn forms() {
        let ok = Ok(("notes".to_owned(), "p+ w".to_owned()));
        let form = "application/x-www-form-urlencoded";
        assert_eq!(check(form, "name=notes&password=p%2B+w"), ok);
        assert_eq!(
            check(&format!("{form}; charset=utf-8"), "username=notes&password=p%2B%20w"),
            ok
        );
        assert_eq!(check("application/json", r#"{"name":"notes","password":"p+ w"}"#), ok);
        assert_eq!(check("application/json", r#"{"username":"notes","password":"p+ w"}"#), ok);
        assert_eq!(check(form, "name=notes"), Ok(("notes".into(), String::new())));
    }

    #[test]
    fn destinations_are_paths_of_this_hub() {
        let parsed = |text: &str| {
            let query = Query::parse(Some(text)).unwrap();
            destination(&query, "next").map(|next| next.map(str::to_owned)).ok()
        };
        assert_eq!(
            parsed("next=/db/_design/x/page?a=b"),
            Some(Some("/db/_design/x/page?a=b".into()))
        );
        assert_eq!(parsed("next=/"), Some(Some("/".into())));
        assert_eq!(parsed("other=/"), Some(None));
        for bad in
            ["//evil.test", "/%5Cevil.test", "http://evil.test", "evil", "", "/a%0D%0Ab", "/a+b"]
        {
            assert_eq!(parsed(&format!("next={bad}")), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_log_in() {
        let missing = Err("request body must contain a username".to_owned());
        assert_eq!(check("text/plain", "name=notes"), missing);
        assert_eq!(check("", ""), missing);
        assert_eq!(check("application/json", r#"{"name":7}"#), missing);
        let different = Err("request body contains different usernames".to_owned());
        assert_eq!(check("application/json", r#"{"name":"a","username":"b"}"#), different);
        assert!(check("application/json", "[]").is_err());
        assert!(check("application/json", "{").is_err());
        assert!(check("application/x-www-form-urlencoded", "name=%").is_err());
    }
}
