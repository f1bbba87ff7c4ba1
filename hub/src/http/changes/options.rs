//! Options of `_changes`.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use store::{Database, Direction, Show, ShowAttachments};

use super::filter::Filter;
use crate::app::App;
use crate::http::functions::Asked;
use crate::http::json_body::Members;
use crate::http::{HttpError, Query};

/// What a changes feed is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(super) feed: Feed,
    pub(super) since: Since,
    /// Most rows sent.
    pub(super) limit: Option<u64>,
    pub(super) direction: Direction,
    /// Whether all leaves are listed, or the winner only.
    pub(super) all_leaves: bool,
    /// What is shown of each document, where documents are asked for.
    pub(super) show: Option<Show>,
    pub(super) filter: Filter,
    /// How many rows share one sequence; the others show `null`.
    pub(super) seq_interval: Option<u64>,
    pub(super) patience: Patience,
}

/// How a feed goes on when it has caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// It ends.
    Normal,
    /// It waits until there is something to tell, and ends.
    Longpoll,
    /// It waits again and again, one row a line.
    Continuous,
    /// As [`Self::Continuous`], written for a browser's `EventSource`.
    EventSource,
}

/// Where a feed begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Behind the last edit.
    Now,
    /// Behind this sequence, as the client wrote it.
    Text(String),
}

/// What a feed does while nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Ends after so long.
    Timeout(Duration),
    /// Sends a sign of life every so often.
    Heartbeat(Duration),
}

/// The longest that a feed waits without a word: CouchDB's `changes_timeout`.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The shortest time between two signs of life; a client that asks for more gets these, so that a
/// thousand idle feeds stay idle.
const HEARTBEAT_MIN: Duration = Duration::from_millis(50);

impl Options {
    /// Reads the query, the body of a `POST`, and the header that a browser's `EventSource` sends.
    pub(crate) fn parse(
        query: &Query,
        body: Option<&Members>,
        headers: &HeaderMap,
    ) -> Result<Self, HttpError> {
        let query = &query.with_small_names();
        let feed = match query.text("feed") {
            None | Some("normal") => Feed::Normal,
            Some("longpoll") => Feed::Longpoll,
            Some("continuous" | "live") => Feed::Continuous,
            Some("eventsource") => Feed::EventSource,
            Some(_) => {
                return Err(bad(
                    "Supported `feed` types: normal, continuous, live, longpoll, eventsource",
                ));
            }
        };
        let all_leaves = match query.text("style") {
            None | Some("main_only") => false,
            Some("all_docs") => true,
            Some(_) => return Err(bad("Supported `style` types: main_only, all_docs")),
        };
        let seq_interval = match query.text("seq_interval").map(str::parse) {
            None => None,
            Some(Ok(rows)) if rows > 0 => Some(rows),
            Some(_) => return Err(bad("invalid_seq_interval")),
        };
        Ok(Self {
            feed,
            since: since(query, feed, headers),
            limit: query.unsigned("limit")?,
            direction: match query.is_true("descending") {
                true => Direction::Descending,
                false => Direction::Ascending,
            },
            all_leaves,
            show: query.is_true("include_docs").then(|| show(query)),
            filter: Filter::parse(query, body)?,
            seq_interval,
            patience: patience(query)?,
        })
    }

    /// The same with the function found that a filter names.
    pub(super) fn with_function(
        mut self,
        app: &Arc<App>,
        database: &Arc<Database>,
        asked: impl FnOnce() -> Asked,
    ) -> impl Future<Output = Result<Self, HttpError>> {
        // What was asked is copied only for a function that is shown it.
        let named = match &self.filter {
            Filter::Named(named) => Some((named.clone(), asked())),
            _ => None,
        };
        async move {
            if let Some((named, asked)) = named {
                self.filter = Filter::Function(named.find(app, database, asked).await?);
            }
            Ok(self)
        }
    }

    /// Whether a function decides what is shown.
    pub(super) fn asks_function(&self) -> bool {
        self.filter.calls_functions()
    }
}

fn since(query: &Query, feed: Feed, headers: &HeaderMap) -> Since {
    // A browser that reconnects says in the header where it was; the address is still the first.
    let header = headers.get("last-event-id").filter(|_| feed == Feed::EventSource);
    let text = header.and_then(|value| value.to_str().ok());
    let options = query.pairs().filter(|(name, _)| matches!(*name, "since" | "last-event-id"));
    match text.or_else(|| options.last().map(|(_, value)| value)) {
        Some("now") => Since::Now,
        Some(text) => Since::Text(text.trim_matches('"').into()),
        None => Since::Text("0".into()),
    }
}

fn show(query: &Query) -> Show {
    Show {
        conflicts: query.is_true("conflicts"),
        attachments: match query.is_true("attachments") {
            true => ShowAttachments::All,
            false => ShowAttachments::Stubs,
        },
        encoding_info: query.is_true("att_encoding_info"),
        ..Show::default()
    }
}

