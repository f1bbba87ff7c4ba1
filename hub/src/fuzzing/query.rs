//! Heads of requests: paths, query options, headers, and options in bodies.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use store::Direction;

use crate::access::{Credentials, Sessions, Target};
use crate::http::all_docs::{Options as ListOptions, Span};
use crate::http::attachment::Wanted;
use crate::http::changes::{Options as FeedOptions, patience};
use crate::http::document::{OpenRevs, ReadOptions, rev_options};
use crate::http::etag::ETag;
use crate::http::given::Options as _;
use crate::http::multipart::Boundary;
use crate::http::path::Path;
use crate::http::request::{Coding, require_json};
use crate::http::route::{Destination, find};
use crate::http::view::Options as ViewOptions;
use crate::http::{Query, accept};

/// A request as HTTP writes it: `METHOD TARGET`, lines of headers, an empty line, a body. What is
/// read of it is the same when it is written again, and keeps within what it may ask for.
///
/// # Panics
/// When that does not hold.
pub fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let headers: HeaderMap = lines
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = name.parse::<HeaderName>().ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        })
        .collect();
    check_path(path, method);
    check_headers(&headers);
    let Ok(query) = Query::parse(query) else { return };
    check_query(&query);
    let body = match serde_json::from_str(body) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    check_options(&query, &headers, body);
}

fn check_path(path: &str, method: &str) {
    let Ok(parsed) = Path::parse(path) else { return };
    let segments = parsed.segments();
    assert!(!segments.iter().any(|segment| matches!(&**segment, "" | "." | "..")));
    let encoded = segments.iter().map(|s| utf8_percent_encode(s, NON_ALPHANUMERIC).to_string());
    let again = format!("/{}", encoded.collect::<Vec<_>>().join("/"));
    // Dividing `_design%2Fx` can make one segment more than a path may come with.
    if segments.len() <= 64 {
        let again = Path::parse(&again).expect("a path that was read");
        assert_eq!(again.segments(), segments);
    }
    match find(&parsed, method) {
        Destination::Route(route, captures) => {
            assert_eq!(route.target(&captures) != Target::Server, !captures.db.is_empty());
            let many = ["{att}", "{rest}"].iter().any(|name| route.path.contains(name));
            assert_eq!(many, !captures.att.is_empty());
            assert!(route.method == method || (method, route.method) == ("HEAD", "GET"));
        }
        Destination::Nowhere(db, _) => {
            assert!(db.is_none_or(|db| segments.first().is_some_and(|first| *first == db)));
        }
    }
}

fn check_headers(headers: &HeaderMap) {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(range) = text(header::RANGE) {
        for length in [0, 1, 10, u64::MAX] {
            let parts = match Wanted::parse(range, length) {
                Err(_) | Ok(Wanted::Whole) => Vec::new(),
                Ok(Wanted::Part(part)) => vec![part],
                Ok(Wanted::Parts(parts)) => parts,
            };
            assert!(parts.len() <= 9);
            for part in parts {
                assert!(part.first <= part.last && part.last < length);
                assert!((1..=length).contains(&part.length()));
            }
        }
    }
    if let Some(content_type) = text(header::CONTENT_TYPE) {
        for media_type in ["multipart/related", "multipart/form-data"] {
            if let Ok(Some(boundary)) = Boundary::of(content_type, media_type) {
                assert!((1..=70).contains(&boundary.as_str().len()));
            }
        }
    }
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let _read = Credentials::parse(value.as_bytes());
    }
    if let Some(cookie) = text(header::COOKIE) {
        let _read = Sessions::claim(cookie);
    }
    let _read = (require_json(headers), Coding::of(headers));
    let _read = accept::prefers(headers, "multipart/mixed");
    if let Ok(tag) = ETag::new("1-a") {
        let _read = (tag.is_known(headers), tag.allows_range(headers));
    }
}

fn check_query(query: &Query) {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = query.pairs().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    let again = Query::parse(Some(&pairs.collect::<Vec<_>>().join("&")));
    assert_eq!(again.ok().as_ref(), Some(query));
}

fn check_options(query: &Query, headers: &HeaderMap, body: Map<String, Value>) {
    let _read = patience(query);
    if let Ok(ReadOptions { open_revs: Some(OpenRevs::These(revs)), .. }) =
        ReadOptions::parse(query)
    {
        assert!(!revs.is_empty());
    }
    if let Ok(revs) = rev_options(Vec::new(), query, headers) {
        assert!(revs.len() <= 1);
    }
    let members = serde_json::from_str(&Value::Object(body.clone()).to_string()).ok();
    let _read = FeedOptions::parse(query, members.as_ref(), headers);
    let _read = FeedOptions::parse(query, None, headers);
    if let Some(Value::Array(queries)) = body.get("queries") {
        let _read = ListOptions::parse_several(query, queries.clone());
        let _read = ViewOptions::parse_several(query, queries.clone());
    }
    if let Ok(options) = ViewOptions::parse(query, body.clone()) {
        let _read = (options.check(true), options.check(false));
    }
    let Ok(options) = ListOptions::parse(query, body) else { return };
    for bounds in [None, Some(("_design/", "_design0"))] {
        let Span::Range(range) = options.span(bounds) else { continue };
        let (low, high) = match range.direction {
            Direction::Ascending => (range.start, range.end),
            Direction::Descending => (range.end, range.start),
        };
        if let (Some((low, _)), Some((high, _))) = (&low, &high) {
            assert!(low <= high, "a range that ends before it begins");
        }
        if let Some((first, behind)) = bounds {
            assert!(low.is_some_and(|(low, _)| low.as_str() >= first));
            assert!(high.is_some_and(|(high, _)| high.as_str() <= behind));
        }
    }
}
