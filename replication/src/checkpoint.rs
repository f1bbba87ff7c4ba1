//! Replication logs: what both sides remember of a replication, and how far they agree.
//!
//! A log is the local document `_local/{replication id}`. Source and target hold the same one, so a
//! replication goes on from the last position that both remember.
//!
//! Source: "Find Common Ancestry" in CouchDB's replication protocol, version 3.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::value::RawValue;
use store::Millis;

use crate::{PeerSeq, SessionId, Stats};

/// Entries that a log keeps.
const HISTORY_MAX: usize = 50;

/// CouchDB's version of how replication ids are made; this hub's ids differ, its logs do not.
const REPLICATION_ID_VERSION: u32 = 4;

/// What one side remembers of a replication; empty where it remembers nothing.
#[derive(Debug, Default)]
pub(crate) struct Log {
    session_id: Option<String>,
    source_last_seq: Option<PeerSeq>,
    history: Vec<Entry>,
}

/// One run of a replication.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    session_id: Option<String>,
    recorded_seq: Option<PeerSeq>,
    /// All of it, to be written again.
    json: Box<str>,
}

/// What two logs have in common.
#[derive(Debug)]
pub(crate) struct Common {
    /// The position that both sides remember.
    pub(crate) since: PeerSeq,
    /// Runs that led there, newest first.
    pub(crate) history: Vec<Entry>,
}

impl Log {
    /// Reads a log; one that makes no sense counts as none.
    pub(crate) fn parse(json: &str) -> Self {
        #[derive(Deserialize)]
        struct Parsed<'a> {
            #[serde(default)]
            session_id: Option<String>,
            #[serde(default, borrow)]
            source_last_seq: Option<&'a RawValue>,
            #[serde(default, borrow)]
            history: Vec<&'a RawValue>,
        }
        let Ok(parsed) = serde_json::from_str::<Parsed<'_>>(json) else { return Self::default() };
        Self {
            session_id: parsed.session_id,
            source_last_seq: parsed.source_last_seq.and_then(|seq| PeerSeq::from_json(seq.get())),
            history: parsed
                .history
                .into_iter()
                .take(HISTORY_MAX)
                .filter_map(Entry::parse)
                .collect(),
        }
    }
}

impl Log {
    /// Whether a session wrote it last.
    pub(crate) fn is_of(&self, session_id: &SessionId) -> bool {
        self.session_id.as_deref() == Some(session_id.as_str())
    }

    /// Whether it remembers this position.
    pub(crate) fn is_at(&self, seq: &PeerSeq) -> bool {
        self.source_last_seq.as_ref() == Some(seq)
    }
}

impl Entry {
    fn parse(raw: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Parsed<'a> {
            #[serde(default)]
            session_id: Option<String>,
            #[serde(default, borrow)]
            recorded_seq: Option<&'a RawValue>,
        }
        let parsed: Parsed<'_> = serde_json::from_str(raw.get()).ok()?;
        Some(Self {
            session_id: parsed.session_id,
            recorded_seq: parsed.recorded_seq.and_then(|seq| PeerSeq::from_json(seq.get())),
            json: raw.get().into(),
        })
    }
}

/// Finds the last position that both sides remember.
///
/// Where they remember the same run, but other positions of it, the earlier one is safe: a side may
/// have been restored from a backup. CouchDB takes the source's.
pub(crate) fn compare(source: &Log, target: &Log) -> Common {
    if source.session_id.is_some() && source.session_id == target.session_id {
        return Common {
            since: earlier(source.source_last_seq.as_ref(), target.source_last_seq.as_ref()),
            history: source.history.clone(),
        };
    }
    let (mut sources, mut targets) = (&source.history[..], &target.history[..]);
    while let ([source, later_sources @ ..], [target, later_targets @ ..]) = (sources, targets) {
        if let Some(same) = find(targets, source) {
            return source.common_with(same, later_sources);
        }
        if let Some(same) = find(later_sources, target) {
            return target.common_with(same, later_targets);
        }
        (sources, targets) = (later_sources, later_targets);
    }
    Common { since: PeerSeq::start(), history: Vec::new() }
}

