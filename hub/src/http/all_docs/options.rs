//! Options of `_all_docs` and its kin, in the query or in the body of a `POST`.

use serde_json::Value;
use store::{Direction, IdRange, Partition, Show, ShowAttachments};

use crate::http::HttpError;
use crate::http::given::{self, Given, refused};

/// What a listing of documents is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// First and last key in reading direction; `None` where the list has no such end.
    start: Option<Value>,
    end: Option<Value>,
    inclusive_end: bool,
    /// Rows for these keys, in their order.
    pub(crate) keys: Option<Vec<Value>>,
    /// Which way the list is read.
    pub(crate) direction: Direction,
    /// Rows passed over.
    pub(crate) skip: u64,
    /// Most rows shown.
    pub(crate) limit: u64,
    /// Whether the update sequence is told.
    pub(crate) update_seq: bool,
    /// The one partition that is listed.
    pub(crate) partition: Option<Partition>,
    include_docs: bool,
    conflicts: bool,
    attachments: bool,
    encoding_info: bool,
}

/// CouchDB's `query_server_config/partition_query_limit`.
const PARTITION_LIMIT_MAX: u64 = 1 << 28;

/// The ids that a listing shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// None: the range ends before it begins.
    Empty,
    /// Those in the range.
    Range(IdRange),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            start: None,
            end: None,
            inclusive_end: true,
            keys: None,
            direction: Direction::Ascending,
            skip: 0,
            limit: u64::MAX,
            update_seq: false,
            partition: None,
            include_docs: false,
            conflicts: false,
            attachments: false,
            encoding_info: false,
        }
    }
}

impl given::Options for Options {
    const KEYS_REASON: &'static str = "`keys` body member must be an array.";

    fn keys(&mut self) -> &mut Option<Vec<Value>> {
        &mut self.keys
    }

    fn checked(self) -> Result<Self, HttpError> {
        let ranged = self.start.is_some() || self.end.is_some();
        if ranged && self.keys.as_ref().is_some_and(|keys| !keys.is_empty()) {
            return Err(refused("`keys` is incompatible with `key`, `start_key` and `end_key`"));
        }
        Ok(self)
    }

    fn set(&mut self, name: &str, given: Given<'_>) -> Result<(), HttpError> {
        match name {
            "key" => {
                self.start = Some(given.json()?);
                self.end.clone_from(&self.start);
            }
            "keys" => match given.json()? {
                Value::Array(keys) => self.keys = Some(keys),
                Value::Null => self.keys = None,
                _ => return Err(refused("`keys` must be an array of strings.")),
            },
            "startkey" | "start_key" => self.start = Some(given.json()?),
            "endkey" | "end_key" => self.end = Some(given.json()?),
            "inclusive_end" => self.inclusive_end = given.boolean()?,
            "descending" => {
                self.direction = match given.boolean()? {
                    true => Direction::Descending,
                    false => Direction::Ascending,
                };
            }
            "skip" => self.skip = given.unsigned()?,
            "limit" => self.limit = given.unsigned()?,
            "update_seq" => self.update_seq = given.boolean()?,
            "include_docs" => self.include_docs = given.boolean()?,
            "conflicts" => self.conflicts = given.boolean()?,
            "attachments" => self.attachments = given.boolean()?,
            "att_encoding_info" => self.encoding_info = given.boolean()?,
            "stale" => _ = given.word(name, &["ok", "update_after"])?,
            "stable" => _ = given.word(name, &["true", "false"])?,
            "update" => _ = given.word(name, &["true", "false", "lazy"])?,
            "sorted" => _ = given.boolean()?,
            "reduce" if given.boolean()? => {
                return Err(refused("Reduce is invalid for map-only views."));
            }
            "group" if given.boolean()? => return Err(grouping()),
            "group_level" if given.unsigned()? > 0 => return Err(grouping()),
            "partition" => self.partition = Some(given.partition()?),
            // Document ids beside keys say nothing here, the rest is for views.
            _ => {}
        }
        Ok(())
    }
}

impl Options {
    /// The same of one partition alone.
    pub(crate) fn within(mut self, partition: Partition) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Refuses a limit that is too large for a partition.
    pub(crate) fn check_limit(&self) -> Result<(), HttpError> {
        match self.limit {
            // None was given.
            u64::MAX => Ok(()),
            limit if limit > PARTITION_LIMIT_MAX => Err(HttpError::Query(format!(
                "Limit is too large, must not exceed {PARTITION_LIMIT_MAX}"
            ))),
            _ => Ok(()),
        }
    }

