//! The header `Location`: where a client finds what it wrote.

use http::{HeaderMap, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::reply::Reply;

/// What CouchDB's `couch_util:url_encode` escapes: all but letters, digits, `-`, `.` and `_`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// Where the hub is, by the name under which the client reached it; no slash at the end.
pub(crate) fn base(request: &HeaderMap) -> String {
    let host = request.get(header::HOST).and_then(|host| host.to_str().ok());
    host.map(|host| format!("http://{host}")).unwrap_or_default()
}

/// One segment of a path, escaped.
pub(crate) fn escaped(segment: &str) -> String {
    utf8_percent_encode(segment, ESCAPED).to_string()
}

/// Adds where a resource is, by the name under which the client reached the hub.
pub(crate) fn location(reply: &mut Reply, request: &HeaderMap, segments: &[&str]) {
    let mut url = base(request);
    for segment in segments {
        url.push('/');
        url.extend(utf8_percent_encode(segment, ESCAPED));
    }
    if let Ok(url) = HeaderValue::from_str(&url) {
        reply.headers_mut().insert(header::LOCATION, url);
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::http::reply;

    fn check(host: Option<&'static str>, segments: &[&str], expected: &str) {
        let host = host.map(|host| (header::HOST, HeaderValue::from_static(host)));
        let mut reply = reply::ok(StatusCode::CREATED);
        location(&mut reply, &HeaderMap::from_iter(host), segments);
        assert_eq!(reply.headers()[header::LOCATION], expected);
    }

    #[test]
    fn locations_are_absolute_and_escaped() {
        check(Some("127.0.0.1:5984"), &["db", "a b"], "http://127.0.0.1:5984/db/a%20b");
        check(Some("h"), &["a/b", "_design/x", "é"], "http://h/a%2Fb/_design%2Fx/%C3%A9");
        check(None, &["db", "doc"], "/db/doc");
    }
}