fn find<'a>(history: &'a [Entry], wanted: &Entry) -> Option<&'a Entry> {
    let session_id = wanted.session_id.as_ref()?;
    history.iter().find(|entry| entry.session_id.as_ref() == Some(session_id))
}

impl Entry {
    fn common_with(&self, other: &Self, before: &[Self]) -> Common {
        Common {
            since: earlier(self.recorded_seq.as_ref(), other.recorded_seq.as_ref()),
            history: before.to_vec(),
        }
    }
}

/// The first, unless the numbers they begin with tell that the second is earlier.
fn earlier(first: Option<&PeerSeq>, second: Option<&PeerSeq>) -> PeerSeq {
    let (Some(first), Some(second)) = (first, second) else { return PeerSeq::start() };
    let second_is = first.leading_number().zip(second.leading_number()).is_some_and(|(a, b)| b < a);
    if second_is { second.clone() } else { first.clone() }
}

/// A run that has come far enough to be remembered.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) session_id: &'a SessionId,
    pub(crate) started: Millis,
    pub(crate) start_seq: &'a PeerSeq,
    pub(crate) stats: &'a Stats,
    /// Whether the log is one of a replication by document ids, which CouchDB writes differently.
    pub(crate) by_doc_ids: bool,
}

impl Run<'_> {
    /// The body of the log that remembers this run up to `through`, and `history` before it.
    pub(crate) fn log(&self, through: &PeerSeq, now: Millis, history: &[Entry]) -> String {
        let (start, end) = (http_date(self.started), http_date(now));
        let (session, stats) = (self.session_id, self.stats);
        let counts = format!(
            r#""docs_read":{},"docs_written":{},"doc_write_failures":{}"#,
            stats.docs_read, stats.docs_written, stats.doc_write_failures
        );
        let mut log = format!(
            r#"{{"session_id":"{session}","source_last_seq":{through},"replication_id_version":{REPLICATION_ID_VERSION}"#
        );
        if self.by_doc_ids {
            let _ = write!(log, r#","start_time":"{start}","end_time":"{end}",{counts}"#);
        }
        let _ = write!(
            log,
            r#","history":[{{"session_id":"{session}","start_time":"{start}","end_time":"{end}","#
        );
        let _ = write!(
            log,
            r#""start_last_seq":{},"end_last_seq":{through},"recorded_seq":{through},"#,
            self.start_seq
        );
        let _ = write!(
            log,
            r#""missing_checked":{},"missing_found":{},{counts},"bulk_get_docs":{},"bulk_get_attempts":{}}}"#,
            stats.missing_checked, stats.missing_found, stats.bulk.docs, stats.bulk.attempts
        );
        for entry in history.iter().take(HISTORY_MAX - 1) {
            log.push(',');
            log.push_str(&entry.json);
        }
        log.push_str("]}");
        log
    }
}