    /// What is shown of each document, where documents are asked for.
    pub(crate) fn show(&self) -> Option<Show> {
        self.include_docs.then(|| Show {
            conflicts: self.conflicts,
            attachments: match self.attachments {
                true => ShowAttachments::All,
                false => ShowAttachments::Stubs,
            },
            encoding_info: self.encoding_info,
            ..Show::default()
        })
    }

    /// The ids between the keys, both ends moved into `bounds`: the least id and the first id
    /// behind the greatest.
    ///
    /// Ids are strings, and CouchDB sorts whatever else a key may be before all strings.
    pub(crate) fn span(&self, bounds: Option<(&str, &str)>) -> Span {
        let ascending = self.direction == Direction::Ascending;
        let (low, high) = match ascending {
            true => (&self.start, &self.end),
            false => (&self.end, &self.start),
        };
        let whole = |key: &Value| key.as_str().map(str::to_owned);
        let inclusive = |key: bool| if key { self.inclusive_end } else { true };
        let mut low = low.as_ref().and_then(whole).map(|low| (low, inclusive(!ascending)));
        let mut high = match high {
            None => None,
            Some(Value::String(high)) => Some((high.clone(), inclusive(ascending))),
            Some(_) => return Span::Empty,
        };
        if let Some((first, behind)) = bounds {
            if low.as_ref().is_none_or(|(low, _)| low.as_str() < first) {
                low = Some((first.into(), true));
            }
            if high.as_ref().is_none_or(|(high, _)| high.as_str() >= behind) {
                high = Some((behind.into(), false));
            }
        }
        if let (Some((low, from)), Some((high, to))) = (&low, &high)
            && (low > high || (low == high && !(*from && *to)))
        {
            return Span::Empty;
        }
        let (start, end) = if ascending { (low, high) } else { (high, low) };
        Span::Range(IdRange { start, end, direction: self.direction })
    }
}

