//! Answers to pages of other origins that a person let in.
//!
//! Source: the Fetch standard's CORS protocol; names and values as CouchDB sends them.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::body;
use super::reply::Reply;
use crate::access::CrossOrigin;

/// Methods that pages may use.
const METHODS: HeaderValue = HeaderValue::from_static("GET, PUT, POST, HEAD, DELETE, COPY");

/// Headers that pages may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "accept-ranges, cache-control, content-encoding, content-length, content-range, content-type, \
     etag, last-modified, location, server, x-couch-request-id, x-couch-update-newrev",
);

/// How long a browser may remember a preflight, in seconds; CouchDB's default.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("600");

/// Asked for by browsers that guard private addresses, for instance Chromium.
const REQUEST_PRIVATE_NETWORK: &str = "access-control-request-private-network";
const ALLOW_PRIVATE_NETWORK: &str = "access-control-allow-private-network";

const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Answers a preflight: the page may go on, and then has to log in like anybody.
pub(crate) fn preflight(origin: &CrossOrigin, asked: &HeaderMap) -> Reply {
    let mut reply = Response::new(body::whole(""));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    let headers = reply.headers_mut();
    allow(origin, headers);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    if asked.contains_key(REQUEST_PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, TRUE);
    }
    reply
}

/// Lets the page read the answer.
pub(crate) fn allow(origin: &CrossOrigin, headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.0.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}
