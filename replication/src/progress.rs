//! How far a replication is, and what came of it.

use crate::{BulkGets, PeerSeq, Side};

/// What a replication counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Revisions that the target was asked about: `revisions_checked` in `_active_tasks`.
    pub missing_checked: u64,
    /// Revisions that the target lacked: `missing_revisions_found`.
    pub missing_found: u64,
    /// Revisions read from the source.
    pub docs_read: u64,
    /// Revisions written to the target.
    pub docs_written: u64,
    /// Revisions that the target refused, or that could not be read for good.
    pub doc_write_failures: u64,
    /// Use made of `_bulk_get`.
    pub bulk: BulkGets,
}

/// How far a replication is: what `_active_tasks` and `_scheduler/jobs` show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub state: State,
    /// What it has counted.
    pub stats: Stats,
    /// Changes that are still to come, where the source says.
    pub changes_pending: Option<u64>,
    /// Position of the last checkpoint.
    pub checkpointed_source_seq: PeerSeq,
    /// Position up to which changes were read.
    pub source_seq: PeerSeq,
    /// Position up to which the target has everything.
    pub through_seq: PeerSeq,
}

/// What a replication is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Asking both sides what they have.
    Starting,
    /// Moving documents.
    Running,
    /// Waiting for a change; everything before is at the target.
    Idle,
    /// Waiting until a failed request may be tried again: CouchDB's `crashing`.
    Retrying {
        /// What went wrong.
        error: String,
        /// How often in a row.
        tries: u32,
    },
    /// Over.
    Ended,
}

/// What came of a replication.
#[derive(Debug)]
pub enum Outcome {
    /// The target has all that the source had when it was asked.
    Completed(Report),
    /// It was cancelled; what was written stays, and is remembered if both sides could be reached.
    Cancelled,
    /// It cannot go on.
    Failed(Failure),
}

/// Why a replication cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{side}: {}", error.chain())]
pub struct Failure {
    /// Whose fault.
    pub side: Side,
    /// What went wrong there.
    #[source]
    pub error: crate::PeerError,
}

/// A completed replication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was counted.
    pub stats: Stats,
    pub(crate) log: ReportedLog,
}

/// Which log a report shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReportedLog {
    /// The one written last, a JSON object.
    Written(String),
    /// The one found, a JSON object: there was nothing to do.
    Unchanged(String),
    /// None was to be kept.
    Unused,
}

impl Report {
    /// The answer to `POST /_replicate`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let (first, log) = match &self.log {
            ReportedLog::Written(log) => (r#"{"ok":true"#, log.as_str()),
            ReportedLog::Unchanged(log) => (r#"{"ok":true,"no_changes":true"#, log.as_str()),
            ReportedLog::Unused => (r#"{"ok":true,"use_checkpoints":false"#, "{}"),
        };
        match log.strip_prefix('{') {
            Some(members) if members != "}" => format!("{first},{members}"),
            _ => format!("{first}}}"),
        }
    }

    /// Whether the target had everything already.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        matches!(self.log, ReportedLog::Unchanged(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(log: ReportedLog, json: &str) {
        assert_eq!(Report { stats: Stats::default(), log }.to_json(), json);
    }

    #[test]
    fn renders_couchdbs_answer() {
        check(ReportedLog::Written(r#"{"a":1}"#.into()), r#"{"ok":true,"a":1}"#);
        check(ReportedLog::Unchanged("{}".into()), r#"{"ok":true,"no_changes":true}"#);
        check(
            ReportedLog::Unchanged(r#"{"a":1}"#.into()),
            r#"{"ok":true,"no_changes":true,"a":1}"#,
        );
        check(ReportedLog::Unused, r#"{"ok":true,"use_checkpoints":false}"#);
    }
}