fn grouping() -> HttpError {
    refused("Invalid use of grouping on a map view.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::Query;
    use crate::http::given::Options as _;

    fn parse(query: &str, body: &str) -> Result<Options, HttpError> {
        let body = serde_json::from_str(body).unwrap();
        Options::parse(&Query::parse(Some(query)).unwrap(), body)
    }

    fn check_span(query: &str, bounds: Option<(&str, &str)>, expected: &str) {
        let shown = match parse(query, "{}").unwrap().span(bounds) {
            Span::Empty => "empty".to_owned(),
            Span::Range(range) => {
                let end = |end: &Option<(String, bool)>| match end {
                    None => "-".to_owned(),
                    Some((id, inclusive)) => format!("{id}{}", if *inclusive { "" } else { "!" }),
                };
                format!("{} {}", end(&range.start), end(&range.end))
            }
        };
        assert_eq!(shown, expected, "{query}");
    }

    #[test]
    fn spans() {
        check_span("", None, "- -");
        check_span("key=\"a\"", None, "a a");
        check_span("key=\"a\"&inclusive_end=false", None, "empty");
        check_span("startkey=\"a\"&end_key=\"b\"", None, "a b");
        check_span("startkey=\"a\"&endkey=\"b\"&inclusive_end=false", None, "a b!");
        check_span("startkey=\"b\"&endkey=\"a\"&descending=true", None, "b a");
        check_span("startkey=\"b\"&endkey=\"a\"&descending=true&inclusive_end=false", None, "b a!");
        check_span("startkey=\"b\"&endkey=\"a\"", None, "empty");
        check_span("startkey=1", None, "- -");
        check_span("endkey={}", None, "empty");
        check_span("startkey=null&descending=true", None, "empty");
        check_span("endkey=[]&descending=true", None, "- -");
        check_span("startkey=\"a\"&startkey=\"b\"", None, "b -");
        let design = Some(("_design/", "_design0"));
        check_span("", design, "_design/ _design0!");
        check_span("descending=true", design, "_design0! _design/");
        check_span("startkey=\"a\"", design, "empty");
        check_span("startkey=\"A\"&endkey=\"_design/x\"", design, "_design/ _design/x");
    }

    #[test]
    fn the_query_has_the_last_word() {
        let options = parse("limit=1&skip=2", r#"{"limit":5,"include_docs":true,"keys":["a",1]}"#);
        let options = options.unwrap();
        assert_eq!((options.limit, options.skip), (1, 2));
        assert_eq!(options.keys, Some(vec!["a".into(), 1.into()]));
        assert_eq!(options.show(), Some(Show::default()));
        assert_eq!(parse("keys=[]&startkey=1", "{}").unwrap().keys, Some(vec![]));
    }

    #[test]
    fn options_for_views_are_passed_over() {
        for query in [
            "stale=ok&stable=false&update=lazy&sorted=false&reduce=false&group=false",
            "group_level=0&startkey_docid=a&end_key_doc_id=b&other=1",
        ] {
            assert_eq!(parse(query, r#"{"update":true}"#).unwrap(), Options::default(), "{query}");
        }
    }

    #[test]
    fn several_listings_share_the_query() {
        let several = |query: &str, queries: Value| {
            let Value::Array(queries) = queries else { panic!("{queries}") };
            let query = Query::parse(Some(query)).unwrap();
            Options::parse_several(&query, queries).map_err(|error| error.to_string())
        };
        let parsed = several("limit=2&skip=1", json!([{}, {"limit": 5, "keys": ["a"]}])).unwrap();
        assert_eq!((parsed[0].limit, parsed[0].skip, &parsed[0].keys), (2, 1, &None));
        let keys = Some(vec![Value::from("a")]);
        assert_eq!((parsed[1].limit, parsed[1].skip, &parsed[1].keys), (5, 1, &keys));
        for (query, queries, reason) in [
            ("", json!([1]), "`queries` must be an array of objects."),
            ("keys=[1]", json!([{}]), "`keys` must be in the body, each query with its own."),
            (
                "key=1",
                json!([{}, {"keys": [1]}]),
                "`keys` is incompatible with `key`, `start_key` and `end_key`",
            ),
        ] {
            assert_eq!(several(query, queries).unwrap_err(), reason);
        }
    }

    fn check_refused(query: &str, body: &str, expected: &str) {
        let error = parse(query, body).unwrap_err();
        let (_, word, reason) = error.parts();
        assert_eq!(format!("{word}: {reason}"), expected, "{query} {body}");
    }

    #[test]
    fn refuses() {
        for (query, body, expected) in [
            ("limit=x", "{}", r#"query_parse_error: Invalid value for integer: "x""#),
            ("skip=-1", "{}", r#"query_parse_error: Invalid value for positive integer: "-1""#),
            ("include_docs=1", "{}", r#"query_parse_error: Invalid boolean parameter: "1""#),
            ("startkey=a", "{}", "bad_request: invalid UTF-8 JSON"),
            ("keys=1", "{}", "query_parse_error: `keys` must be an array of strings."),
            ("stale=no", "{}", "query_parse_error: Invalid value for `stale`."),
            ("stable=1", "{}", "query_parse_error: Invalid value for `stable`."),
            ("update=ok", "{}", "query_parse_error: Invalid value for `update`."),
            ("", r#"{"update":1}"#, "query_parse_error: Invalid value for `update`."),
            ("sorted=1", "{}", r#"query_parse_error: Invalid boolean parameter: "1""#),
            ("reduce=true", "{}", "query_parse_error: Reduce is invalid for map-only views."),
            ("group=true", "{}", "query_parse_error: Invalid use of grouping on a map view."),
            ("group_level=2", "{}", "query_parse_error: Invalid use of grouping on a map view."),
            (
                "partition=_a",
                "{}",
                "illegal_partition: Partition must not start with an underscore",
            ),
            ("", r#"{"partition":1}"#, "illegal_partition: Partition must be a string"),
            ("", r#"{"keys":1}"#, "bad_request: `keys` body member must be an array."),
            ("", r#"{"limit":-1}"#, "query_parse_error: Invalid value for positive integer: -1"),
            ("", r#"{"limit":1.5}"#, "query_parse_error: Invalid value for integer: 1.5"),
            ("", r#"{"descending":7}"#, "query_parse_error: Invalid boolean parameter: 7"),
            (
                "keys=[1]&key=1",
                "{}",
                "query_parse_error: `keys` is incompatible with `key`, `start_key` and `end_key`",
            ),
        ] {
            check_refused(query, body, expected);
        }
    }
}
