//! Options of a view's query, in the query of the URL or in a body.
//!
//! Source: CouchDB's `couch_mrview_http:parse_param` and `couch_mrview_util:validate_args`.

use serde_json::Value;
use store::{Direction, Partition, Show, ShowAttachments};

use crate::http::HttpError;
use crate::http::given::{self, Given, refused};

/// What a view is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// First key in reading direction; `None` where the range has no such end.
    pub(crate) start: Option<Value>,
    /// Where among the rows of the first key the range begins.
    pub(crate) start_id: Option<String>,
    /// Last key in reading direction.
    pub(crate) end: Option<Value>,
    /// Where among the rows of the last key the range ends.
    pub(crate) end_id: Option<String>,
    /// Whether rows of the last key are part of the range.
    pub(crate) inclusive_end: bool,
    /// Rows of these keys, in their order.
    pub(crate) keys: Option<Vec<Value>>,
    /// Which way the rows are read.
    pub(crate) direction: Direction,
    /// Rows passed over.
    pub(crate) skip: u64,
    /// Most rows shown.
    pub(crate) limit: u64,
    /// Whether rows are reduced, where it is said.
    pub(crate) reduce: Option<bool>,
    group: Option<bool>,
    group_level: Option<u64>,
    /// Whether the update sequence is told.
    pub(crate) update_seq: bool,
    /// Whether the rows have to be those of the documents as they are now.
    pub(crate) update: Update,
    /// The one partition that is asked.
    pub(crate) partition: Option<Partition>,
    include_docs: bool,
    conflicts: Option<bool>,
    attachments: bool,
    encoding_info: bool,
}

/// When the index is brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    /// Before it is read.
    First,
    /// After it was read.
    Later,
    /// By others.
    Never,
}

/// How rows are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// All of them.
    Whole,
    /// Those whose keys begin with the same so many elements.
    Level(usize),
    /// Those of the same key.
    Exact,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            start: None,
            start_id: None,
            end: None,
            end_id: None,
            inclusive_end: true,
            keys: None,
            direction: Direction::Ascending,
            skip: 0,
            limit: u64::MAX,
            reduce: None,
            group: None,
            group_level: None,
            update_seq: false,
            update: Update::First,
            partition: None,
            include_docs: false,
            conflicts: None,
            attachments: false,
            encoding_info: false,
        }
    }
}

impl given::Options for Options {
    const KEYS_REASON: &'static str = "`keys` member must be an array.";

    fn keys(&mut self) -> &mut Option<Vec<Value>> {
        &mut self.keys
    }

    fn checked(self) -> Result<Self, HttpError> {
        // What contradicts depends on the view.
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
            "startkey_docid" | "start_key_doc_id" => {
                self.start_id = Some(given.text("start_key_docid")?);
            }
            "endkey_docid" | "end_key_doc_id" => self.end_id = Some(given.text("end_key_docid")?),
            "inclusive_end" => self.inclusive_end = given.boolean()?,
            "descending" => {
                self.direction = match given.boolean()? {
                    true => Direction::Descending,
                    false => Direction::Ascending,
                };
            }
            "skip" => self.skip = given.unsigned()?,
            "limit" => self.limit = given.unsigned()?,
            "reduce" => self.reduce = Some(given.boolean()?),
            "group" => self.group = Some(given.boolean()?),
            "group_level" => self.group_level = Some(given.unsigned()?),
            "update_seq" => self.update_seq = given.boolean()?,
            "stale" => {
                self.update = match given.word(name, &["ok", "update_after"])? {
                    "ok" => Update::Never,
                    _ => Update::Later,
                };
            }
            "update" => {
                self.update = match given.word(name, &["true", "false", "lazy"])? {
                    "true" => Update::First,
                    "false" => Update::Never,
                    _ => Update::Later,
                };
            }
            // There is one copy of the index, and it is sorted.
            "stable" => _ = given.word(name, &["true", "false"])?,
            "sorted" => _ = given.boolean()?,
            "include_docs" => self.include_docs = given.boolean()?,
            "conflicts" => self.conflicts = Some(given.boolean()?),
            "attachments" => self.attachments = given.boolean()?,
            "att_encoding_info" => self.encoding_info = given.boolean()?,
            "partition" => self.partition = Some(given.partition()?),
            _ => {}
        }
        Ok(())
    }
}

