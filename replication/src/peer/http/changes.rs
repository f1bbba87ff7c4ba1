//! `_changes` of another server.

use std::borrow::Cow;

use serde::Deserialize;
use store::json::ArraySplitter;
use store::{DocId, RevId};

use super::{HttpPeer, no_database, nonsense, parse, url};
use crate::{
    Change, ChangesBatch, ChangesQuery, Feed, Filter, FunctionFilter, Leaves, PeerError, PeerSeq,
};

/// Bytes of one row: a document with some twenty thousand leaves.
const ROW_BYTES_MAX: usize = 1 << 20;

/// Bytes of all rows of an answer.
const ROWS_BYTES_MAX: usize = 64 << 20;

/// How often a waiting peer is to give a sign of life.
const HEARTBEAT_MS: u64 = 10_000;

impl HttpPeer {
    pub(super) async fn read_changes(
        &self,
        query: ChangesQuery,
    ) -> Result<ChangesBatch, PeerError> {
        let path = path(&query);
        let mut reply = match body(&query.filter) {
            Some(body) => self.post("changes", &path, body).await,
            None if matches!(query.filter, Filter::All | Filter::Function(_)) => {
                self.get("changes", &path).await
            }
            None => {
                let reason = "the selector is no JSON".into();
                return Err(PeerError::Refused { status: 400, reason });
            }
        }
        .map_err(|error| absent(error, &query.filter))?;
        let mut rows = Rows::new();
        while let Some(chunk) = reply.chunk().await? {
            rows.take(&chunk)?;
        }
        rows.finish(&query)
    }
}

/// What is not there: the function where the peer says so, else the database.
fn absent(error: PeerError, filter: &Filter) -> PeerError {
    const DATABASE: [&str; 2] = ["Database does not exist", "no_db_file"];
    match (&error, filter) {
        (PeerError::Refused { reason, .. }, Filter::Function(_))
            if !DATABASE.iter().any(|words| reason.contains(words)) =>
        {
            error
        }
        _ => no_database(error),
    }
}

fn path(query: &ChangesQuery) -> String {
    let limit = query.limit;
    let since = query.since.as_since();
    let feed = match query.feed {
        Feed::Normal => "normal".to_owned(),
        Feed::Longpoll => format!("longpoll&heartbeat={HEARTBEAT_MS}"),
    };
    let filter = match &query.filter {
        Filter::All => String::new(),
        Filter::DocIds(_) => "&filter=_doc_ids".into(),
        Filter::Selector(_) => "&filter=_selector".into(),
        Filter::Function(function) => named(function),
    };
    let style = match query.leaves {
        Leaves::All => "all_docs",
        Leaves::Winner => "main_only",
    };
    // A clustered CouchDB works hard for every row's `seq`; only the last one is needed.
    let options = format!("seq_interval={limit}&limit={limit}{filter}");
    format!("/_changes?style={style}&feed={feed}&since={}&{options}", url::encode(&since))
}

/// The options by which a function is asked; those of the replication itself come first.
fn named(function: &FunctionFilter) -> String {
    const OWN: [&str; 7] =
        ["feed", "filter", "heartbeat", "limit", "seq_interval", "since", "style"];
    let given =
        function.options.iter().filter(|(name, _)| !OWN.contains(&name.to_lowercase().as_str()));
    let option =
        |(name, value): &(String, String)| format!("&{}={}", url::encode(name), url::encode(value));
    let options: String = given.map(option).collect();
    format!("&filter={}{options}", url::encode(&function.name))
}