/// How long a feed waits, from the options `heartbeat` and `timeout`.
pub(crate) fn patience(query: &Query) -> Result<Patience, HttpError> {
    if let Some(text) = query.text("heartbeat") {
        let every = match text.parse::<i64>() {
            _ if text == "true" => WAIT_MAX,
            Ok(millis) => match u64::try_from(millis) {
                Ok(millis) if millis > 0 => Duration::from_millis(millis),
                _ => {
                    return Err(bad("The heartbeat value should be a positive integer (in \
                                    milliseconds)."));
                }
            },
            Err(_) => {
                return Err(bad(
                    "Invalid heartbeat value. Expecting a positive integer value (in \
                                milliseconds).",
                ));
            }
        };
        return Ok(Patience::Heartbeat(every.clamp(HEARTBEAT_MIN, WAIT_MAX)));
    }
    let timeout = query.unsigned("timeout")?.map(Duration::from_millis);
    Ok(Patience::Timeout(timeout.unwrap_or(WAIT_MAX).min(WAIT_MAX)))
}

fn bad(reason: &str) -> HttpError {
    HttpError::BadRequest(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, HttpError> {
        Options::parse(&Query::parse(Some(text)).unwrap(), None, &HeaderMap::new())
    }

    #[test]
    fn defaults() {
        let options = parse("").unwrap();
        assert_eq!(options.feed, Feed::Normal);
        assert_eq!(options.since, Since::Text("0".into()));
        assert_eq!(options.patience, Patience::Timeout(WAIT_MAX));
        assert_eq!((options.limit, options.show, options.all_leaves), (None, None, false));
    }

    #[test]
    fn reads_options() {
        assert_eq!(parse("feed=live").unwrap().feed, Feed::Continuous);
        assert_eq!(parse("Feed=longpoll&LIMIT=3").unwrap().feed, Feed::Longpoll);
        assert_eq!(parse("since=now").unwrap().since, Since::Now);
        assert_eq!(
            parse("since=1&last-event-id=%225-a%22").unwrap().since,
            Since::Text("5-a".into())
        );
        assert_eq!(parse("since=5-a&since=6-b").unwrap().since, Since::Text("6-b".into()));
        assert!(parse("style=all_docs").unwrap().all_leaves);
        assert_eq!(parse("limit=0").unwrap().limit, Some(0));
        assert_eq!(parse("include_docs=1").unwrap().show, None);
        let show =
            parse("include_docs=true&conflicts=true&attachments=true").unwrap().show.unwrap();
        assert!(show.conflicts && show.attachments == ShowAttachments::All);
    }

    #[test]
    fn reads_patience() {
        let millis = Duration::from_millis;
        for (text, expected) in [
            ("timeout=0", Patience::Timeout(millis(0))),
            ("timeout=70000", Patience::Timeout(WAIT_MAX)),
            ("heartbeat=true&timeout=1", Patience::Heartbeat(WAIT_MAX)),
            ("heartbeat=10000", Patience::Heartbeat(millis(10_000))),
            ("heartbeat=1", Patience::Heartbeat(HEARTBEAT_MIN)),
            ("heartbeat=99999999999", Patience::Heartbeat(WAIT_MAX)),
        ] {
            assert_eq!(parse(text).unwrap().patience, expected, "{text}");
        }
    }

    #[test]
    fn a_browser_that_reconnects_says_where_it_was() {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("last-event-id"),
            http::HeaderValue::from_static("\"7-ab\""),
        )]);
        let since = |text| {
            Options::parse(&Query::parse(Some(text)).unwrap(), None, &headers).unwrap().since
        };
        assert_eq!(since("feed=eventsource&since=1"), Since::Text("7-ab".into()));
        assert_eq!(since("feed=continuous&since=1"), Since::Text("1".into()));
    }

    #[test]
    fn refuses() {
        for (text, expected) in [
            ("feed=other", "bad_request: Supported `feed` types"),
            ("style=other", "bad_request: Supported `style` types"),
            ("limit=x", "query_parse_error: Invalid value for integer"),
            ("limit=-1", "query_parse_error: Invalid value for positive integer"),
            ("heartbeat=false", "bad_request: Invalid heartbeat value."),
            ("heartbeat=0", "bad_request: The heartbeat value should be a positive integer"),
            ("heartbeat=-5", "bad_request: The heartbeat value should be a positive integer"),
            ("timeout=-5", "query_parse_error: Invalid value for positive integer"),
            ("seq_interval=0", "bad_request: invalid_seq_interval"),
            ("seq_interval=x", "bad_request: invalid_seq_interval"),
        ] {
            let error = parse(text).unwrap_err();
            let (_, word, reason) = error.parts();
            let found = format!("{word}: {reason}");
            assert!(found.starts_with(expected), "{text}: {found}");
        }
    }
}
