//! What of a request's and an answer's headers goes on.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What belongs to one connection, not to the request or the answer.
///
/// Source: RFC 9110, section 7.6.1.
const OF_CONNECTION: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What is between a program and the forwarder: where it thinks it is, and its token, which some
/// libraries also put into `Referer`.
const OF_PROGRAM: [HeaderName; 5] =
    [header::HOST, header::AUTHORIZATION, header::COOKIE, header::REFERER, header::EXPECT];

/// Leaves of a request's headers what the hub should see.
pub(super) fn of_request(headers: &mut HeaderMap) {
    off_connection(headers);
    for name in OF_PROGRAM {
        headers.remove(name);
    }
}

/// Leaves of an answer's headers what the program should see; what is at the hub's address it finds at
/// the forwarder's.
pub(super) fn of_answer(headers: &mut HeaderMap, hub: &str, forwarder: &str) {
    off_connection(headers);
    headers.remove(header::SET_COOKIE);
    let moved = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let moved = moved.and_then(|location| location.strip_prefix(hub));
    let moved = moved.and_then(|path| HeaderValue::try_from([forwarder, path].concat()).ok());
    if let Some(location) = moved {
        headers.insert(header::LOCATION, location);
    }
}

fn off_connection(headers: &mut HeaderMap) {
    // A length beside chunks is a trap that only one side would fall into.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    let named: Vec<_> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse::<HeaderName>().ok())
        .filter(|name| *name != header::CONTENT_LENGTH)
        .collect();
    for name in named.iter().chain(&OF_CONNECTION) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        list.iter().map(pair).collect()
    }

    #[test]
    fn the_token_and_the_connection_stay_behind() {
        let mut given = headers(&[
            ("host", "127.0.0.1:7"),
            ("authorization", "Basic x"),
            ("referer", "http://app:x@127.0.0.1:7/"),
            ("cookie", "a=b"),
            ("connection", "close, X-Mine, content-length"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("content-length", "3"),
            ("accept", "application/json"),
        ]);
        of_request(&mut given);
        let kept = headers(&[("content-length", "3"), ("accept", "application/json")]);
        assert_eq!(given, kept);
        let mut chunked = headers(&[("content-length", "3"), ("transfer-encoding", "chunked")]);
        of_request(&mut chunked);
        assert!(chunked.is_empty());
    }

    #[test]
    fn what_lies_at_the_hub_is_found_at_the_forwarder() {
        let check = |location: &'static str, expected: &'static str| {
            let mut given = headers(&[("location", location), ("set-cookie", "a=b")]);
            of_answer(&mut given, "https://127.0.0.1:1/", "http://127.0.0.1:2/");
            assert_eq!(given, headers(&[("location", expected)]));
        };
        check("https://127.0.0.1:1/notes/a", "http://127.0.0.1:2/notes/a");
        check("https://127.0.0.1:11/notes/a", "https://127.0.0.1:11/notes/a");
        check("/notes", "/notes");
    }
}