impl Options {
    /// Refuses what makes no sense for a view with a reduce function, or without one. Whether the
    /// rows are to be reduced, and how.
    pub(crate) fn check(&self, has_reduce: bool) -> Result<Option<Grouping>, HttpError> {
        let grouping = self.grouping()?;
        let reduces = has_reduce && self.reduce != Some(false);
        if !reduces && self.reduce == Some(true) {
            return Err(refused("Reduce is invalid for map-only views."));
        }
        if reduces && grouping != Grouping::Exact && self.keys.is_some() {
            return Err(refused("Multi-key fetches for reduce views must use `group=true`"));
        }
        let ranged = self.start.is_some() || self.end.is_some();
        if ranged && self.keys.as_ref().is_some_and(|keys| !keys.is_empty()) {
            return Err(refused("`keys` is incompatible with `key`, `start_key` and `end_key`"));
        }
        if !reduces && grouping != Grouping::Whole {
            return Err(refused("Invalid use of grouping on a map view."));
        }
        if reduces && self.include_docs {
            return Err(refused("`include_docs` is invalid for reduce"));
        }
        if reduces && self.conflicts.is_some() {
            return Err(refused("`conflicts` is invalid for reduce views."));
        }
        Ok(reduces.then_some(grouping))
    }

    fn grouping(&self) -> Result<Grouping, HttpError> {
        match (self.group, self.group_level) {
            (None | Some(false), None) => Ok(Grouping::Whole),
            (Some(true), None) => Ok(Grouping::Exact),
            (Some(false), Some(level)) if level > 0 => {
                Err(refused("Can't specify group=false and group_level>0 at the same time"))
            }
            (_, Some(0)) => Ok(Grouping::Whole),
            (_, Some(level)) => Ok(Grouping::Level(usize::try_from(level).unwrap_or(usize::MAX))),
        }
    }

    /// Whether an answer says something of documents, or of the database, beside the view's rows.
    pub(crate) fn shows_more_than_rows(&self) -> bool {
        let documents = self.include_docs || self.attachments || self.encoding_info;
        documents || self.conflicts.is_some() || self.update_seq
    }

    /// What is shown of each row's document, where documents are asked for.
    pub(crate) fn show(&self) -> Option<Show> {
        self.include_docs.then(|| Show {
            conflicts: self.conflicts == Some(true),
            attachments: match self.attachments {
                true => ShowAttachments::All,
                false => ShowAttachments::Stubs,
            },
            encoding_info: self.encoding_info,
            ..Show::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Query;
    use crate::http::given::Options as _;

    fn parse(query: &str, body: &str) -> Result<Options, HttpError> {
        let body = serde_json::from_str(body).unwrap();
        Options::parse(&Query::parse(Some(query)).unwrap(), body)
    }

    fn check(query: &str, has_reduce: bool, expected: &str) {
        let outcome = parse(query, "{}").and_then(|options| options.check(has_reduce));
        let said = match outcome {
            Ok(grouping) => format!("{grouping:?}"),
            Err(error) => error.parts().2,
        };
        assert_eq!(said, expected, "{query}");
    }

    #[test]
    fn views_with_a_reduce_function_reduce_unless_told() {
        check("", true, "Some(Whole)");
        check("", false, "None");
        check("reduce=false", true, "None");
        check("group=true", true, "Some(Exact)");
        check("group=true&group_level=2", true, "Some(Level(2))");
        check("group_level=0", true, "Some(Whole)");
        check("group=false", false, "None");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check("reduce=true", false, "Reduce is invalid for map-only views.");
        check("group=true", false, "Invalid use of grouping on a map view.");
        check("group=true&reduce=false", true, "Invalid use of grouping on a map view.");
        check("keys=[1]", true, "Multi-key fetches for reduce views must use `group=true`");
        check("keys=[1]&group=true", true, "Some(Exact)");
        check(
            "keys=[1]&key=2",
            false,
            "`keys` is incompatible with `key`, `start_key` and `end_key`",
        );
        check("include_docs=true", true, "`include_docs` is invalid for reduce");
        check("conflicts=true", true, "`conflicts` is invalid for reduce views.");
        check(
            "group=false&group_level=1",
            true,
            "Can't specify group=false and group_level>0 at the same time",
        );
        check("stale=no", false, "Invalid value for `stale`.");
        check("update=no", false, "Invalid value for `update`.");
        check("limit=-1", false, r#"Invalid value for positive integer: "-1""#);
        check("group_level=x", true, r#"Invalid value for integer: "x""#);
        check("startkey={", false, "invalid UTF-8 JSON");
    }

    #[test]
    fn the_query_has_the_last_word() {
        let options = parse("limit=1&key=%22a%22", r#"{"limit":5,"keys":[1],"stale":"ok"}"#);
        let options = options.unwrap();
        assert_eq!((options.limit, options.update), (1, Update::Never));
        assert_eq!((options.start, options.keys), (Some("a".into()), Some(vec![1.into()])));
        assert!(parse("", r#"{"keys":1}"#).is_err());
        assert!(parse("", r#"{"startkey_docid":1}"#).is_err());
    }
}