fn body(filter: &Filter) -> Option<String> {
    match filter {
        Filter::All | Filter::Function(_) => None,
        Filter::DocIds(ids) => {
            let ids: Vec<&str> = ids.iter().map(DocId::as_str).collect();
            Some(format!(r#"{{"doc_ids":{}}}"#, serde_json::Value::from(ids)))
        }
        Filter::Selector(selector) => {
            let selector = store::json::compact(selector.as_bytes()).ok()?;
            Some(format!(r#"{{"selector":{selector}}}"#))
        }
    }
}

/// Rows of a feed as they come in.
struct Rows {
    splitter: ArraySplitter,
    changes: Vec<Change>,
    unreadable: u64,
    rows: usize,
    bytes: usize,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    changes: Vec<Leaf<'a>>,
}

#[derive(Deserialize)]
struct Leaf<'a> {
    #[serde(borrow)]
    rev: Cow<'a, str>,
}

impl Rows {
    fn new() -> Self {
        Self {
            splitter: ArraySplitter::new("results", ROW_BYTES_MAX),
            changes: Vec::new(),
            unreadable: 0,
            rows: 0,
            bytes: 0,
        }
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), PeerError> {
        self.bytes += chunk.len();
        if self.bytes > ROWS_BYTES_MAX {
            return Err(PeerError::Answer("too many changes at once".into()));
        }
        let Self { splitter, changes, unreadable, rows, .. } = self;
        let mut problem = None;
        let split = splitter.push(chunk, |row| {
            *rows += 1;
            match read(row) {
                Ok(Some(change)) => changes.push(change),
                Ok(None) => *unreadable += 1,
                Err(error) => problem = problem.take().or(Some(error)),
            }
            Ok::<(), store::json::JsonError>(())
        });
        split.map_err(nonsense)?;
        problem.map_or(Ok(()), Err)
    }

    fn finish(self, query: &ChangesQuery) -> Result<ChangesBatch, PeerError> {
        let rest = self.splitter.finish().map_err(nonsense)?;
        let member = |wanted: &str| {
            rest.members.iter().find(|(name, _)| name == wanted).map(|(_, raw)| raw.as_str())
        };
        let last_seq = member("last_seq").and_then(PeerSeq::from_json);
        let last_seq = last_seq.ok_or_else(|| nonsense("changes without last_seq"))?;
        let pending = member("pending").and_then(|raw| raw.parse().ok());
        Ok(ChangesBatch {
            changes: self.changes,
            last_seq,
            pending,
            more: self.rows >= query.limit && pending != Some(0),
            unreadable: self.unreadable,
        })
    }
}

/// Reads a row; `None` for one whose document no hub can hold.
fn read(row: &[u8]) -> Result<Option<Change>, PeerError> {
    let row: Row<'_> = parse(row)?;
    if row.changes.is_empty() {
        return Err(nonsense("a change without revisions"));
    }
    let Ok(id) = row.id.parse::<DocId>() else { return Ok(None) };
    let leaves: Result<Vec<RevId>, _> = row.changes.iter().map(|leaf| leaf.rev.parse()).collect();
    Ok(leaves.ok().map(|leaves| Change { id, leaves }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(filter: Filter, feed: Feed) -> ChangesQuery {
        let since = PeerSeq::from_json(r#""5-a+b""#).unwrap();
        ChangesQuery { since, limit: 2, feed, filter, leaves: Leaves::All }
    }

    /// Reads an answer in one piece and byte by byte.
    fn check(answer: &str, expected: &str) {
        let read = |size: usize| {
            let mut rows = Rows::new();
            answer.as_bytes().chunks(size).try_for_each(|chunk| rows.take(chunk))?;
            rows.finish(&query(Filter::All, Feed::Normal))
        };
        for size in [1, 7, answer.len().max(1)] {
            let found = match read(size) {
                Ok(batch) => format!(
                    "{} rows, {} unreadable, {}, {:?}, {}",
                    batch.changes.len(),
                    batch.unreadable,
                    batch.last_seq,
                    batch.pending,
                    batch.more
                ),
                Err(error) => {
                    assert!(error.is_passing());
                    "nonsense".to_owned()
                }
            };
            assert_eq!(found, expected, "{answer}");
        }
    }

    #[test]
    fn reads_feeds() {
        let row = r#"{"seq":null,"id":"a","changes":[{"rev":"1-x"},{"rev":"1-y"}],"deleted":true}"#;
        check(r#"{"results":[],"last_seq":"0-x"}"#, r#"0 rows, 0 unreadable, "0-x", None, false"#);
        check(
            &format!("\n\n{{\"results\":[\n{row},\n{row}\n],\n\"last_seq\":7,\"pending\":3}}\n"),
            "2 rows, 0 unreadable, 7, Some(3), true",
        );
        check(
            &format!(r#"{{"pending":0,"last_seq":[1,"x"],"results":[{row},{row}]}}"#),
            r#"2 rows, 0 unreadable, [1,"x"], Some(0), false"#,
        );
        check(
            r#"{"results":[{"id":"_x","changes":[{"rev":"1-x"}]},{"id":"a","changes":[{"rev":"x"}]}],"last_seq":1}"#,
            "0 rows, 2 unreadable, 1, None, true",
        );
    }

    #[test]
    fn hostile_feeds_are_refused() {
        for answer in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"results":[]}"#,
            r#"{"results":[],"last_seq":null}"#,
            r#"{"results":[],"last_seq":{}}"#,
            r#"{"results":[1],"last_seq":1}"#,
            r#"{"results":[{"id":"a"}],"last_seq":1}"#,
            r#"{"results":[{"id":"a","changes":[]}],"last_seq":1}"#,
            r#"{"results":[{"id":5,"changes":[{"rev":"1-x"}]}],"last_seq":1}"#,
            r#"{"results":[{"id":"a","changes":[{"rev":1}]}],"last_seq":1}"#,
            r#"{"results":[{"id":"a","changes":[{"rev":"1-x"}]}"#,
            "{\"results\":[\"\u{0}\"],\"last_seq\":1}",
            &format!(r#"{{"results":[{}"#, "[".repeat(100_000)),
        ] {
            check(answer, "nonsense");
        }
        let endless = format!(r#"{{"results":["{}"#, "x".repeat(ROW_BYTES_MAX + 1));
        assert!(Rows::new().take(endless.as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_there() {
        let function = FunctionFilter { name: "d/f".into(), options: vec![] };
        let function = Filter::Function(function.into());
        let refused = |reason: &str| PeerError::Refused { status: 404, reason: reason.into() };
        let is_database = |error| matches!(error, PeerError::NoDatabase);
        assert!(is_database(absent(refused("missing json key: f"), &Filter::All)));
        assert!(is_database(absent(refused("Database does not exist."), &function)));
        assert!(!is_database(absent(refused("missing json key: f"), &function)));
    }

    #[test]
    fn asks_as_couchdb_does() {
        assert_eq!(
            path(&query(Filter::All, Feed::Normal)),
            "/_changes?style=all_docs&feed=normal&since=5-a%2Bb&seq_interval=2&limit=2"
        );
        let winners = ChangesQuery { leaves: Leaves::Winner, ..query(Filter::All, Feed::Longpoll) };
        assert!(path(&winners).starts_with("/_changes?style=main_only&feed=longpoll&"));
        let ids = Filter::DocIds(["a\"".parse().unwrap()].into());
        assert_eq!(body(&ids).unwrap(), r#"{"doc_ids":["a\""]}"#);
        assert!(path(&query(ids, Feed::Longpoll)).ends_with("&filter=_doc_ids"));
        let selector = Filter::Selector(r#"{ "a": 1 }"#.into());
        assert_eq!(body(&selector).unwrap(), r#"{"selector":{"a":1}}"#);
        assert_eq!(body(&Filter::Selector("}".into())), None);
        let options = [("a&b", "\"é\""), ("since", "0"), ("FEED", "x")];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let function = FunctionFilter { name: "d/f".into(), options };
        let function = Filter::Function(function.into());
        assert_eq!(body(&function), None);
        let asked = path(&query(function, Feed::Normal));
        assert!(asked.ends_with("&limit=2&filter=d%2Ff&a%26b=%22%C3%A9%22"), "{asked}");
    }
}
