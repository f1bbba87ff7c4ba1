//! Responses as CouchDB shapes them.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::body::{self, Body};

/// A response.
pub(crate) type Reply = Response<Body>;

/// A JSON value with CouchDB's closing newline.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    // Our own answers always serialise: no maps with other keys than strings, no failing writer.
    json_text(status, serde_json::to_vec(value).unwrap_or_default())
}

/// JSON text that is already written; the closing newline is added.
pub(crate) fn json_text(status: StatusCode, mut text: Vec<u8>) -> Reply {
    text.push(b'\n');
    json_stream(status, body::whole(text))
}

/// JSON text that is still being written.
pub(crate) fn json_stream(status: StatusCode, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("must-revalidate"));
    reply
}

/// `{"ok":true}`.
pub(crate) fn ok(status: StatusCode) -> Reply {
    json_text(status, b"{\"ok\":true}".to_vec())
}