/// RFC 1123's form of a time, as CouchDB writes it into its logs.
fn http_date(time: Millis) -> String {
    // `httpdate` panics on years past 9999.
    let seconds = (time.0 / 1000).min(253_402_300_799);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of runs `session@position`, newest first; the log's own session is the first's.
    fn log(runs: &str) -> Log {
        let runs: Vec<(&str, &str)> =
            runs.split_whitespace().filter_map(|run| run.split_once('@')).collect();
        let Some((session, seq)) = runs.first() else { return Log::default() };
        let history: Vec<String> = runs
            .iter()
            .map(|(session, seq)| format!(r#"{{"session_id":"{session}","recorded_seq":{seq}}}"#))
            .collect();
        Log::parse(&format!(
            r#"{{"session_id":"{session}","source_last_seq":{seq},"history":[{}]}}"#,
            history.join(",")
        ))
    }

    fn check(source: &str, target: &str, since: &str, history: usize) {
        let common = compare(&log(source), &log(target));
        assert_eq!(common.since.as_json(), since, "{source} / {target}");
        assert_eq!(common.history.len(), history, "{source} / {target}");
    }

    #[test]
    fn finds_the_last_common_position() {
        check("", "", "0", 0);
        check("c@9", "", "0", 0);
        check("", "c@9", "0", 0);
        check("c@9", "d@9", "0", 0);
        check("c@9 b@5 a@2", "c@9 b@5 a@2", "9", 3);
        check("c@9 b@5 a@2", "b@5 a@2", "5", 1);
        check("b@5 a@2", "c@9 b@5 a@2", "5", 1);
        check("d@9 b@5", "c@8 b@5", "5", 0);
        check("d@9 a@2", "c@8 b@5 a@2", "2", 0);
        check(r#"c@"9-xyz" b@"5-x""#, r#"b@"5-x""#, r#""5-x""#, 0);
    }

    #[test]
    fn takes_the_earlier_of_one_run() {
        check("c@9 b@5", "c@7 b@5", "7", 2);
        check("c@7 b@5", "c@9 b@5", "7", 2);
        check(r#"c@"9-a""#, r#"c@"9-b""#, r#""9-a""#, 1);
        check(r#"c@"x""#, r#"c@"y""#, r#""x""#, 1);
        check("d@9 b@5", "c@8 b@4", "4", 0);
    }

    #[test]
    fn nonsense_counts_as_nothing() {
        for json in [
            "",
            "[]",
            "{}",
            r#"{"session_id":5}"#,
            r#"{"history":{}}"#,
            r#"{"history":[1,null,[]]}"#,
            r#"{"session_id":null,"source_last_seq":7}"#,
            r#"{"session_id":"c","source_last_seq":null}"#,
            r#"{"session_id":"c","source_last_seq":{"a":1}}"#,
        ] {
            let common = compare(&Log::parse(json), &Log::parse(json));
            assert!(common.since.is_start(), "{json}");
            assert!(compare(&Log::parse(json), &log("c@9")).since.is_start(), "{json}");
        }
    }

    #[test]
    fn writes_couchdbs_log() {
        let session_id = SessionId::from_random(0xab);
        let stats =
            Stats { docs_read: 3, missing_found: 3, missing_checked: 4, ..Stats::default() };
        let run = Run {
            session_id: &session_id,
            started: Millis(1_795_255_200_000),
            start_seq: &PeerSeq::start(),
            stats: &stats,
            by_doc_ids: false,
        };
        let old: Vec<Entry> = log(&"a@1 ".repeat(60)).history;
        assert_eq!(old.len(), HISTORY_MAX);
        let through = PeerSeq::from_json("\"7-x\"").unwrap();
        let text = run.log(&through, Millis(1_795_255_201_000), &old);
        let start = concat!(
            r#"{"session_id":"000000000000000000000000000000ab","source_last_seq":"7-x","#,
            r#""replication_id_version":4,"history":[{"#,
            r#""session_id":"000000000000000000000000000000ab","#,
            r#""start_time":"Sat, 21 Nov 2026 10:00:00 GMT","#,
            r#""end_time":"Sat, 21 Nov 2026 10:00:01 GMT","start_last_seq":0,"#,
            r#""end_last_seq":"7-x","recorded_seq":"7-x","missing_checked":4,"missing_found":3,"#,
            r#""docs_read":3,"docs_written":0,"doc_write_failures":0,"#,
            r#""bulk_get_docs":0,"bulk_get_attempts":0},{"session_id":"a","#,
        );
        assert_eq!(text.get(..start.len()), Some(start));
        let read = Log::parse(&text);
        assert_eq!(read.history.len(), HISTORY_MAX);
        assert_eq!(compare(&read, &read).since, through);
    }
}
