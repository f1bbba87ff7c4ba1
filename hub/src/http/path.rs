//! The path of a request, cut into segments that are percent-decoded exactly once.

use std::borrow::Cow;

use super::HttpError;

/// The decoded segments of a request path.
///
/// A segment may hold a slash that was sent as `%2F`: database names and document ids do. Empty
/// segments and dot segments are refused, so that no two spellings name one resource by accident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    segments: Vec<Cow<'a, str>>,
}

/// Segments that a path may have; attachment names alone hold more than a few slashes.
const SEGMENTS_MAX: usize = 64;

/// Where the hub's own pages are, which link to each other in the same way.
const PAGES: &str = "_hub/ui";

impl<'a> Path<'a> {
    /// Cuts a path that begins with a slash. One slash behind a first and only segment is passed
    /// over: PouchDB always asks for `/{db}/`. So is one behind a path that a design document
    /// rewrites, whose pages link to each other like files in folders, and one behind [`PAGES`].
    pub(crate) fn parse(path: &'a str) -> Result<Self, HttpError> {
        let path = path.strip_prefix('/').ok_or_else(|| refuse("Invalid path"))?;
        let path = match path.strip_suffix('/') {
            Some(only) if !only.is_empty() && !only.contains('/') => only,
            Some(rewritten) if is_rewritten(rewritten) => rewritten,
            Some(PAGES) => PAGES,
            _ => path,
        };
        if path.is_empty() {
            return Ok(Self::default());
        }
        let mut segments = Vec::with_capacity(4);
        for raw in path.split('/') {
            let segment = percent_decode(raw)?;
            match &*segment {
                "" => return Err(refuse("Path with an empty segment")),
                "." | ".." => return Err(refuse("Path with a dot segment")),
                _ if segments.len() == SEGMENTS_MAX => {
                    return Err(refuse("Path with too many segments"));
                }
                _ => segments.push(segment),
            }
        }
        split_reserved(&mut segments)?;
        Ok(Self { segments })
    }

    /// The segments.
    pub(crate) fn segments(&self) -> &[Cow<'a, str>] {
        &self.segments
    }
}

/// Whether this is a path below `/{db}/_design/{design}/_rewrite`, without its first slash.
fn is_rewritten(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    segments.next() == Some("_design") && segments.nth(1) == Some("_rewrite")
}

/// Document ids of two kinds may come as one segment (`%5Fdesign%2Fx`, `_local%2Fx`) or as two;
/// from here on they are always two.
fn split_reserved(segments: &mut Vec<Cow<'_, str>>) -> Result<(), HttpError> {
    let Some(second) = segments.get_mut(1) else { return Ok(()) };
    for prefix in ["_design", "_local"] {
        if let Some(rest) = second.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) {
            let rest = rest.to_owned();
            // Not in two segments, so not in one either.
            if matches!(rest.as_str(), "." | "..") {
                return Err(refuse("Path with a dot segment"));
            }
            *second = Cow::Borrowed(prefix);
            // An empty rest stays out: `_local%2F` is what `_local` is.
            if !rest.is_empty() {
                segments.insert(2, Cow::Owned(rest));
            }
            break;
        }
    }
    Ok(())
}

/// Decodes `%` escapes once; borrowed where there is none.
pub(crate) fn percent_decode(text: &str) -> Result<Cow<'_, str>, HttpError> {
    let Some(first) = text.find('%') else { return Ok(Cow::Borrowed(text)) };
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    decoded.extend_from_slice(&bytes[..first]);
    let mut rest = bytes[first..].iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = rest.next().and_then(|&digit| hex(digit));
        let low = rest.next().and_then(|&digit| hex(digit));
        let (Some(high), Some(low)) = (high, low) else {
            return Err(refuse("invalid_url_encoding"));
        };
        decoded.push(high * 16 + low);
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| refuse("The URL is not UTF-8"))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn refuse(reason: &str) -> HttpError {
    HttpError::BadRequest(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &[&str]) {
        let parsed = Path::parse(path).unwrap();
        assert_eq!(parsed.segments(), expected, "{path:?}");
    }

    #[test]
    fn cuts_and_decodes_once() {
        check("/", &[]);
        check("/db", &["db"]);
        check("/db/", &["db"]);
        check("/_all_dbs/", &["_all_dbs"]);
        check("/a%2Fb/c%2Fd", &["a/b", "c/d"]);
        check("/my%5Fdb/%5Fall%5Fdocs", &["my_db", "_all_docs"]);
        check("/db/a+b", &["db", "a+b"]);
        check("/db/a%20b%26%3D%3F", &["db", "a b&=?"]);
        check("/db/%C3%A9", &["db", "é"]);
        check("/db/100%2525", &["db", "100%25"]);
        check("/db/%252F", &["db", "%2F"]);
        check("/db/%00", &["db", "\0"]);
        check("/db/doc/a/b%2Fc/d", &["db", "doc", "a", "b/c", "d"]);
        check("/db/...", &["db", "..."]);
        check("/db/a%2F..%2Fb", &["db", "a/../b"]);
        check("/_hub/ui/", &["_hub", "ui"]);
        check("/db/_design/d/_rewrite/", &["db", "_design", "d", "_rewrite"]);
        check("/db/_design/d/_rewrite/a/", &["db", "_design", "d", "_rewrite", "a"]);
    }

    #[test]
    fn reserved_ids_are_two_segments() {
        check("/db/_design/x", &["db", "_design", "x"]);
        check("/db/_design%2Fx", &["db", "_design", "x"]);
        check("/db/%5Fdesign%2Fx", &["db", "_design", "x"]);
        check("/db/%5fdesign%2fx%2Fy/att", &["db", "_design", "x/y", "att"]);
        check("/db/_local%2Fx", &["db", "_local", "x"]);
        check("/db/_local%2F", &["db", "_local"]);
        check("/db/_designx%2Fy", &["db", "_designx/y"]);
        check("/_design%2Fx", &["_design/x"]);
    }

    #[test]
    fn refuses_hostile_paths() {
        let long = "/a".repeat(SEGMENTS_MAX + 1);
        for bad in [
            "",
            "db",
            "*",
            "//",
            "//db",
            "/db//",
            "/db//doc",
            "/db/doc/",
            "/db/doc/att/",
            "/_hub/ui//",
            "/_hub/ui/a/",
            "/db/_design/d/_rewrite//",
            "/db/_design/d/_rewrite/a//",
            "/db/_design/d/_show/a/",
            "/_rewrite/_design/",
            "///",
            "/.",
            "/..",
            "/db/.",
            "/db/..",
            "/db/%2e%2E",
            "/db/../other",
            "/%2E/db",
            "/db/%2e",
            "/db/_design%2F.",
            "/db/_design%2F%2e.",
            "/db/_local%2F.",
            "/db/%",
            "/db/%2",
            "/db/%zz",
            "/db/%2g",
            "/db/a%",
            "/db/%%32F",
            "/db/%+1",
            "/db/%ff",
            "/db/%C0%AF",
            "/db/%ED%A0%80",
            long.as_str(),
        ] {
            assert!(matches!(Path::parse(bad), Err(HttpError::BadRequest(_))), "{bad:?}");
        }
    }
}
