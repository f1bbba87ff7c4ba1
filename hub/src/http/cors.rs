//! Answers to pages of other origins, and what is taken off their requests.
//!
//! Source: the Fetch standard's CORS protocol; names and values as `chttpd_cors` sends them.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::HttpError;
use super::body;
use super::reply::Reply;
use crate::access::CrossOrigin;
use crate::couch_config::{Cors, Trust};

/// Headers that pages may read without being told so, which CouchDB names all the same.
const SIMPLE: [HeaderName; 5] = [
    header::CACHE_CONTROL,
    header::CONTENT_LANGUAGE,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::PRAGMA,
];

/// Asked for by browsers that guard private addresses, for instance Chromium.
const REQUEST_PRIVATE_NETWORK: &str = "access-control-request-private-network";
const ALLOW_PRIVATE_NETWORK: &str = "access-control-allow-private-network";

const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Answers a preflight: the page may go on, and then has to log in like anybody. `None` where this
/// is no preflight, or one that asks for too much: it is then a request like others.
pub(crate) fn preflight(page: &CrossOrigin, rules: &Cors, asked: &HeaderMap) -> Option<Reply> {
    let text = |name: HeaderName| asked.get(name).map(|value| value.to_str().unwrap_or_default());
    let method = text(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    if !rules.methods.iter().any(|known| known == method) {
        return None;
    }
    let names = text(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let known = |name: &str| rules.headers.iter().any(|known| known.eq_ignore_ascii_case(name));
    if !names.split(',').map(str::trim).filter(|name| !name.is_empty()).all(known) {
        return None;
    }
    let mut reply = Response::new(body::whole(""));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    let headers = reply.headers_mut();
    let_in(page, headers);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, rules.max_age_s.into());
    put(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &rules.methods.join(", "));
    put(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    if asked.contains_key(REQUEST_PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, TRUE);
    }
    Some(reply)
}

/// Takes off a page's request what a browser may have attached by itself, where the page is not let
/// in with that.
///
/// # Errors
/// Where `*` alone lets the page in, Basic credentials are refused: a browser attaches those that
/// somebody once typed in, and nobody can tell them from the page's own.
pub(crate) fn restrict(page: &CrossOrigin, headers: &mut HeaderMap) -> Result<(), HttpError> {
    if page.trust == Trust::Credentials {
        return Ok(());
    }
    headers.remove(header::COOKIE);
    let bearer = |value: &HeaderValue| {
        value.as_bytes().get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"bearer "))
    };
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    if page.trust == Trust::Anyone && !authorizations.all(bearer) {
        return Err(HttpError::ForbiddenBecause(
            "Pages that only `*` lets in may log in with a Bearer token and nothing else; list \
             this origin in `cors/origins` by its name.",
        ));
    }
    Ok(())
}

/// Lets the page read the answer.
pub(crate) fn allow(page: &CrossOrigin, rules: &Cors, headers: &mut HeaderMap) {
    if page.trust != Trust::Credentials {
        headers.remove(header::SET_COOKIE);
    }
    let mut names = vec!["content-type"];
    names.extend(SIMPLE.iter().filter(|name| headers.contains_key(*name)).map(HeaderName::as_str));
    names.extend(rules.exposed.iter().map(String::as_str));
    let names = names.join(", ");
    put(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &names);
    let_in(page, headers);
}

fn let_in(page: &CrossOrigin, headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page.origin.clone());
    if page.trust == Trust::Credentials {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

/// Names that a client wrote into the settings may hold what no header can: then it is left out.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
