//! Query options of a request, parsed once.

use serde_json::Value;

use super::HttpError;
use super::path::percent_decode;

/// The query options of a request, in order; where one is given twice the last counts, as in
/// CouchDB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses what follows the question mark: `+` is a space, `%` escapes are decoded once.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, HttpError> {
        let Some(text) = text else { return Ok(Self::default()) };
        text.split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name)?, decode(value)?))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// These options.
    pub(crate) fn of(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The same options, their names in small letters: how CouchDB reads those of a changes feed.
    pub(crate) fn with_small_names(&self) -> Self {
        Self(self.pairs().map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect())
    }

    /// Every option as given.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The option as text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Whether the option is `true`: what CouchDB looks at for documents and changes, where any
    /// other word is passed over.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// A natural number.
    pub(crate) fn unsigned(&self, name: &str) -> Result<Option<u64>, HttpError> {
        self.text(name).map(unsigned).transpose()
    }

    /// A value that is written as JSON.
    pub(crate) fn json(&self, name: &str) -> Result<Option<Value>, HttpError> {
        self.text(name).map(json).transpose()
    }
}

/// `true` or `false` in letters of either case, as views and `_all_docs` take them.
pub(crate) fn boolean(value: &str) -> Result<bool, HttpError> {
    if value.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if value.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(HttpError::Query(format!("Invalid boolean parameter: {value:?}")))
    }
}

/// Decimal digits; a number too large for 64 bits counts as the largest.
pub(crate) fn unsigned(value: &str) -> Result<u64, HttpError> {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HttpError::Query(format!("Invalid value for integer: {value:?}")));
    }
    if value.starts_with('-') && digits.bytes().any(|b| b != b'0') {
        return Err(HttpError::Query(format!("Invalid value for positive integer: {value:?}")));
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

/// JSON text.
pub(crate) fn json(value: &str) -> Result<Value, HttpError> {
    serde_json::from_str(value).map_err(|_| HttpError::BadRequest("invalid UTF-8 JSON".into()))
}

fn decode(text: &str) -> Result<String, HttpError> {
    if text.contains('+') {
        percent_decode(&text.replace('+', " ")).map(std::borrow::Cow::into_owned)
    } else {
        percent_decode(text).map(std::borrow::Cow::into_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let query = Query::parse(Some(text)).unwrap();
        assert_eq!(query.pairs().collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn parses() {
        check("", &[]);
        check("a=b", &[("a", "b")]);
        check("a", &[("a", "")]);
        check("a=", &[("a", "")]);
        check("=b", &[("", "b")]);
        check("&&a=b&&", &[("a", "b")]);
        check("a=b=c", &[("a", "b=c")]);
        check("key=%22x%22", &[("key", "\"x\"")]);
        check("key=a+b%2Bc", &[("key", "a b+c")]);
        check("k%65y=%2541", &[("key", "%41")]);
        check("key=%C3%A9", &[("key", "é")]);
        check("startkey=\"h;\"", &[("startkey", "\"h;\"")]);
        assert_eq!(Query::parse(None).unwrap(), Query::default());
    }

    #[test]
    fn refuses_broken_escapes() {
        for bad in ["a=%", "a=%1", "a=%zz", "%=a", "a=%ff", "a=%C3"] {
            assert!(matches!(Query::parse(Some(bad)), Err(HttpError::BadRequest(_))), "{bad:?}");
        }
    }

    #[test]
    fn the_last_counts() {
        let query = Query::parse(Some("limit=1&limit=2&rev=&revs=true")).unwrap();
        assert_eq!(query.text("limit"), Some("2"));
        assert_eq!(query.unsigned("limit").unwrap(), Some(2));
        assert_eq!(query.text("rev"), Some(""));
        assert!(query.is_true("revs") && !query.is_true("rev"));
        assert_eq!(query.unsigned("skip").unwrap(), None);
    }

    fn reason<T: std::fmt::Debug>(outcome: Result<T, HttpError>) -> String {
        let error = outcome.unwrap_err();
        let (_, word, reason) = error.parts();
        format!("{word}: {reason}")
    }

    #[test]
    fn values() {
        assert!(boolean("TRUE").unwrap() && !boolean("false").unwrap());
        assert_eq!(reason(boolean("1")), r#"query_parse_error: Invalid boolean parameter: "1""#);
        assert_eq!(reason(boolean("")), r#"query_parse_error: Invalid boolean parameter: """#);
        assert_eq!(unsigned("18446744073709551616").unwrap(), u64::MAX);
        assert_eq!(unsigned("-0").unwrap(), 0);
        assert_eq!(
            reason(unsigned("-1")),
            r#"query_parse_error: Invalid value for positive integer: "-1""#
        );
        for bad in ["x", "", "1.5", "+", "1 "] {
            assert!(reason(unsigned(bad)).contains("Invalid value for integer"), "{bad:?}");
        }
        assert_eq!(json("[1,\"a\"]").unwrap(), serde_json::json!([1, "a"]));
        assert_eq!(reason(json("[1")), "bad_request: invalid UTF-8 JSON");
        assert_eq!(reason(json("\"\\ud800\"")), "bad_request: invalid UTF-8 JSON");
    }
}
