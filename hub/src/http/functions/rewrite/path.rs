//! Where a rewritten request goes.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::location::escaped;

/// What a segment of a path, or a part of a query, escapes.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*');

/// What cannot stand in the path that a function writes, whatever it means.
const NEVER: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A path and its query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// The path, escaped; with a query where a function wrote one into it.
    path: String,
    /// The query, escaped.
    query: String,
}

/// Where the paths of a design document's rewrites begin.
pub(super) fn base(db: &str, design: &str) -> String {
    format!("/{}/_design/{}", escaped(db), escaped(design))
}

impl Target {
    /// A path of these segments.
    pub(super) fn of_segments<'s>(segments: impl IntoIterator<Item = &'s str>) -> Self {
        let escape = |segment| utf8_percent_encode(segment, ESCAPED).to_string();
        let segments: Vec<String> = segments.into_iter().map(escape).collect();
        Self { path: segments.join("/"), query: String::new() }
    }

    /// A path as a function writes it.
    pub(super) fn of_text(path: &str) -> Self {
        Self { path: utf8_percent_encode(path, NEVER).to_string(), query: String::new() }
    }

    /// The same with a query.
    pub(super) fn asking<'q>(
        mut self,
        pairs: impl IntoIterator<Item = (&'q str, &'q str)>,
    ) -> Self {
        let escape = |text| utf8_percent_encode(text, ESCAPED);
        let pair = |(name, value)| format!("{}={}", escape(name), escape(value));
        self.query = pairs.into_iter().map(pair).collect::<Vec<_>>().join("&");
        self
    }

    /// The same seen from the root: `.` and `..` are followed, as far as there is something above.
    pub(super) fn under(&self, base: &str) -> Self {
        let (path, asked) = match self.path.split_once('?') {
            Some((path, asked)) => (path, Some(asked)),
            None => (self.path.as_str(), None),
        };
        let mut segments: Vec<&str> = Vec::new();
        let given = base.split('/').chain(path.split('/'));
        for segment in given.filter(|segment| !segment.is_empty() && *segment != ".") {
            match (segment, segments.last()) {
                ("..", Some(last)) if *last != ".." => _ = segments.pop(),
                _ => segments.push(segment),
            }
        }
        let mut path = format!("/{}", segments.join("/"));
        if let Some(asked) = asked {
            path.push('?');
            path.push_str(asked);
        }
        Self { path, query: self.query.clone() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match (self.query.as_str(), self.path.contains('?')) {
            ("", _) => Ok(()),
            (query, false) => write!(f, "?{query}"),
            (query, true) => write!(f, "&{query}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        assert_eq!(Target::of_text(path).under("/db/_design/d").to_string(), expected, "{path}");
    }

    #[test]
    fn paths_are_followed() {
        check("", "/db/_design/d");
        check("_view/a", "/db/_design/d/_view/a");
        check("/a//b/", "/db/_design/d/a/b");
        check("./a/.", "/db/_design/d/a");
        check("../../doc", "/db/doc");
        check("../../../other", "/other");
        check("../../../../other", "/../other");
        check("../../../../../other", "/../../other");
        check("a/../../b", "/db/_design/b");
        check("a b?x=c d#e", "/db/_design/d/a%20b?x=c%20d%23e");
        check("..?a=../b", "/db/_design?a=../b");
    }

    #[test]
    fn queries_are_escaped() {
        let target = Target::of_segments(["a/b", "c d", "é"]).asking([("k&", "\"v\"")]);
        assert_eq!(target.under("/x").to_string(), "/x/a%2Fb/c%20d/%C3%A9?k%26=%22v%22");
        let target = Target::of_text("a?b=c").asking([("d", "e")]);
        assert_eq!(target.under("").to_string(), "/a?b=c&d=e");
        assert_eq!(base("a/b", "c d"), "/a%2Fb/_design/c%20d");
    }
}
